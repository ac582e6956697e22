"""Signed models from a server: fetched, tried, switched to (docs/model-store.md)."""

from seehear.store.client import Pulled, pull

__all__ = ["Pulled", "pull"]
