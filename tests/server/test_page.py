"""The page of a server in a browser whose microphone and camera are files: a browser is a device."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
pytest.importorskip("cv2")
pytest.importorskip("skimage")

from live.browser import CHROMIUM, Browser
from server.serving import LONG, Device, Served, eventually, health, joined, serving
from server.wire import Wire

from seehear.demo.talking_head import FPS, RATE, mouth_moves, talking_head
from seehear.enhancer import Enhancer
from seehear.live.columns import BANDS, Columns
from seehear.media.audio_files import read_audio, write_wav
from seehear.remote.messages import Answer, Bye, Error, Hello, Picture, Settings, Sound, Welcome
from seehear.server.devices import Devices
from seehear.sight.face_crops import opencv

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")

#: Keeps what goes to the loudspeaker, in `played`; draws five times a second, for without a GPU it is drawing that costs.
PREPARED = """
globalThis.promptly = requestAnimationFrame;
globalThis.requestAnimationFrame = (draw) => setTimeout(() => promptly(draw), 200);
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
    """Hears noisy speech and sees the head that speaks it: 2 s again and again."""
    folder, side = tmp_path_factory.mktemp("devices"), 320
    speech, babble = (
        read_audio(Path(str(files("seehear") / "assets" / f"demo_{name}.wav"))).samples[RATE : 3 * RATE]
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
        "--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP thin.example 127.0.0.1",
    ]  # fmt: skip
    with Browser(1280, 1000, options=options, script=PREPARED) as browser:
        yield browser


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving("--workers", "1") as served:
        yield served


@pytest.fixture(scope="module")
def narrow() -> Iterator[Served]:
    """Room for one stream, and none for pictures."""
    with serving(streams=1, picture_streams=0) as served:
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
        self.alone()

    def alone(self) -> None:
        """Without a camera, until `start` says otherwise."""
        self.choose("camera", "none")

    def click(self, what: str) -> None:
        self.browser.value(f"document.querySelector('{what}').click()")

    def choose(self, name: str, value: str) -> None:
        self.browser.value(f"""(() => {{
          const field = document.querySelector('[name={name}]');
          field.value = {value!r};
          for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind));
        }})()""")

    def start(self, camera: bool = False) -> None:
        if camera:
            self.choose("camera", "")
        self.click("[name=start]")
        self.state("running")

    def stop(self) -> None:
        if self.browser.value("document.querySelector('[name=start]')?.textContent") == "Stop":
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
            self.wait()

    def streams(self, count: int) -> None:
        """Wait for so many, resumed and refused ones included."""
        while len(self.wire.streams()) < count:
            self.wait()

    def wait(self, seconds: float = 0.1) -> None:
        self.browser.value(f"new Promise((done) => setTimeout(done, {1000 * seconds}))")

    def __enter__(self) -> Page:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop()
        eventually(lambda: self.wire.over)  # so that the server has heard the bye
        self.browser.value("1")
        self.wire.__exit__()
        # the recorder's, and what a browser says of every server that is not there
        known = ("ScriptProcessor", "WebSocket connection to")
        assert (
            kind is not None
            or [each for each in self.browser.errors if not any(k in each for k in known)] == []
        )
        near = (self.wire.url, self.wire.url.replace("http", "ws"), "data:image/svg+xml,")
        assert [each for each in self.browser.requests if not each.startswith(near)] == []


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


@pytest.mark.parametrize("frames", [True, False], ids=["frames", "element"])
def test_pictures_of_a_face_are_seen_and_count(page: Page, frames: bool) -> None:
    if not frames:  # as in browsers that give none to a worker
        page.browser.value("delete window.MediaStreamTrackProcessor")
    page.start(camera=True)
    while not any(each.face == "seen" and each.gate > 0.1 for each in page.got(Answer)):
        page.wait()
    page.browser.until("document.querySelector('[data-draw=face]').dataset.face === 'seen'")
    page.browser.until("!document.querySelector('[data-draw=picture]').hidden")
    (hello,), moments, now = page.sent(Hello), [], 0
    for each in page.wire.streams()[0][0]:
        if isinstance(each, Sound):
            now = each.first + hello.block
        elif isinstance(each, Picture):
            assert -0.1 * hello.rate < now - each.t < hello.rate  # as `Enhancer.see` takes them
            moments.append(each.t)
    assert moments == sorted(set(moments))
    image = opencv().imdecode(np.frombuffer(page.sent(Picture)[0].content, np.uint8), 1)
    assert image.shape == (320, 320, 3)


