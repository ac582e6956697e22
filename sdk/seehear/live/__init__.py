"""Microphone and camera in, clean voice out: `LiveEnhancer` and what it plugs into."""

from __future__ import annotations

from seehear.live.devices import Camera, Microphone, Speaker
from seehear.live.engine import LiveEnhancer
from seehear.live.prompts import Prompts
from seehear.live.recorder import Recorder

__all__ = ["Camera", "LiveEnhancer", "Microphone", "Prompts", "Recorder", "Speaker"]
