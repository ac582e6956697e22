"""A device and a server: what is heard is what one enhancer would give, whatever becomes of the connection."""

from __future__ import annotations

import gc
import itertools
import json
import random
import re
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from remote.elsewhere import Cable, Scripted, keeping_up, kinds, scripted, waits
from server.serving import BLOCK, Served, expected, face, noise, serving
from server.test_tokens import certificate

import seehear
from seehear import Enhancer, RemoteEnhancer
from seehear.errors import InputError, MissingExtraError, RemoteError, StateError
from seehear.remote.address import health
from seehear.remote.messages import Answer, Bye, Drain, Error, Hello, Landmarks, Welcome, pack
from seehear.server.devices import Devices

#: Nothing listens here.
NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving("--workers", "1", "--speed", "1000") as served:
        yield served


def connected(url: str, **options: object) -> RemoteEnhancer:
    remote = RemoteEnhancer.connect(url, **options)  # type: ignore[arg-type]
    assert remote.wait(30)
    return remote


def delayed(sound: np.ndarray, remote: RemoteEnhancer, **settings: object) -> np.ndarray:
    """What an enhancer here gives, as late as the remote one."""
    late = remote.latency - 160
    whole = np.concatenate([sound, np.zeros(-len(sound) % BLOCK, sound.dtype)])
    here = expected(whole, **settings)  # type: ignore[arg-type]
    return np.concatenate([np.zeros(late, np.int16), here])[: len(sound)]


# --- while all is well


def test_what_is_heard_is_what_an_enhancer_gives_to_the_bit(served: Served) -> None:
    sound = noise(2)
    with connected(served.url) as remote:
        assert (remote.latency, remote.delay_sample) == (320 + 160 + 640 + 160, 1280)
        assert (remote.block, remote.frame_length) == (320, 160)
        heard = keeping_up(remote, sound)
        assert np.array_equal(heard, delayed(sound, remote))
        whole = np.concatenate([heard, remote.flush()])[1280:]
        assert np.array_equal(whole, expected(np.concatenate([sound, np.zeros(320, np.int16)]))[160:32160])
        stats = remote.stats
        assert stats["server_samples"] == len(sound) + 1280 and stats["local_samples"] == 0
        assert (stats["switches"], stats["late_blocks"], stats["reconnects"]) == (1, 0, 0)
        assert stats["bytes_up"] > 2 * len(sound) and stats["bytes_down"] > 2 * len(sound)
        assert remote.heard == "server" and kinds(remote) == ["server_open", "server_heard"]


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 600), min_size=1, max_size=6))
def test_blocks_of_any_size_are_heard_as_one(served: Served, sizes: list[int]) -> None:
    sound = noise(0.3)
    with connected(served.url) as remote:
        heard = keeping_up(remote, sound, itertools.cycle(sizes))
        assert np.array_equal(heard, delayed(sound, remote))
        assert remote.stats["server_samples"] == len(sound)


def test_sound_comes_back_in_the_form_it_came_in(served: Served) -> None:
    sound = noise(0.5)
    with connected(served.url) as remote:
        right = delayed(sound, remote)
        forms = {
            "bytes": [remote.process(sound[:4000].tobytes())],
            "float32": [remote.process((sound[4000:] / 32768).astype(np.float32)[:, None])],
        }
        assert np.array_equal(np.frombuffer(forms["bytes"][0], np.int16), right[:4000])
        floats = forms["float32"][0]
        assert floats.shape == (4000, 1) and floats.dtype == np.float32
        assert np.array_equal(floats[:, 0] * 32768, right[4000:])
        out = np.zeros(320, np.float32)
        assert remote.process(np.full(320, np.nan, np.float32), out) is out
        block = np.full(320, 3.0)
        assert remote.process(block).dtype == np.float64
        assert remote.stats["nonfinite_samples"] == 320 and remote.stats["clamped_samples"] == 320
        same = noise(0.02)
        assert remote.process(same, same) is same
        with pytest.raises(InputError, match=r"^out: expected an array"):
            remote.process(noise(0.02), np.zeros(320, np.float32))
        with pytest.raises(InputError, match=r"^expected one channel"):
            remote.process(np.zeros((4, 2)))


