"""Prompts (E9): when no face is in sight, ask for one; when it is back, be silent."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

import numpy as np

from seehear.errors import InputError
from seehear.media.audio_files import read_audio_at

#: What is said and shown, by language.
TEXTS = {
    "en": "Point the camera at your face for better sound.",
    "zh": "请将摄像头对准您的脸，声音会更清楚。",  # noqa: RUF001
}

#: When it is said.
POLICIES = ("always", "first-call", "never")


@dataclass
class Prompts:
    """What becomes of a face that is not in sight.

    Attributes
    ----------
    policy : "always"; "first-call", until a face has been seen once; "never".
    language : "en" or "zh".
    voice : True, the spoken text of this package; or a sound file; False, text alone (in the event, and on screens).
    on_prompt : called with the text when it comes and with None when it goes.
    lost_seconds : without a face until the prompt comes.
    found_seconds : with one until it goes.
    again_seconds : until it is spoken again, where still no face is in sight.

    Examples
    --------
    >>> Prompts("first-call", language="zh").text
    '请将摄像头对准您的脸，声音会更清楚。'
    """

    policy: str = "always"
    language: str = "en"
    voice: bool | str | os.PathLike[str] = False
    on_prompt: Callable[[str | None], None] | None = None
    lost_seconds: float = 2.0
    found_seconds: float = 0.5
    again_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise InputError(f"prompts: expected {', '.join(POLICIES)}, got {self.policy!r}")
        if self.language not in TEXTS:
            raise InputError(f"prompts: expected a language of {', '.join(TEXTS)}, got {self.language!r}")
        self.shown: str | None = None
        self._since: float | None = None  # of the present state
        self._seen = False
        self._spoken = -np.inf
        self._had_face = False

    @property
    def text(self) -> str:
        """The words."""
        return TEXTS[self.language]

    def words(self, rate: int) -> np.ndarray | None:
        """The spoken text, float32 [n] at `rate`; None without a voice.

        Raises
        ------
        MediaError
            The file of `voice` cannot be read.
        """
        if self.voice is False:
            return None
        if self.voice is True:
            with resources.as_file(resources.files("seehear.live") / f"prompt_{self.language}.wav") as path:
                return read_audio_at(path, rate)
        return read_audio_at(self.voice, rate)

    def update(self, seen: bool, now: float) -> str | None:
        """Where things stand, ten times a second.

        Parameters
        ----------
        seen : a face is in sight.
        now : seconds.

        Returns
        -------
        "show" : the prompt comes (and is to be spoken); "speak" : it is to be spoken again; "hide" : it goes; None : as before.
        """
        if self._since is None or seen != self._seen:
            self._since, self._seen = now, seen
        lasting = now - self._since
        if self.shown is None:
            wanted = self.policy == "always" or (self.policy == "first-call" and not self._had_face)
            self._had_face |= seen and lasting >= self.found_seconds
            if wanted and not seen and lasting >= self.lost_seconds:
                self._tell(self.text)
                self._spoken = now
                return "show"
        elif seen and lasting >= self.found_seconds:
            self._had_face = True
            self._tell(None)
            return "hide"
        elif not seen and now - self._spoken >= self.again_seconds:
            self._spoken = now
            return "speak"
        return None

    def _tell(self, text: str | None) -> None:
        self.shown = text
        if self.on_prompt is not None:
            self.on_prompt(text)
