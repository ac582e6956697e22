"""Visually guided sound source separation: a mixture and pictures in, one track for each source out (docs/separation.md)."""
