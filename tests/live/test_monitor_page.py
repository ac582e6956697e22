"""The monitor's page in a browser, watching a talking head."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
pytest.importorskip("cv2")
pytest.importorskip("av")
pytest.importorskip("skimage")

from live.browser import CHROMIUM, Browser

from seehear.demo.clip import write_clip
from seehear.demo.talking_head import RATE, mouth_moves, talking_head
from seehear.live import LiveEnhancer, Prompts
from seehear.live.monitor import Monitor
from seehear.media.audio_files import read_audio, write_wav

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Half a minute of noisy speech, and of the head that speaks it: 3 s again and again."""
    folder = tmp_path_factory.mktemp("clip")
    speech, babble = (
        read_audio(Path(str(files("seehear") / "assets" / f"demo_{name}.wav"))).samples[RATE : 4 * RATE]
        for name in ("speech", "babble")
    )
    noisy = 0.1 * speech / speech.std() + 0.1 * babble / babble.std()
    pictures = list(talking_head(mouth_moves(speech)))
    sound = folder / "noisy.wav"
    write_wav(sound, noisy[list(range(len(noisy))) * 10], RATE)
    write_clip(folder / "clip.mp4", iter(pictures * 10), noisy)
    return sound, folder / "clip.mp4"


@pytest.fixture()
def live(clip: tuple[Path, Path]) -> Iterator[LiveEnhancer]:
    with LiveEnhancer(clip[0], "none", str(clip[1])) as live:
        yield live


@pytest.fixture(scope="module")
def desk() -> Iterator[Browser]:
    with Browser(1280, 900) as browser:
        yield browser


