"""Meetings (E9b): faces told apart, a track for each speaker, who spoke when."""

from seehear.meeting.enhancer import MeetingEnhancer
from seehear.meeting.faces import FaceRecord, watch, watch_cameras
from seehear.meeting.recording import check_folder, choose, look, write
from seehear.meeting.timeline import Timeline, Turn, names

__all__ = [
    "FaceRecord", "MeetingEnhancer", "Timeline", "Turn",
    "check_folder", "choose", "look", "names", "watch", "watch_cameras", "write",
]  # fmt: skip
