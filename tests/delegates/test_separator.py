"""The separator's graphs on an NPU: watched as the enhancer's are, and no block is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from seehear import Placement, Separator
from seehear.boards import get_board
from seehear.cli import main as cli
from seehear.errors import BoardError, InputError
from seehear.events import Event
from seehear.runtime.placement import placement_of
from seehear.separation import dsp

from .conftest import PATIENT, TRIALS

#: What a mask may differ by (rms) between XNNPACK's kernels and those beside a delegate: two or three steps of int8.
NEAR = 0.02
PICTURES = [np.random.default_rng(n).integers(0, 255, (64, 64, 3), dtype=np.uint8) for n in range(2)]


def load(
    library: str, fault: str = "", at: int = 0, graph: str = "sound", told: list[Event] | None = None
) -> Separator:
    """A separator with a graph on the NPU, which fails after ``at`` runs."""
    options = {"fault": fault, "at": str(TRIALS + at), "hang_ms": "1500"}
    placement = Placement(
        graphs={graph: "npu"},
        delegate=library,
        options=options,
        deadline_ms=100 if fault == "hang" else 1e3 * PATIENT,
    )
    return Separator.load(placement=placement, on_event=None if told is None else told.append)


def masks(separator: Separator, count: int) -> np.ndarray:
    """Of ``count`` spectrograms with two sources: float32 (count, 2, ROWS, FRAMES)."""
    rng = np.random.default_rng(0)
    guides = rng.standard_normal((2, 2, 2, 16)).astype(np.float32)
    x = rng.uniform(-1, 0, (count, dsp.ROWS, dsp.FRAMES)).astype(np.float32)
    return np.stack([separator.masks(each, guides) for each in x])


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest rms difference of two masks."""
    return float(np.sqrt(np.mean((a - b) ** 2, axis=(-1, -2))).max())


@pytest.fixture(scope="module")
def by_cpu() -> np.ndarray:
    return masks(Separator.load(), 3)


def test_an_npu_runs_the_sound_net(fake_npu: str, by_cpu: np.ndarray) -> None:
    separator = load(fake_npu)
    assert separator.placement == {"vision": "cpu", "sound": fake_npu}
    assert apart(masks(separator, 3), by_cpu) < NEAR
    assert not separator.events
    separator.place(Placement(graphs={"sound": "cpu"}))
    assert set(separator.placement.values()) == {"cpu"}
    np.testing.assert_array_equal(masks(separator, 3), by_cpu)


@pytest.mark.parametrize(
    ("fault", "graph", "says"),
    [
        ("create", "sound", "no device"),
        ("prepare", "sound", "no room in the command queue"),
        ("", "vision", "takes no operator of graph vision"),
    ],
)
def test_an_npu_that_is_not_there_is_told_and_the_cpu_runs(
    fake_npu: str, by_cpu: np.ndarray, fault: str, graph: str, says: str
) -> None:
    told: list[Event] = []
    separator = load(fake_npu, fault, graph=graph, told=told)
    assert [event.kind for event in told] == ["unavailable"] and says in told[0].reason
    assert list(separator.events) == told and set(separator.placement.values()) == {"cpu"}
    np.testing.assert_array_equal(masks(separator, 3), by_cpu)


@pytest.mark.parametrize("fault", ["invoke", "hang", "noise"])
def test_an_npu_that_fails_in_use_is_retired_and_no_block_is_lost(
    fake_npu: str, by_cpu: np.ndarray, fault: str
) -> None:
    separator = load(fake_npu, fault, at=1)
    assert apart(masks(separator, 3), by_cpu) < NEAR
    assert [event.kind for event in separator.events] == ["retired"]
    assert set(separator.placement.values()) == {"cpu"}


def test_an_emulated_board_enforces_its_limits_and_separates_as_ever(by_cpu: np.ndarray) -> None:
    separator = Separator.load(board="coral-usb:emulate")
    assert separator.board == "coral-usb" and separator.placement == {
        "vision": "edge-tpu",
        "sound": "edge-tpu",
    }
    np.testing.assert_array_equal(masks(separator, 3), by_cpu)
    with pytest.raises(BoardError, match="PRELU"):
        Separator.load(board="genio", emulate=True)


def test_a_board_without_its_driver_is_told_and_the_cpu_separates() -> None:
    separator = Separator.load(board="imx8m-plus")
    assert placement_of(separator.bundle, get_board("imx8m-plus")).graphs == {"vision": "vx", "sound": "vx"}
    assert {event.kind for event in separator.events} == {"unavailable"}
    assert set(separator.placement.values()) == {"cpu"}
    x = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    assert separator.separate(x, 16000, PICTURES).tracks.shape == (2, 20000)


def test_a_placement_that_cannot_be_is_one_sentence() -> None:
    for placement, says in (
        ({"sound": "npu"}, "expected a seehear.Placement, got dict"),
        (Placement(graphs={"lips": "npu"}, delegate="x.so"), r"vision, sound\), got 'lips'"),
        (Placement(graphs={"sound": "npu"}), "a board with an NPU, or a delegate"),
    ):
        with pytest.raises(InputError, match=says):
            Separator.load(placement=placement)  # type: ignore[arg-type]


def test_the_command_line_says_where_as_that_of_the_enhancer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["separate", "x.mp4", "-o", str(tmp_path / "out"), "--board", "nowhere"]) != 0
    assert "'nowhere'" in capsys.readouterr().err
