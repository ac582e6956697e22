"""What an application should hear of while it runs: things that go wrong without an error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

_log = logging.getLogger("seehear")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that an application wants to know.

    Attributes
    ----------
    kind : "image_time" (an image whose time cannot be that of the sound); a `DelegateEvent` has its own.
    reason : one sentence.
    seconds : on the sample clock; of a `Separator`, which has none, since it was loaded.
    """

    kind: str
    reason: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def tell(on_event: Callable[[Event], None], event: Event, level: int = logging.WARNING) -> None:
    """Log an event and hand it on; an application's mistake must not cost a hop, so it is logged too."""
    _log.log(level, "%s", event)
    try:
        on_event(event)
    except Exception:
        _log.exception("on_event failed")