@pytest.fixture(autouse=True)
def no_complaints(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a page says on its console is a fault."""
    yield
    if "desk" in request.fixturenames:
        desk = request.getfixturevalue("desk")
        # the server may be gone by now, which the page cannot know: its attempts to come back are no complaints
        errors, desk.errors = [each for each in desk.errors if "ERR_CONNECTION_REFUSED" not in each], []
        assert errors == []


#: How many colours a canvas shows.
COLOURS = """(() => {{
  const canvas = document.querySelector('[data-draw={}]');
  if (!canvas.width || !canvas.height) return 0;
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {{ willReadFrequently: true }});
  copy.drawImage(canvas, 0, 0);
  return new Set(new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
}})()"""


def text(name: str) -> str:
    return f"document.querySelector('[data-draw={name}]').textContent"


def test_everything_is_drawn(desk: Browser, live: LiveEnhancer) -> None:
    with Monitor(live, 0) as monitor:
        desk.open(monitor.url)
        desk.until(f"{text('face')} === 'face in sight'")
        for name, colours in (("before", 200), ("after", 200), ("lips", 50), ("gate", 5)):
            desk.until(f"{COLOURS.format(name)} > {colours}")
        desk.until(f"{text('route')}.startsWith('noisy.wav \\u2192 none')")
        desk.until(f"/^-?[0-9.]+ dB$/.test({text('taken')})")
        desk.until("document.querySelector('[data-draw=level-before] i').style.transform !== 'scaleX(0)'")
        desk.until(f"{text('events')}.includes('a face is in sight')")
        desk.until(f"{text('timings')}.includes('vision, a picture')")
        desk.until(f"{text('counters')}.includes('lip net')")
        assert "undefined" not in desk.value("document.body.innerText")
        assert "NaN" not in desk.value("document.body.innerText")


def test_the_switch_and_the_slider_set_the_engine(desk: Browser, live: LiveEnhancer) -> None:
    with Monitor(live, 0) as monitor:
        desk.open(monitor.url)
        desk.until("document.querySelector('[name=mode]:checked')?.value === 'clean'")
        for mode in ("noisy", "audio-only", "clean"):
            desk.value(f"document.querySelector('[value={mode}]').click()")
            desk.until(f"{text('status')} !== 'connecting'")
            while live.mode != mode:
                assert not live.wait(0.02)
            desk.until(f"({text('face')} === 'not looked at') === {str(mode == 'audio-only').lower()}")
        desk.value("""(() => {
          const slider = document.querySelector('[name=strength]');
          slider.value = 40;
          slider.dispatchEvent(new Event('input'));
        })()""")
        while live.strength != 0.4:
            assert not live.wait(0.02)
        live.strength = 0.7
        desk.until("document.querySelector('[name=strength]').value === '70'")
        assert desk.value("document.querySelector('.strength output').textContent") == "70 %"
        live.mode = "noisy"
        desk.until("document.querySelector('[name=mode]:checked').value === 'noisy'")


def test_the_picture_is_off_until_it_is_asked_for(desk: Browser, live: LiveEnhancer) -> None:
    with Monitor(live, 0) as monitor:
        desk.open(monitor.url)
        desk.until(f"{text('face')} === 'face in sight'")
        assert not live.shows_picture
        assert desk.value("document.querySelector('[data-draw=picture]').hidden")
        desk.value("document.querySelector('[name=picture]').click()")
        desk.until(f"{COLOURS.format('picture')} > 1000")
        assert live.shows_picture and not desk.value("document.querySelector('[data-draw=picture]').hidden")
        desk.value("document.querySelector('[name=picture]').click()")
        desk.until("document.querySelector('[data-draw=picture]').hidden")
        assert not live.shows_picture


def test_sound_alone_is_watched_too(desk: Browser, clip: tuple[Path, Path]) -> None:
    with LiveEnhancer(clip[0], "none") as live, Monitor(live, 0) as monitor:
        desk.open(monitor.url)
        desk.until(f"{text('face')} === 'sound alone'")
        desk.until(f"{COLOURS.format('after')} > 200")
        assert desk.value("document.querySelector('[name=picture]').disabled")


def test_a_prompt_is_shown(desk: Browser, clip: tuple[Path, Path]) -> None:
    prompts = Prompts("always", lost_seconds=0.1)
    with (
        LiveEnhancer(clip[0], "none", prompts=prompts, camera=str(clip[1])) as live,
        Monitor(live, 0) as monitor,
    ):
        desk.open(monitor.url)
        live.mode = "audio-only"  # no picture is shown to the engine
        desk.until(f"{text('prompt')} === {prompts.text!r}")
        assert not desk.value("document.querySelector('[data-draw=prompt]').hidden")
        live.mode = "clean"
        desk.until("document.querySelector('[data-draw=prompt]').hidden")


def test_a_page_that_lost_the_engine_finds_it_again(desk: Browser, live: LiveEnhancer) -> None:
    with Monitor(live, 0) as monitor:
        port = int(monitor.url.split(":")[2].rstrip("/"))
        desk.open(monitor.url)
        desk.until("document.querySelector('[data-draw=status]').dataset.state === 'running'")
    desk.until("document.querySelector('[data-draw=status]').dataset.state === 'lost'")
    with Monitor(live, port):
        desk.until("document.querySelector('[data-draw=status]').dataset.state === 'running'")
        desk.until(f"{text('events')}.includes('a face is in sight')")
    desk.value("1")
    desk.errors = [each for each in desk.errors if "WebSocket" not in each and "ERR_CONN" not in each]


def test_a_token_goes_from_the_page_to_its_socket(desk: Browser, live: LiveEnhancer) -> None:
    with Monitor(live, 0, token="opensesame") as monitor:
        desk.open(monitor.url)
        desk.until("document.querySelector('[data-draw=status]').dataset.state === 'running'")


@pytest.mark.parametrize("dark", [True, False])
def test_a_phone_shows_it_all_without_scrolling_sideways(
    live: LiveEnhancer, dark: bool, tmp_path: Path
) -> None:
    with Monitor(live, 0) as monitor, Browser(390, 844, 2.0, dark) as phone:
        phone.open(monitor.url)
        phone.until(f"{text('face')} === 'face in sight'")
        phone.until(f"{COLOURS.format('before')} > 200")
        assert phone.value("document.documentElement.scrollWidth") == 390
        outside = "[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > 391).length"
        assert phone.value(outside) == 0
        page = phone.value("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, page[4:-1].split(","))) < 200) == dark
        assert phone.errors == []
