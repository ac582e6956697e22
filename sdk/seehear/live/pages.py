"""The files that browsers are given, and what they are told besides."""

from __future__ import annotations

from importlib import resources

#: With every answer: a page loads nothing from elsewhere, and no other site shows it.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


def page(package: str, name: str) -> tuple[bytes, str]:
    """A file of a page, and its media type.

    Parameters
    ----------
    package : that it lies in, as "seehear.live".
    name : its path there; ends with .html, .css or .js.

    Examples
    --------
    >>> page("seehear.live", "scope.js")[1]
    'text/javascript'
    """
    return resources.files(package).joinpath(name).read_bytes(), _KINDS[name.rpartition(".")[2]]
