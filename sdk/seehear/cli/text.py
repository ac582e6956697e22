"""What is printed."""

from __future__ import annotations


def line(text: str) -> str:
    """One line that is what it looks like: no control codes, no line breaks."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
