"""Samples with consent (E11): what `seehear record` kept, given to a server that trains, listed and deleted there and here."""

from seehear.samples.client import Deleted, Listed, Pushed, delete, listed, push

__all__ = ["Deleted", "Listed", "Pushed", "delete", "listed", "push"]
