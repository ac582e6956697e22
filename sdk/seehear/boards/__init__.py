"""Board profiles: what a board has, what its NPU takes, which board this is.

The facts are TOML files, one for each board and one for each NPU family, in the tree's ``boards/`` folder.
Installed, that folder is ``seehear/boards/data`` (``package_dir`` in setup.py maps ``seehear.boards.data``
to it): code and data have names of their own, so neither shadows the other.

>>> from seehear.boards import get_board
>>> get_board("coral-usb").npus[0].family.name
'Google Edge TPU'
"""

from seehear.boards.checker import CheckReport, GraphPlacement, check, default_placement, enforce, explain
from seehear.boards.detector import Detection, detect
from seehear.boards.profile import Board, Family, Npu, get_board, get_family, list_boards, list_families
from seehear.errors import BoardError

__all__ = [
    "Board",
    "BoardError",
    "CheckReport",
    "Detection",
    "Family",
    "GraphPlacement",
    "Npu",
    "check",
    "default_placement",
    "detect",
    "enforce",
    "explain",
    "get_board",
    "get_family",
    "list_boards",
    "list_families",
]
