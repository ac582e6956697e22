"""Clips to mixtures: readers, stores, mixing, imagined lips."""