def test_pictures_can_be_left_off_and_shown_again(page: Page) -> None:
    page.start(camera=True)
    page.click("[name=picture]")
    while [hello.picture for n in range(len(page.wire.streams())) for hello in page.sent(Hello, n)] != [
        "jpeg",
        "none",
    ]:
        page.wait()
    page.browser.until("document.querySelector('[data-draw=picture]').hidden")
    page.hears(0.5)
    assert page.sent(Picture) == []
    page.click("[name=picture]")
    while not page.sent(Picture):
        page.wait()


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


def test_who_leaves_the_page_says_bye(page: Page) -> None:
    page.start()
    page.hears(0.5)
    page.browser.open("about:blank")
    eventually(lambda: isinstance(page.wire.streams()[0][0][-1], Bye))


def test_who_was_away_for_too_long_begins_anew(page: Page) -> None:
    page.start()
    page.hears(0.5)
    page.wire.open = False
    page.wire.cut()
    page.state("no connection")
    page.says("till then the sound is untouched")
    page.wait(4.2)  # so much is kept
    page.wire.open = True
    page.says("away for too long", "[data-draw=events]")
    page.state("running")
    page.hears(0.5)
    assert page.got(Answer)[0].first == 0
    page.browser.until("document.querySelector('#problem').hidden")


def test_another_server_does_not_know_the_session_and_a_new_one_begins(page: Page, narrow: Served) -> None:
    page.start()
    page.hears(0.5)
    page.wire.port = narrow.port
    page.wire.cut()
    page.streams(3)
    page.hears(0.5)
    assert [each.code for each in page.got(Error, 1)] == ["gone"]
    assert page.got(Answer)[0].first == 0


def test_a_server_that_stops_sends_the_page_to_the_next(browser: Browser, served: Served) -> None:
    with serving("--workers", "1") as stopping, Page(browser, stopping) as page:
        page.start()
        page.hears(0.5)
        page.wire.port = served.port
        stopping.process.terminate()
        page.says("the server is about to stop", "[data-draw=events]")
        page.streams(2)
        page.hears(0.5)
        assert len(page.wire.streams()) == 2 and page.got(Answer)[0].first == 0
        assert isinstance(page.wire.streams()[0][0][-1], Bye)
        assert stopping.process.wait(LONG) == 0


def test_where_pictures_cannot_be_looked_at_the_sound_goes_on(browser: Browser, narrow: Served) -> None:
    with Page(browser, narrow) as page:
        page.start(camera=True)
        page.says("goes on with sound alone: all 0 places", "[data-draw=events]")
        page.hears(0.5)
        assert page.sent(Hello)[0].picture == "none" and page.sent(Picture) == []
        page.says("no camera", "[data-draw=camera]")


def test_a_server_that_is_full_is_told(browser: Browser, narrow: Served) -> None:
    with Page(browser, narrow) as page, Device(narrow) as device:
        eventually(lambda: health(narrow)["streams"] == 0)
        device.hello()
        page.click("[name=start]")
        page.says("all 1 places are taken: try again")
        page.state("no connection")


def test_a_token_is_asked_for_where_it_is_wanted(browser: Browser, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    token = Devices(tokens).add("browser")
    with serving("--workers", "1", "--tokens", str(tokens)) as served, Page(browser, served) as page:
        hidden = "document.querySelector('[name=token]').parentElement.hidden"
        assert browser.value(hidden)
        page.click("[name=start]")
        page.says("This server wants a token")
        assert not browser.value(hidden)
        assert browser.value("document.activeElement.name") == "token"
        page.choose("token", "wrong")
        page.click("[name=start]")
        page.says("does not know the token")
        page.choose("token", token)
        page.start()
        page.hears(0.5)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("NotAllowedError", "was not allowed to use the microphone. Allow it"),
        ("NotFoundError", "no microphone was found"),
        ("NotReadableError", "another program may use it"),
    ],
)
def test_a_microphone_that_is_refused_is_told_with_what_to_do(page: Page, error: str, told: str) -> None:
    page.browser.value(
        f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{error}'))"
    )
    page.click("[name=start]")
    page.says(told)
    page.state("stopped")
    assert page.browser.value("document.querySelector('[name=start]').textContent") == "Start"


def test_without_a_camera_the_sound_goes_on(page: Page) -> None:
    page.browser.value("""(() => {
      const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = (asked) =>
        asked.video ? Promise.reject(new DOMException('', 'NotFoundError')) : get(asked);
    })()""")
    page.start(camera=True)
    page.says("goes on with sound alone: no camera was found", "[data-draw=events]")
    page.hears(0.5)
    assert page.sent(Hello)[0].picture == "none"


def test_a_page_over_plain_http_says_that_browsers_want_https(browser: Browser, served: Served) -> None:
    browser.open(f"http://thin.example:{served.port}/")
    assert "only to pages that come over https" in browser.value(
        "document.querySelector('#problem').textContent"
    )
    assert browser.value("document.querySelector('[name=start]').disabled")