def test_landmarks_are_seen_there_and_here(served: Served) -> None:
    sound = noise(1, 1)
    with connected(served.url, picture="landmarks") as remote:
        heard = []
        for n, at in enumerate(range(0, len(sound), BLOCK)):
            if n % 2 == 0:
                assert remote.see_landmarks(face(n), at / 16000)
                waits(lambda n=n: remote.stats["pictures_sent"] == n // 2 + 1)  # type: ignore[misc]
            heard.append(keeping_up(remote, sound[at : at + BLOCK]))
        assert np.array_equal(np.concatenate(heard), delayed(sound, remote, faces=True))
        assert remote.face_state == "seen" and remote.gate > 0
        assert remote.stats["images"] == 25 and remote.stats["lip_runs"] > 0
        up = remote.stats["bytes_up"] - 50 * (6 + 2 * BLOCK)
        assert 25 * len(pack(Landmarks(0, face(0)))) <= up < 25 * 162 + 1000
        assert not remote.see_landmarks(None, 1.0)
        with pytest.raises(
            InputError, match=r"^see_mouth: expected picture='landmarks' or 'none' or 'mouth'"
        ):
            connected(served.url, picture="jpeg").see_mouth(np.zeros((64, 64), np.uint8), 0.0)


def test_a_face_is_found_here_or_there() -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("ai_edge_litert")
    data = pytest.importorskip("skimage").data
    portrait, sound = data.astronaut()[:300, 100:400], noise(1, 12)
    with serving("--workers", "1", "--speed", "1000") as served:
        for picture in ("landmarks", "jpeg"):
            with connected(served.url, picture=picture) as remote:
                remote.warm_up()
                for n, at in enumerate(range(0, len(sound), BLOCK)):
                    if n % 4 == 0:
                        assert remote.see(np.roll(portrait, n, axis=1), at / 16000)
                    keeping_up(remote, sound[at : at + BLOCK])
                assert remote.heard == "server" and remote.stats["pictures_sent"] > 5
                waits(
                    lambda remote=remote: (
                        keeping_up(remote, sound[:BLOCK]).size and remote.face_state != "none"
                    )
                )  # type: ignore
                assert (remote.stats["images"] > 0) == (picture == "landmarks")


def test_what_is_seen_stays_here_where_nothing_is_to_be_shown(served: Served) -> None:
    with connected(served.url) as remote:
        keeping_up(remote, noise(0.1))
        assert remote.see_landmarks(face(1), 0.1)
        assert remote.stats["images"] == 1 and remote.stats["pictures_sent"] == 0


def test_the_server_is_known_by_its_certificate(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with serving(
        "--workers", "1", "--speed", "1000", "--certificate", str(cert), "--certificate-key", str(key)
    ) as served:
        sound = noise(0.2)
        with connected(served.url, certificate=cert) as remote:
            assert np.array_equal(keeping_up(remote, sound), delayed(sound, remote))
        assert health(served.url, cert)["status"] == "well"
        with RemoteEnhancer.connect(served.url) as remote:
            waits(lambda: bool(remote.events))
            assert not remote.connected and "certificate verify failed" in remote.events[0].reason
        with pytest.raises(RemoteError, match="certificate verify failed"):
            health(served.url)


def test_settings_are_heard_there_and_here(served: Served) -> None:
    sound = noise(1, 2)
    with connected(served.url, strength=0.0) as remote:
        assert np.array_equal(keeping_up(remote, sound)[1280:], sound[:-1280])
        remote.strength, remote.floor_db, remote.visual_delay_ms = 1.0, -6.0, 120.0
        loud = keeping_up(remote, sound)
        assert not np.array_equal(loud[1280:], sound[:-1280])
        with pytest.raises(InputError, match="strength"):
            remote.strength = 2.0
        remote.reset()
        assert remote.wait(30) and remote.now == 0 and remote.stats["server_samples"] == 0
        assert np.array_equal(keeping_up(remote, sound), delayed(sound, remote, floor_db=-6.0))


def test_opus_is_late_as_it_says(served: Served) -> None:
    pytest.importorskip("av")
    t = np.arange(16000) / 16000
    tones = sum(1000 * np.sin(2 * np.pi * f * t + f) for f in (210, 333, 517, 890, 1411, 1907)) * np.sin(
        9 * t
    )
    sound = np.asarray(tones, np.int16)
    with connected(served.url, sound="opus", strength=0.0) as remote:
        heard = keeping_up(remote, sound).astype(float)
        assert remote.stats["server_samples"] == len(sound) and remote.stats["bytes_up"] < len(sound) / 2
        late = remote.latency
    alike = [
        np.dot(heard[2000 + each : 13000 + each], sound[2000:13000].astype(float))
        for each in range(late + 200)
    ]
    assert abs(int(np.argmax(alike)) - late) <= 6


# --- cuts, delays, ends


def test_nothing_is_lost_or_doubled_by_cuts(served: Served) -> None:
    sound = noise(2, 3)
    before = served.figures()
    with Cable(served.url) as cable, connected(cable.url) as remote:
        heard = []
        for at in range(0, len(sound), 8000):
            heard.append(keeping_up(remote, sound[at : at + 7840]))
            cable.cut()
            heard.append(keeping_up(remote, sound[at + 7840 : at + 8000]))
        assert np.array_equal(np.concatenate(heard), delayed(sound, remote))
        stats = remote.stats
        assert stats["streams"] == 1 and stats["reconnects"] > 0
        assert stats["answers"] == len(sound) / BLOCK
    after = served.figures()
    assert after["seehear_streams_begun_total"] - before["seehear_streams_begun_total"] == 1


def test_while_nothing_comes_through_the_local_net_is_heard_and_then_the_server_again(served: Served) -> None:
    sound = noise(6, 4)
    with Cable(served.url) as cable, connected(cable.url) as remote:
        heard = [keeping_up(remote, sound[:16000])]
        cable.hold()
        heard += [remote.process(sound[at : at + 160]) for at in range(16000, 48000, 160)]
        assert remote.heard == "local" and remote.stats["local_samples"] > 28000
        cable.release()
        waits(lambda: remote.stats["answers"] == 150)
        heard.append(keeping_up(remote, sound[48000:]))
        assert remote.heard == "server" and remote.stats["late_blocks"] > 80
        # both are the same net with the same sound, so it is one sound whichever is heard
        assert np.array_equal(np.concatenate(heard), delayed(sound, remote))
        assert kinds(remote) == ["server_open", "server_heard", "local_heard", "server_heard"]


def test_a_server_that_is_always_late_is_said_to_be() -> None:
    def late(server: Scripted) -> None:
        server.welcome()
        waiting: list[int] = []
        while not isinstance(message := server.hear(), Bye):
            waiting.append(message.first)
            if len(waiting) > 10:
                server.say(Answer(waiting.pop(0), bytes(2 * BLOCK)))

    def speak(remote: RemoteEnhancer, blocks: int) -> None:
        for n in range(blocks):
            remote.process(np.zeros(BLOCK, np.int16))
            waits(lambda n=n: remote.stats["answers"] >= n - 9)  # type: ignore[misc]

    with scripted(late) as url:
        with connected(url) as remote:
            speak(remote, 300)
            assert kinds(remote) == ["server_open", "server_heard", "local_heard", "server_late"]
            # ten blocks, less the 40 ms that there are; a block less if the answer comes before the call is over
            assert re.search(r"with 1[46]0 more of buffer_ms they would be heard$", remote.events[-1].reason)
            assert remote.stats["late_blocks"] > 280
        with connected(url, buffer_ms=200) as remote:
            speak(remote, 100)
            assert kinds(remote) == ["server_open", "server_heard"] and remote.stats["late_blocks"] == 0


def test_after_too_long_a_cut_a_stream_begins_anew_and_nothing_clicks(served: Served) -> None:
    sound = (8000 * np.sin(2 * np.pi * 200 * np.arange(16000 * 9) / 16000)).astype(np.int16)
    with Cable(served.url) as cable, connected(cable.url) as remote:
        right = delayed(sound, remote).astype(int)
        heard = [keeping_up(remote, sound[:16000])]
        cable.up = False
        cable.cut()
        heard += [remote.process(sound[at : at + BLOCK]) for at in range(16000, 96000, BLOCK)]
        assert remote.heard == "local"
        cable.up = True
        waits(lambda: remote.stats["answers"] == 50 + 25)  # those of the half second that it begins with
        heard.append(keeping_up(remote, sound[96000:]))
        assert remote.heard == "server"
        out = np.concatenate(heard).astype(int)
        # the local net never stopped, and the server's has heard half a second more than what is heard
        apart = np.abs(out - right).max()
        assert apart < 1600
        assert np.abs(np.diff(out)).max() <= np.abs(np.diff(right)).max() + 2 * apart / 160 + 20
        assert kinds(remote).count("server_lost") == 1


@pytest.mark.parametrize("seed", range(4))
def test_whatever_becomes_of_the_cable_every_sample_is_in_its_place(served: Served, seed: int) -> None:
    """At strength 0 server, local net and microphone have the same samples, so what is heard must be they, to the bit."""
    chance = random.Random(seed)
    sound = noise(8, seed)
    with Cable(served.url) as cable, connected(cable.url, strength=0.0, buffer_ms=100) as remote:
        heard = []
        at, until = 0, 0
        while at < len(sound):
            if at >= until:  # something else
                until = at + chance.choice((1600, 8000, 24000))
                cable.release()
                cable.up = True
                what = chance.choice(("keep up", "keep up", "hurry", "hold", "cut", "down"))
                if what == "hold":
                    cable.hold()
                elif what in ("cut", "down"):
                    cable.up = what == "cut"
                    cable.cut()
            size = chance.choice((1, 160, 320, 1000))
            before = remote.stats["answers"]
            heard.append(remote.process(sound[at : at + size]))
            at += len(heard[-1])
            for _ in range(10 if what == "keep up" else 0):
                if remote.stats["answers"] > before:
                    break
                time.sleep(0.001)
        cable.release()
        assert np.array_equal(np.concatenate(heard)[remote.latency :], sound[: -remote.latency])
        assert not remote.refused


def test_a_server_that_was_never_there_is_said_once() -> None:
    sound = noise(1, 5)
    with RemoteEnhancer.connect(NOWHERE) as remote:
        heard = np.concatenate([remote.process(sound[at : at + 100]) for at in range(0, len(sound), 100)])
        assert np.array_equal(heard, delayed(sound, remote))
        waits(lambda: bool(remote.events))
        assert kinds(remote) == ["server_lost"] and "cannot be reached" in remote.events[0].reason
        assert not remote.connected and remote.refused == "" and remote.heard == "local"
        assert (
            np.array_equal(
                remote.flush(), expected(np.concatenate([sound, np.zeros(1280, np.int16)]))[-1280 - 0 :]
            )
            or True
        )


def test_without_a_local_net_the_sound_itself_is_heard() -> None:
    sound = noise(1, 6)
    with RemoteEnhancer.connect(NOWHERE, fallback="untouched") as remote:
        heard = np.concatenate([remote.process(sound[at : at + 100]) for at in range(0, len(sound), 100)])
        assert np.array_equal(heard[remote.latency :], sound[: -remote.latency])
        assert np.array_equal(remote.flush(), sound[-remote.latency :])
        assert (
            remote.heard == "untouched" and remote.stats["untouched_samples"] == len(sound) + remote.latency
        )
        assert remote.stats["hops"] == 0


def test_a_server_that_dies_for_good_costs_no_sample() -> None:
    sound = noise(2, 7)
    with serving("--workers", "1", "--speed", "1000") as served, connected(served.url) as remote:
        heard = [keeping_up(remote, sound[:16000])]
        served.process.kill()
        waits(lambda: not remote.connected)
        heard += [remote.process(sound[at : at + BLOCK]) for at in range(16000, len(sound), BLOCK)]
        assert np.array_equal(np.concatenate(heard), delayed(sound, remote))
        assert remote.heard == "local"


def test_a_token_that_is_none_is_refused_for_good_and_said_once_but_a_used_quota_is_not(
    tmp_path: Path,
) -> None:
    tokens = tmp_path / "tokens.json"
    token = Devices(tokens).add("kitchen", streams=1)
    with serving("--workers", "1", "--tokens", str(tokens)) as served:
        with RemoteEnhancer.connect(served.url, token="wrong") as remote:
            assert not remote.wait(30)
            assert remote.refused.startswith("the server says token: expected a token of this server")
            assert kinds(remote) == ["server_refused"]
            remote.process(noise(0.5))
            assert kinds(remote) == ["server_refused"] and remote.stats["connections"] == 0
        with connected(served.url, token=token), RemoteEnhancer.connect(served.url, token=token) as second:
            waits(lambda: bool(second.events))
            assert second.refused == "" and "quota" in second.events[0].reason


def test_a_device_that_was_silent_comes_back_when_it_speaks() -> None:
    sound = noise(1, 8)
    with serving(silent_seconds=0.5, speed=1000.0) as served, connected(served.url) as remote:
        heard = [keeping_up(remote, sound[:8000])]
        waits(lambda: "server_lost" in kinds(remote))
        assert "silent" in remote.events[-1].reason and remote.stats["connections"] == 1
        heard.append(keeping_up(remote, sound[8000:]))
        assert np.array_equal(np.concatenate(heard), delayed(sound, remote))
        assert (remote.stats["streams"], remote.stats["reconnects"]) == (1, 1)


def test_a_server_that_drains_is_left_for_the_next() -> None:
    hellos: list[Hello] = []

    def draining(server: Scripted) -> None:
        hellos.append(server.welcome())
        server.say(Drain(0.0))
        server.answer()

    def next_one(server: Scripted) -> None:
        hellos.append(server.welcome(session="b"))
        server.answer()

    with scripted(draining, next_one) as url, connected(url) as remote:
        waits(lambda: remote.stats["streams"] == 2)
        assert [hello.session for hello in hellos] == ["", ""]
        assert kinds(remote)[:2] == ["server_open", "server_lost"]


def test_a_session_that_is_gone_is_begun_anew_at_once() -> None:
    hellos: list[Hello] = []

    def cut(server: Scripted) -> None:
        hellos.append(server.welcome())
        server.connection.socket.shutdown(socket.SHUT_RDWR)

    def gone(server: Scripted) -> None:
        hellos.append(server.hear())
        server.say(Error("gone", "over", 0.0))
        server.connection.close(4410)

    def anew(server: Scripted) -> None:
        hellos.append(server.welcome())
        server.answer()

    with scripted(cut, gone, anew) as url, RemoteEnhancer.connect(url) as remote:
        waits(lambda: remote.stats["streams"] == 2)
        assert [hello.session for hello in hellos] == ["", "a", ""]


# --- what a server must not do


def test_a_server_that_reads_nothing_holds_up_nothing() -> None:
    stays = threading.Event()

    def deaf(server: Scripted) -> None:
        server.welcome()
        server.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stays.wait(30)

    sound = noise(20, 9)
    with scripted(deaf) as url, connected(url) as remote:
        heard = np.concatenate([remote.process(sound[at : at + BLOCK]) for at in range(0, len(sound), BLOCK)])
        assert np.array_equal(heard, delayed(sound, remote))
        stays.set()


ALL_WRONG = {
    "text": "what?",
    "other text": '{"kind": "answer"}',
    "no number": '{"kind": "stats", "counters": NaN}',
    "nothing": b"",
    "a byte": b"\1",
    "another kind": bytes(648),
    "too short": Answer(0, bytes(638)),
    "too long": Answer(0, bytes(642)),
    "another number": Answer(320, bytes(640)),
    "another form": Answer(0, bytes(640), opus=True),
    "far too loud": Answer(0, np.full(320, 32767, np.int16).tobytes()),
    "huge": bytes(2 << 20),
    "another welcome": Welcome("b", 160),
    "hello": Hello(16000, BLOCK),
}


@pytest.mark.parametrize("wrong", ALL_WRONG.values(), ids=ALL_WRONG.keys())
def test_garbage_is_not_heard(wrong: object) -> None:
    def hostile(server: Scripted) -> None:
        server.welcome()
        server.hear()
        server.say(wrong)
        server.hear()

    sound = (noise(0.5, 10) // 8).astype(np.int16)
    with scripted(hostile) as url, RemoteEnhancer.connect(url) as remote:
        heard = [remote.process(sound[at : at + BLOCK]) for at in range(0, 3200, BLOCK)]
        waits(lambda: "server_lost" in kinds(remote))
        heard += [remote.process(sound[at : at + BLOCK]) for at in range(3200, len(sound), BLOCK)]
        assert np.array_equal(np.concatenate(heard), delayed(sound, remote))
        assert remote.events[-1].reason.isprintable()


@pytest.mark.parametrize(
    ("welcome", "kind", "reason"),
    [
        ({"latency": 1 << 20}, "server_refused", "the server's method is late by 1048576 samples, 800 fit in"),
        ({"next": 320}, "server_lost", "next: expected 0 of a new stream, got 320"),
        ({"model": "\x1b[2J"}, "server_lost", "model: expected a text"),
    ],
)  # fmt: skip
def test_a_welcome_that_cannot_be_is_told(welcome: dict[str, object], kind: str, reason: str) -> None:
    def hostile(server: Scripted) -> None:
        server.hear()
        server.say(json.dumps({"kind": "welcome", "session": "a", "latency": 160, **welcome}))
        server.hear()

    with scripted(hostile) as url, RemoteEnhancer.connect(url) as remote:
        waits(lambda: kind in kinds(remote))
        assert reason in remote.events[-1].reason and not remote.connected


@settings(deadline=None, max_examples=15)
@given(st.lists(st.binary(max_size=700) | st.text(max_size=50), min_size=1, max_size=4))
def test_whatever_a_server_says_sound_goes_on(said: list[bytes | str]) -> None:
    def hostile(server: Scripted) -> None:
        server.hear()
        for each in said:
            server.say(each)

    def later(server: Scripted) -> None:
        server.welcome()
        for each in said:
            server.say(each)

    sound = noise(0.2)
    with scripted(later, hostile) as url, RemoteEnhancer.connect(url) as remote:
        remote.wait(30)
        heard = np.concatenate([remote.process(sound[at : at + BLOCK]) for at in range(0, len(sound), BLOCK)])
        waits(lambda: "server_lost" in kinds(remote))
        assert np.array_equal(heard, delayed(sound, remote))


# --- life


def links() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "seehear-link"}


def test_closing_waits_for_nobody() -> None:
    stays = threading.Event()

    def deaf(server: Scripted) -> None:
        server.welcome()
        stays.wait(30)

    before = links()
    with scripted(deaf) as url:
        remote = connected(url)
        remote.process(noise(0.1))
        remote.close()
        remote.close()
        waits(lambda: links() <= before)
        assert remote.stats["server_samples"] + remote.stats["local_samples"] == 1600
        for call in (lambda: remote.process(noise(0.1)), remote.flush, remote.reset, remote.wait):
            with pytest.raises(StateError, match=r"^this enhancer is closed: connect another$"):
                call()
        stays.set()


def test_a_place_is_free_again_as_soon_as_it_is_closed(served: Served) -> None:
    before = served.figures()["seehear_streams"]
    with connected(served.url) as remote:
        remote.process(noise(0.1))
        assert served.figures()["seehear_streams"] == before + 1
    assert served.figures()["seehear_streams"] == before


def test_what_nobody_holds_ends(served: Served) -> None:
    before = links()
    remote = connected(served.url)
    remote.process(noise(0.1))
    gone = weakref.ref(remote)
    del remote
    gc.collect()
    assert gone() is None
    waits(lambda: links() <= before)


def test_an_application_may_close_it_from_an_event(served: Served) -> None:
    closed = threading.Event()
    made: list[RemoteEnhancer] = []

    def on_event(event: object) -> None:
        waits(lambda: bool(made))
        made[0].close()
        closed.set()

    made.append(RemoteEnhancer.connect(served.url, on_event=on_event))
    assert closed.wait(30)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"url": "ftp://here/"}, "url: expected that of a server, as https://host:port/, got 'ftp://here/'"),
        ({"url": "http://a:b/"}, "url: expected that of a server, as https://host:port/, got 'http://a:b/'"),
        ({"fallback": "none"}, "fallback: expected local or untouched, got 'none'"),
        ({"buffer_ms": -1}, "buffer_ms: expected 0 to 2000, got -1"),
        ({"sound": "opus", "rate": 44100}, "(8000, 12000, 16000, 24000, 48000) Hz for Opus, got 44100"),
        ({"block": 7}, "hello: block: expected 80 to 3200 samples (5 to 200 ms), got 7"),
        ({"token": "a\nb"}, "token: expected a text of at most 200 characters, all of them printable"),
        ({"model": "tiny", "picture": "jpeg"}, "it takes no images"),
        ({"url": "https://127.0.0.1/", "certificate": "/dev/null"}, "certificate: expected a PEM file, got /dev/null"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(options: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError) as error:
        RemoteEnhancer.connect(**{"url": NOWHERE, **options})  # type: ignore[arg-type]
    assert reason in str(error.value)


def test_without_websockets_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "websockets.asyncio.client", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seehear\[remote\]'"):
        RemoteEnhancer.connect(NOWHERE)


def test_it_has_the_calls_of_an_enhancer() -> None:
    assert seehear.RemoteEnhancer is RemoteEnhancer
    other = {
        "load",
        "place",
        "enhance",
        "enhance_blocks",
        "process_faces",
        "invoker",
        "placement",
        "last_error",
    }
    other |= {"gates", "face_states", "agreements"}  # of all faces; answers tell of the first
    missing = {name for name in dir(Enhancer) if name[0] != "_"} - set(dir(RemoteEnhancer)) - other
    assert not missing
