"""Visually guided sound source separation, host side: data, networks, training, scores (docs/separation.md)."""
