"""seehear: audio-visual streaming speech enhancement.

>>> enhancer = seehear.Enhancer.load()
>>> clean = enhancer.enhance(noisy, 16000)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seehear.bundle import Bundle, available_models
from seehear.errors import (
    BatchError,
    BundleError,
    DeviceError,
    InputError,
    MediaError,
    MissingExtraError,
    OutputError,
    RemoteError,
    RuntimeUnavailableError,
    SeehearError,
    StateError,
)
from seehear.sample_clock import SampleClock

if TYPE_CHECKING:
    from seehear.enhancer import Enhancer
    from seehear.remote.client import RemoteEnhancer
    from seehear.runtime.placement import Placement
    from seehear.separation.separator import Separator

__version__ = "0.2.0"

__all__ = [
    "BatchError",
    "Bundle",
    "BundleError",
    "DeviceError",
    "Enhancer",
    "InputError",
    "MediaError",
    "MissingExtraError",
    "OutputError",
    "Placement",
    "RemoteEnhancer",
    "RemoteError",
    "RuntimeUnavailableError",
    "SampleClock",
    "SeehearError",
    "Separator",
    "StateError",
    "available_models",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # these bring the compiled core and the boards; bundles can be read and written without it
    if name == "Enhancer":
        from seehear.enhancer import Enhancer

        return Enhancer
    if name == "Placement":
        from seehear.runtime.placement import Placement

        return Placement
    if name == "RemoteEnhancer":
        from seehear.remote.client import RemoteEnhancer

        return RemoteEnhancer
    if name == "Separator":
        from seehear.separation.separator import Separator

        return Separator
    raise AttributeError(f"module 'seehear' has no attribute {name!r}")
