"""Model bundles: the container, what its manifest must say, signatures."""

from seehear.bundle.container import (
    MAX_BUNDLE_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_MEMBERS,
    SUFFIX,
    Bundle,
    available_models,
    built_in,
    find_model,
    load,
    parse,
    write_bundle,
)

__all__ = [
    "MAX_BUNDLE_BYTES",
    "MAX_MANIFEST_BYTES",
    "MAX_MEMBERS",
    "SUFFIX",
    "Bundle",
    "available_models",
    "built_in",
    "find_model",
    "load",
    "parse",
    "write_bundle",
]
