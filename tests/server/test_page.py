"""The page of a server in a browser whose microphone and camera are files: a browser is a device."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
pytest.importorskip("cv2")
pytest.importorskip("skimage")

from live.browser import CHROMIUM, Browser
from server.serving import Served, joined, serving
from server.wire import Wire

from seehear.demo.talking_head import FPS, RATE, mouth_moves, talking_head
from seehear.enhancer import Enhancer
from seehear.media.audio_files import read_audio, write_wav
from seehear.remote.messages import Answer, Hello, Picture, Sound, Welcome
from seehear.sight.face_crops import opencv

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")

#: Keeps what goes to the loudspeaker, in `played`.
RECORDER = """
globalThis.played = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
  if (this instanceof AudioWorkletNode && to === this.context.destination) {
    const tap = this.context.createScriptProcessor(16384, 1, 1);
    tap.onaudioprocess = ({ inputBuffer }) => played.push(...inputBuffer.getChannelData(0));
    connect.call(this, tap);
    connect.call(tap, to);
  }
  return connect.call(this, to, ...more);
};
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Hears noisy speech and sees the head that speaks it: 3 s again and again."""
    folder, side = tmp_path_factory.mktemp("devices"), 320
    speech, babble = (
        read_audio(Path(str(files("seehear") / "assets" / f"demo_{name}.wav"))).samples[RATE : 4 * RATE]
        for name in ("speech", "babble")
    )
    write_wav(folder / "noisy.wav", 0.1 * speech / speech.std() + 0.1 * babble / babble.std(), RATE)
    cv2 = opencv()
    with open(folder / "head.y4m", "wb") as out:
        out.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (side, side, FPS))
        for picture in talking_head(mouth_moves(speech)):
            small = cv2.resize(picture, (side, side))
            out.write(b"FRAME\n" + cv2.cvtColor(small, cv2.COLOR_RGB2YUV_I420).tobytes())
    options = [
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'noisy.wav'}",
        f"--use-file-for-fake-video-capture={folder / 'head.y4m'}",
        "--autoplay-policy=no-user-gesture-required",
    ]  # fmt: skip
    with Browser(1280, 1000, options=options, script=RECORDER) as browser:
        yield browser


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving("--workers", "1") as served:
        yield served


@pytest.fixture()
def page(browser: Browser, served: Served) -> Iterator[Page]:
    with Page(browser, served) as page:
        yield page


class Page:
    """The page, by way of a wire; stopped in the end, and asked whether it complained."""

    def __init__(self, browser: Browser, served: Served) -> None:
        self.browser, self.wire = browser, Wire(served)
        browser.errors.clear()
        browser.requests.clear()
        browser.open(self.wire.url)

    def click(self, what: str) -> None:
        self.browser.value(f"document.querySelector('{what}').click()")

    def choose(self, name: str, value: str) -> None:
        self.browser.value(f"""(() => {{
          const field = document.querySelector('[name={name}]');
          field.value = {value!r};
          for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind));
        }})()""")

    def start(self, camera: bool = False) -> None:
        if not camera:
            self.choose("camera", "none")
        self.click("[name=start]")
        self.state("running")

    def stop(self) -> None:
        if self.browser.value("document.querySelector('[name=start]').textContent") == "Stop":
            self.click("[name=start]")

    def state(self, state: str) -> None:
        self.browser.until(f"document.querySelector('[data-draw=status]').dataset.state === {state!r}")

    def says(self, text: str, where: str = "#problem") -> None:
        self.browser.until(f"document.querySelector('{where}').textContent.includes({text!r})")

    def sent(self, kind: type, stream: int = -1) -> list[Any]:
        return [each for each in self.wire.streams()[stream][0] if isinstance(each, kind)]

    def got(self, kind: type, stream: int = -1) -> list[Any]:
        return [each for each in self.wire.streams()[stream][1] if isinstance(each, kind)]

    def hears(self, seconds: float, stream: int = -1) -> None:
        """Wait for so much enhanced sound."""
        while len(self.got(Answer, stream)) < 50 * seconds:
            self.browser.value("new Promise((done) => setTimeout(done, 100))")

    def __enter__(self) -> Page:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop()
        self.browser.value("1")
        self.wire.__exit__()
        errors = [each for each in self.browser.errors if "ScriptProcessor" not in each]  # the recorder's
        assert kind is not None or errors == []


def sound(blocks: list[Sound]) -> np.ndarray:
    return np.concatenate([np.frombuffer(each.content, "<i2") for each in blocks])


def enhanced(samples: np.ndarray, hello: Hello) -> np.ndarray:
    with Enhancer.load("default", board="cpu", rate=hello.rate, block=hello.block) as enhancer:
        return np.concatenate(
            [enhancer.process(samples[at : at + hello.block]) for at in range(0, len(samples), hello.block)]
        )


def test_what_is_heard_is_what_an_enhancer_makes_of_the_microphone(page: Page) -> None:
    page.click("[value=enhanced]")
    page.start()
    page.hears(4)
    page.stop()
    page.state("stopped")
    (hello,) = page.sent(Hello)
    blocks, answers = page.sent(Sound), page.got(Answer)
    assert [each.first for each in blocks] == list(range(0, len(blocks) * hello.block, hello.block))
    samples = sound(blocks)
    assert samples.std() > 1000
    mine = joined(answers)
    assert np.array_equal(mine, enhanced(samples, hello)[: len(mine)])
    played = np.array(page.browser.value("played"), np.float32)
    assert longest_match(played, mine.astype(np.float32) / 32768) >= hello.rate // 2


def longest_match(played: np.ndarray, mine: np.ndarray) -> int:
    """The most samples that follow each other in both, to the bit."""
    best, size = 0, 2000
    for begin in range(len(mine) // 3, len(mine) - size, size):
        want = mine[begin : begin + size]
        places = np.flatnonzero(played[: len(played) - size] == want[0])
        for place in (each for each in places if np.array_equal(played[each : each + size], want)):
            length = min(len(played) - place, len(mine) - begin)
            same = played[place : place + length] == mine[begin : begin + length]
            best = max(best, length if same.all() else int(np.argmin(same)))
    return best


def test_pictures_of_a_face_are_seen_and_count(page: Page) -> None:
    page.start(camera=True)
    while not any(each.face == "seen" and each.gate > 0.1 for each in page.got(Answer)):
        page.browser.value("new Promise((done) => setTimeout(done, 100))")
    page.browser.until("document.querySelector('[data-draw=face]').dataset.face === 'seen'")
    page.browser.until("!document.querySelector('[data-draw=picture]').hidden")
    pictures = page.sent(Picture)
    moments = [each.t for each in pictures]
    assert moments == sorted(set(moments))
    rate = page.sent(Hello)[0].rate
    assert all(abs(each.t - len(page.sent(Sound)) * rate // 50) < 10 * rate for each in pictures)
    image = opencv().imdecode(np.frombuffer(pictures[0].content, np.uint8), 1)
    assert image.shape == (320, 320, 3)


def test_a_cut_connection_goes_on_where_it_was(page: Page) -> None:
    page.start()
    page.hears(1)
    page.wire.cut()
    page.says("the stream goes on", "[data-draw=events]")
    page.hears(1)
    page.stop()
    (hello, again) = (page.sent(Hello, stream)[0] for stream in (0, 1))
    (welcome,) = page.got(Welcome)
    assert again.session == page.got(Welcome, 0)[0].session
    before = [each for each in page.sent(Sound, 0) if each.first < welcome.next]
    answers = [each for each in page.got(Answer, 0) if each.first < again.received] + page.got(Answer)
    mine = joined(answers)
    assert np.array_equal(mine, enhanced(sound(before + page.sent(Sound)), hello)[: len(mine)])