def test_it_works_by_keyboard_alone(page: Page) -> None:
    def press(key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            code = {"Tab": 9, "Enter": 13, "ArrowRight": 39, "ArrowLeft": 37}[key]
            page.browser.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text
            )

    press("Tab")
    press("Enter")
    page.state("running")
    press("Tab")
    press("ArrowRight")
    assert page.browser.value("document.querySelector('[name=heard]:checked').value") == "enhanced"
    press("Tab")
    press("ArrowLeft")
    while not [each for each in page.sent(Settings) if each.strength == 0.99]:
        page.wait()
    press("Tab")
    assert page.browser.value("document.activeElement.name") == "microphone"


@pytest.mark.parametrize("dark", [True, False])
def test_a_phone_shows_it_all_without_scrolling_sideways(page: Page, dark: bool) -> None:
    browser = page.browser
    theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.call("Emulation.setEmulatedMedia", features=theme)
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True
    )
    try:
        page.start(camera=True)
        page.hears(0.5)
        assert browser.value("document.documentElement.scrollWidth") == 390
        outside = "[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > 391).length"
        assert browser.value(outside) == 0
        colour = browser.value("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, colour[4:-1].split(","))) < 200) == dark
    finally:
        browser.call("Emulation.setEmulatedMedia", features=[])
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=1280, height=1000, deviceScaleFactor=1, mobile=False
        )


def test_less_motion_is_drawn_where_it_is_asked_for(page: Page) -> None:
    page.browser.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}]
    )
    page.browser.value("""(() => {
      globalThis.requestAnimationFrame = promptly;
      globalThis.drawn = 0;
      const draw = CanvasRenderingContext2D.prototype.stroke;
      CanvasRenderingContext2D.prototype.stroke = function () { drawn++; draw.call(this); };
    })()""")
    try:
        page.start()
        page.hears(2)
        assert 1 <= page.browser.value("drawn") <= len(page.got(Answer)) / 8
    finally:
        page.browser.call("Emulation.setEmulatedMedia", features=[])


def test_it_draws_the_columns_that_the_monitor_draws(page: Page) -> None:
    rate, lag, rng = 16000, 160, np.random.default_rng(0)
    time = np.arange(6400) / rate
    before = (8000 * np.sin(2 * np.pi * 440 * time) + rng.normal(0, 300, 6400)).astype(np.int16)
    after = (before * np.linspace(1, 0, 6400)).astype(np.int16)
    got = page.browser.value(f"""import('./columns.js').then(({{ Columns }}) => {{
      const columns = new Columns({rate}, {lag}), out = [];
      const [before, after] = {json.dumps([before.tolist(), after.tolist()])};
      for (let at = 0; at < before.length; at += 320) {{
        const message = columns.add(before.slice(at, at + 320), after.slice(at, at + 320), 7, 1, at);
        if (message) out.push(...new Uint8Array(message).subarray(16));
      }}
      return [out, columns.centres];
    }})""")
    mine = Columns(rate, lag)
    levels, spectra = mine.add(before / np.float32(32768), after / np.float32(32768))
    assert np.allclose(got[1], mine.centres)
    columns = np.array(got[0], np.int32).reshape(len(levels), -1)
    assert np.abs(columns[:, :2] - levels).max() <= 1
    assert (columns[:, 2:4] == (7, 1)).all()
    drawn = columns[:, 4 : 4 + 2 * BANDS].reshape(len(levels), 2, BANDS)
    apart = np.abs(drawn - spectra.astype(np.int32))
    # 255 steps are 100 dB; bins lie elsewhere, so narrow bands differ
    assert np.median(apart) <= 2 and np.percentile(apart, 95) <= 8


def test_every_file_of_the_page_is_served_to_anybody(served: Served) -> None:
    there = {each.name for each in (files("seehear.server") / "page").iterdir()}
    for name in there - {"index.html"} | {"", "scope.js", "monitor.css"}:
        with urllib.request.urlopen(served.url + name, timeout=LONG) as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert answer.headers["Cache-Control"] == "no-store"


# --- worklet.js by itself
# --------------------------------------------------------------------------------------------------------

#: Blocks of a tone, and answers of half its strength that come `waits[n]` quanta of 128 samples after the block; -1: never.
SCENE = """((waits, orders, whole) => {
  const block = 320, device = new Processor({ processorOptions: { block } });
  const given = [], out = [], due = [], delays = [];
  const tone = (n) => 0.5 * Math.sin((2 * Math.PI * 100 * n) / sampleRate);
  device.worker = { postMessage({ at, samples }) {
    const wait = waits[at / block], when = Math.max(given.length / 128 + wait, due.at(-1)?.when ?? 0);
    if (wait >= 0) due.push({ when, answer: { at, samples: samples.map((each) => each / 2) } });
  } };
  for (let quantum = 0; quantum * 128 < waits.length * block; quantum++) {
    for (const [when, order] of orders) if (when === quantum) device.port.onmessage({ data: order });
    while (due.length && due[0].when <= quantum) device.told(due.shift().answer);
    const input = Float32Array.from({ length: 128 }, (_, i) => tone(quantum * 128 + i));
    const output = new Float32Array(128);
    device.process([[input]], [[output]]);
    given.push(...input);
    out.push(...output);
    delays.push(device.delay);
  }
  const steepest = out.reduce((most, each, i) => Math.max(most, Math.abs(each - (out[i - 1] ?? 0))), 0);
  return { steepest, underruns: device.underruns, delays, ...(whole && { given, out }) };
})(%s, %s, %s)"""


class Scene:
    """What happened: what went in and out, where that was asked for, the delay of each quantum, underruns, the steepest step."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.given, self.out = np.array(told.get("given", [])), np.array(told.get("out", []))
        self.delays, self.underruns, self.steepest = told["delays"], told["underruns"], told["steepest"]


@pytest.fixture(scope="module")
def worklet(browser: Browser) -> Callable[..., Scene]:
    """Runs a scene: the wait for each answer, and what is ordered in which quantum."""
    source = (files("seehear.server") / "page/worklet.js").read_text()
    browser.open("about:blank")
    browser.value(f"""(() => {{
      globalThis.sampleRate = 16000;
      globalThis.AudioWorkletProcessor = class {{ port = {{}}; }};
      globalThis.registerProcessor = (_, made) => (globalThis.Processor = made);
      {source}
    }})()""")

    def run(waits: list[int], orders: list[tuple[int, dict[str, Any]]], whole: bool = True) -> Scene:
        return Scene(browser.value(SCENE % (json.dumps(waits), json.dumps(orders), json.dumps(whole))))

    return run


LISTEN = (0, {"heard": "enhanced"})
#: The steepest that the tone is, and a fade of 5 ms of all of it.
STEEPEST = 0.5 * 2 * np.pi * 100 / 16000 + 0.5 / 80 + 1e-3


def test_answers_are_played_at_a_constant_distance(worklet: Callable[..., Scene]) -> None:
    scene = worklet([3] * 150, [LISTEN])
    delay = scene.delays[-1]
    # block, some three quanta, as long as a fade, 5 ms to spare
    assert 320 + 2 * 128 + 80 + 80 <= delay <= 320 + 4 * 128 + 80 + 80
    assert set(scene.delays[130:]) == {delay} and scene.underruns == 0
    assert np.abs(scene.out[24000:] - scene.given[24000 - delay : -delay] / 2).max() < 1e-4
    assert scene.steepest < STEEPEST


def test_missing_answers_are_the_untouched_sound_without_a_click(worklet: Callable[..., Scene]) -> None:
    waits = [3] * 150
    waits[100:110] = [-1] * 10
    scene = worklet(waits, [LISTEN, (0, {"latency": 160})])
    assert scene.underruns == 1 and scene.steepest < STEEPEST
    before, after = scene.delays[250], scene.delays[-1]
    assert after == before + 320  # 20 ms
    gap = slice(100 * 320 + after + 200, 110 * 320 + before - 200)
    own = scene.given[gap.start - after - 160 : gap.stop - after - 160]
    assert np.abs(scene.out[gap] - own).max() < 1e-6


def test_nothing_is_heard_until_it_is_asked_for(worklet: Callable[..., Scene]) -> None:
    scene = worklet([1] * 100, [(100, {"heard": "untouched"}), (150, {"heard": "nothing"})])
    assert (scene.out[: 100 * 128] == 0).all() and (scene.out[151 * 128 :] == 0).all()
    assert np.abs(scene.out[110 * 128 : 150 * 128]).max() > 0.4
    assert scene.steepest < STEEPEST


ORDERS = [
    {"heard": "enhanced"}, {"heard": "untouched"}, {"heard": "nothing"}, {"latency": 160}, {"latency": 0}, {"again": True},
]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 1, 2, 4, 30, -1]), min_size=60, max_size=120),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(ORDERS)), max_size=6),
)
def test_whatever_comes_late_or_not_at_all_no_click_is_heard(
    worklet: Callable[..., Scene], waits: list[int], orders: list[tuple[int, dict[str, Any]]]
) -> None:
    assert worklet(waits, [LISTEN, *orders], False).steepest < STEEPEST
