"""The execution server under load: simulated devices in real time on the loopback.

    python benchmarks/server.py [PART ...] [--seconds 10] [--cut-seconds 60] [--json OUT.json]

The server runs on one core, the devices in a process of their own on another: sockets read and written by hand, everything that
is sent made beforehand. Blocks of 20 ms. Delays are from the moment a device has sent a block until it has read the answer. Every
answer is looked at: its number must be the one that comes next, and in `cuts` and `flood` its samples those of an enhancer on
this computer, to the bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from heapq import heapify, heapreplace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from seehear.enhancer import Enhancer
from seehear.live.recorder import CONSENT, CONSENT_VERSION, write_manifest
from seehear.media.audio_files import read_audio
from seehear.remote.messages import Bye, Hello, Landmarks, Picture, Sound, pack
from seehear.remote.opus import Encoder

RATE, BLOCK = 16000, 320
PERIOD = BLOCK / RATE
#: Pictures of a device: one in two blocks, 25 a second.
EVERY = 2
#: Bits a second of Opus where the uplink is told, those of docs/server.md.
BITS = 11000

#: Bytes of a recording that is given.
GIVEN = 16_000_000

#: Figure -> (at least, at most).
LIMITS: dict[str, tuple[float | None, float | None]] = {
    "sound_streams": (100, None), "landmark_streams": (40, None), "p99_ms": (None, 30.0), "sound_to_sound_ms": (None, 60.0),
    "landmarks_kbit": (None, 50.0), "crops_kbit": (None, 400.0), "lost_or_doubled": (None, 0), "flood_lost": (None, 0),
    "memory_growth_mb": (None, 4.0),
}  # fmt: skip


# --- what devices send
# --------------------------------------------------------------------------------------------------------


def speech(seconds: float) -> np.ndarray:
    """A voice in noise, int16."""
    sound = read_audio(str(files("seehear") / "assets/demo_speech.wav"))
    voice = np.resize(sound.samples / np.abs(sound.samples).max(), int(seconds * RATE))
    noisy = 9000 * voice + np.random.default_rng(0).normal(0, 500, len(voice))
    return np.clip(noisy, -32768, 32767).astype(np.int16)


def face(n: int) -> np.ndarray:
    """Landmarks (50, 2) of a face that speaks, and trembles as found ones do."""
    points = np.empty((50, 2))
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    opening = 4 + 3 * np.sin(n)
    points[:20] = np.stack([320 + 30 * np.cos(angle), 300 + 2 * opening * np.sin(angle)], -1)
    points[20:40] = np.stack([320 + 22 * np.cos(angle), 300 + opening * np.sin(angle)], -1)
    points[40:] = [(270, 220), (300, 220), (370, 220), (340, 220), (320, 255), (320, 225), (320, 350 + opening), (250, 230),
                   (390, 230), (320, 180)]  # fmt: skip
    return points + np.random.default_rng(n).normal(0, 0.3, points.shape)


def jpegs(count: int, mouth: bool) -> list[bytes]:
    """Of a portrait that speaks, or of its mouth alone, of the size that the model takes."""
    from seehear.demo.talking_head import mouth_moves, talking_head
    from seehear.sight.face_crops import opencv

    cv2 = opencv()
    found = []
    for picture in talking_head(mouth_moves(speech(count / 25) / 32768)):
        if mouth:
            high, wide = picture.shape[:2]
            picture = picture[int(0.55 * high) : int(0.85 * high), int(0.35 * wide) : int(0.65 * wide)]
            picture = cv2.cvtColor(cv2.resize(picture, (64, 64)), cv2.COLOR_RGB2GRAY)
        else:
            picture = picture[:, :, ::-1]
        found.append(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    return found[:count]


def framed(message: bytes | str) -> bytes:
    """As a websocket's client sends it; masked with zeros, which costs the server as much as any mask."""
    text = isinstance(message, str)
    content = message.encode() if isinstance(message, str) else message
    head = bytes([0x81 if text else 0x82])
    if len(content) < 126:
        return head + bytes([0x80 | len(content)]) + bytes(4) + content
    return head + b"\xfe" + struct.pack(">H", len(content)) + bytes(4) + content


class Sent:
    """Blocks of ten seconds and pictures, framed; their numbers are filled in when they are sent."""

    def __init__(self, picture: str, opus: bool) -> None:
        self.opus, self.picture = opus, picture
        sound = speech(10.0).reshape(-1, BLOCK)
        coder = Encoder(RATE, BLOCK, BITS) if opus else None
        self.blocks = [
            framed(pack(Sound(0, coder.encode(block) if coder else block.tobytes(), opus))) for block in sound
        ]
        self.raw = sound
        shown: list[Any] = []
        if picture == "landmarks":
            shown = [Landmarks(0, face(n)) for n in range(250)]
        elif picture in ("mouth", "jpeg"):
            mouth = picture == "mouth"
            shown = [Picture(0, each, mouth) for each in jpegs(250 if mouth else 50, mouth)]
        self.pictures = [framed(pack(each)) for each in shown]

    def numbered(self, frame: bytes, number: int) -> bytes:
        at = (4 if frame[1] == 0xFE else 2) + 4 + 2
        return frame[:at] + struct.pack("<I", number) + frame[at + 4 :]


# --- devices
# --------------------------------------------------------------------------------------------------------


class Lost(Exception):
    """An answer is not the one that comes next."""


class Device:
    """One stream by hand."""

    def __init__(self, port: int, sent: Sent, reference: list[bytes] | None) -> None:
        self.port, self.sent, self.reference = port, sent, reference
        self.next = self.received = self.bytes = self.resumed = 0
        self.session = ""
        self.times: deque[float] = deque()
        self.delays: list[float] = []
        self.connect()

    def connect(self) -> None:
        """By a new connection; what was not answered is sent again."""
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(
            f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.read()
        self.buffer = self.buffer.partition(b"\r\n\r\n")[2]
        hello = Hello(
            RATE, BLOCK, sound="opus" if self.sent.opus else "int16", picture=self.sent.picture,
            session=self.session, received=self.received * BLOCK,
        )  # fmt: skip
        self.socket.sendall(framed(pack(hello)))
        while (message := self.frame()) is None:
            self.buffer += self.read()
        told = json.loads(message)
        if told["kind"] != "welcome":
            raise Lost(f"{told}")
        self.session = told["session"]
        again = told["next"] // BLOCK
        self.socket.setblocking(False)
        for n in range(again, self.next):
            self.send(self.sent.numbered(self.sent.blocks[n % len(self.sent.blocks)], n * BLOCK))

    def read(self) -> bytes:
        data = self.socket.recv(1 << 16)
        if not data:
            raise Lost("the server has closed the connection")
        return data

    def send(self, frame: bytes) -> None:
        """All of it; what comes meanwhile is read, or the server would read no more."""
        self.bytes += len(frame)
        while frame:
            readable, writable, _ = select.select([self.socket], [self.socket], [], 30)
            if readable:
                self.hear()
            if writable:
                with suppress(BlockingIOError):
                    frame = frame[self.socket.send(frame) :]

    def tick(self) -> None:
        """A block, and a picture with every second one."""
        n, sent = self.next, self.sent
        frame = sent.numbered(sent.blocks[n % len(sent.blocks)], n * BLOCK)
        if sent.pictures and n % EVERY == 0:
            shown = sent.pictures[n // EVERY % len(sent.pictures)]
            frame = sent.numbered(shown, n * BLOCK) + frame
        self.next += 1
        self.times.append(time.perf_counter())
        self.bytes += len(frame)
        try:
            done = self.socket.send(frame)
        except BlockingIOError:
            done = 0
        if done < len(frame):
            self.bytes -= len(frame) - done
            self.send(frame[done:])

    def hear(self) -> None:
        """Read what has come."""
        self.buffer += self.read()
        now = time.perf_counter()
        while (message := self.frame()) is not None:
            if message[0] not in (1, 2):
                told = json.loads(message)
                if told["kind"] == "stats":
                    continue
                raise Lost(f"{told}")
            number = struct.unpack_from("<I", message, 2)[0]
            if number != self.received * BLOCK:
                raise Lost(f"expected the answer to sample {self.received * BLOCK}, got {number}")
            if self.reference is not None and message[8:] != self.reference[self.received]:
                raise Lost(f"other samples than expected from sample {number} on")
            self.received += 1
            self.delays.append(now - self.times.popleft())

    def frame(self) -> bytes | None:
        """The next message that is there in whole."""
        data = self.buffer
        if len(data) < 2:
            return None
        length, at = data[1], 2
        if length == 126:
            if len(data) < 4:
                return None
            length, at = struct.unpack_from(">H", data, 2)[0], 4
        if len(data) < at + length:
            return None
        self.buffer = data[at + length :]
        if data[0] == 0x88:
            raise Lost(f"the server has closed the connection ({data[at + 2 : at + length]!r})")
        return data[at : at + length]

    def cut(self) -> None:
        """As by a bad network: what is on its way is lost."""
        self.socket.close()
        self.resumed += 1
        self.connect()


def reference(blocks: int, raw: np.ndarray) -> list[bytes]:
    """What an enhancer on this computer gives."""
    with Enhancer.load("default", block=BLOCK) as enhancer:
        return [enhancer.process(raw[n % len(raw)]).tobytes() for n in range(blocks)]


def drive(
    ports: list[int], streams: int, seconds: float, picture: str, opus: bool, exact: bool, cuts: float
) -> dict[str, Any]:
    """So many devices for so long, dealt out to the ports in turn; what came of it.

    cuts : connections that are cut, of all, in a second.
    """
    sent = Sent(picture, opus)
    expected = reference(int((seconds + 5) / PERIOD), sent.raw) if exact else None
    devices = [Device(ports[n % len(ports)], sent, expected) for n in range(streams)]
    epoll = select.epoll()
    by_number = {}

    def listen(device: Device) -> None:
        by_number[device.socket.fileno()] = device
        epoll.register(device.socket.fileno(), select.EPOLLIN)

    for device in devices:
        listen(device)
    # said only now: whoever measures the server measures streams, not their beginning
    print("begun", flush=True)
    begin = time.perf_counter() + 0.1
    plan = [(begin + PERIOD * n / streams, n) for n in range(streams)]
    heapify(plan)
    chance = random.Random(0)
    next_cut = begin + 1.0
    errors: list[str] = []
    late = 0.0
    end = begin + seconds
    while plan[0][0] < end:
        now = time.perf_counter()
        while plan[0][0] <= now and plan[0][0] < end:
            due, n = plan[0]
            late = max(late, now - due)
            heapreplace(plan, (due + PERIOD, n))
            if devices[n] is not None:
                devices[n].tick()
        if cuts and now >= next_cut:
            next_cut += 1.0
            for device in devices:
                if chance.random() < cuts:
                    epoll.unregister(device.socket.fileno())
                    del by_number[device.socket.fileno()]
                    device.cut()
                    listen(device)
        for number, _ in epoll.poll(max(0.0, plan[0][0] - time.perf_counter())):
            try:
                by_number[number].hear()
            except (Lost, OSError) as error:
                errors.append(str(error))
                epoll.unregister(number)
    until = time.perf_counter() + 5
    while time.perf_counter() < until and any(each.received < each.next for each in devices):
        for number, _ in epoll.poll(0.1):
            with suppress(Lost, OSError):
                by_number[number].hear()
    missing = sum(each.next - each.received for each in devices)
    for device in devices:
        with suppress(OSError):
            device.socket.sendall(framed(pack(Bye())))
    delays = np.sort(np.concatenate([each.delays for each in devices])) * 1e3
    return {
        "streams": streams, "seconds": seconds, "answers": len(delays), "lost_or_doubled": missing, "errors": errors[:3],
        "p50_ms": float(np.percentile(delays, 50)), "p99_ms": float(np.percentile(delays, 99)), "max_ms": float(delays[-1]),
        "device_late_ms": 1e3 * late, "kbit": sum(each.bytes for each in devices) * 8e-3 / seconds / streams,
        "cuts": sum(each.resumed for each in devices),
    }  # fmt: skip


def flood(port: int, count: int) -> dict[str, Any]:
    """Malformed messages over as many connections as it takes."""
    chance = random.Random(1)
    good = [
        framed(pack(each))
        for each in (Sound(0, bytes(640)), Landmarks(0, face(0)), Hello(RATE, BLOCK), Bye())
    ]
    connections = sent = 0
    while sent < count:
        connections += 1
        with suppress(OSError, Lost), socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            raw.sendall(
                f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            raw.recv(4096)
            if connections % 2:
                raw.sendall(framed(pack(Hello(RATE, BLOCK))))
            for _ in range(100):
                sent += 1
                raw.sendall(malformed(chance, good))
    return {"connections": connections, "messages": sent}


def malformed(chance: random.Random, good: list[bytes]) -> bytes:
    kind = chance.randrange(4)
    if kind == 0:
        return framed(chance.randbytes(chance.randrange(1, 300)))
    if kind == 1:
        return framed("".join(chance.choice('{}[]":,kind0') for _ in range(50)))
    message = bytearray(chance.choice(good))
    for _ in range(1 + chance.randrange(4)):
        message[chance.randrange(len(message))] = chance.randrange(256)
    return bytes(message[: chance.randrange(1, len(message))]) if kind == 2 else bytes(message)


# --- the server
# --------------------------------------------------------------------------------------------------------


@contextmanager
def server(core: int, *options: str) -> Iterator[tuple[int, int]]:
    """Its port, and the process of its parent."""
    command = [
        sys.executable,
        "-m",
        "seehear.cli",
        "serve",
        "--port",
        "0",
        "--drain-seconds",
        "0",
        "--busy",
        "9",
        *options,
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core})
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().rstrip("/\n").rpartition(":")[2]), process.pid
        finally:
            process.terminate()


def workers(parent: int) -> list[int]:
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
        return [int(each) for each in file.read().split()]


def cpu(pids: list[int]) -> float:
    """Seconds of a core that they have used."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> float:
    """MB that they have, what they share divided among them."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1e3


class Driven:
    """Devices in a process of their own on another core, and the server's work meanwhile."""

    def __init__(self, core: int, ports: list[int], pids: list[int], **told: Any) -> None:
        told = {"picture": "none", "opus": False, "exact": False, "cuts": 0.0, **told, "ports": ports}
        command = [sys.executable, __file__, "--devices", json.dumps(told)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core})
        )
        self._pids = pids
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "begun\n":
            raise SystemExit("the devices could not begin")
        self._begin, self._seconds = time.perf_counter(), float(told["seconds"])

    def done(self) -> dict[str, Any]:
        """Measured while all streams run, from when they keep as many answers as they may."""
        pids, settled = self._pids, min(8.0, self._seconds / 2)
        until(self._begin + settled)
        used, wall, before = cpu(pids), time.perf_counter(), memory(pids)
        until(self._begin + self._seconds - 0.2)
        used, wall, after = cpu(pids) - used, time.perf_counter() - wall, memory(pids)
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        self._process.wait()
        return {
            **told, "core": used / wall, "us_per_block": 1e6 * used / wall / told["streams"] * PERIOD,
            "memory_mb": after, "memory_growth_mb": after - before,
        }  # fmt: skip


def until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))


def held(row: dict[str, Any]) -> bool:
    return row["lost_or_doubled"] == 0 and not row["errors"] and row["p99_ms"] <= 30.0


def capacity(cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """Streams of a core, with sound alone, with landmarks, and with a process for each."""
    found: dict[str, Any] = {}
    print(
        f"{'':28}{'streams':>8} {'core':>6} {'us/block':>9} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'MB':>7}"
    )
    for name, counts, told in (
        ("sound", (50, 100, 150, 200, 250, 300), {}),
        ("landmarks", (20, 40, 80, 120, 160), {"picture": "landmarks"}),
        ("landmarks, Opus", (20, 40, 60, 80), {"picture": "landmarks", "opus": True}),
    ):
        best = 0
        for count in counts:
            with server(cores[0], "--workers", "1", "--streams", "400") as (port, parent):
                pids = workers(parent)
                row = Driven(cores[1], [port], pids, streams=count, seconds=seconds, **told).done()
            print(line(name, row), flush=True)
            found[f"{name} {count}"] = row
            if not held(row):
                break
            best = count
        found[f"{name} held"] = best
    best = 0
    for count in (10, 20, 40, 60, 80):
        with ExitStack() as stack:
            several = [stack.enter_context(server(cores[0], "--workers", "1")) for _ in range(count)]
            pids = [pid for _, parent in several for pid in (parent, *workers(parent))]
            row = Driven(cores[1], [port for port, _ in several], pids, streams=count, seconds=seconds).done()
        print(line("sound, a process for each", row), flush=True)
        found[f"processes {count}"] = row
        if not held(row):
            break
        best = count
    found["processes held"] = best
    found["sound_streams"], found["landmark_streams"] = found["sound held"], found["landmarks held"]
    if best:
        print(f"streams of one process against a process for each: {found['sound held'] / best:.1f} times")
    return found


def line(name: str, row: dict[str, Any]) -> str:
    return (
        f"{name:28}{row['streams']:8} {row['core']:6.2f} {row['us_per_block']:9.1f} {row['p50_ms']:8.2f} {row['p99_ms']:8.2f}"
        f" {row['max_ms']:8.1f} {row['memory_mb']:7.1f}{'' if held(row) else '  not held'}"
        f"{' ' + row['errors'][0] if row['errors'] else ''}"
    )


def delay(cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """Sound to sound of one stream through the server: the wait for the block, the method's lag, and the way there and back."""
    with server(cores[0], "--workers", "1") as (port, parent):
        row = Driven(cores[1], [port], workers(parent), streams=1, seconds=seconds).done()
    with Enhancer.load("default", block=BLOCK) as enhancer:
        lag = 1e3 * enhancer.latency / RATE
    total = 1e3 * PERIOD + lag + row["p99_ms"]
    print(
        f"sound to sound: block {1e3 * PERIOD:g} + method {lag:g} + way {row['p99_ms']:.2f} (p99) = {total:.1f} ms"
    )
    return {"sound_to_sound_ms": total, **row}


def uplink(cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """What a device sends, in kbit/s at the socket: websocket frames included, TCP and IP not."""
    found = {}
    for name, picture in (("landmarks_kbit", "landmarks"), ("crops_kbit", "mouth")):
        with server(cores[0], "--workers", "1") as (port, parent):
            row = Driven(
                cores[1], [port], workers(parent), streams=1, seconds=seconds, picture=picture, opus=True
            ).done()
        found[name] = row["kbit"]
        print(f"up with Opus and {picture} at 25 a second: {row['kbit']:.1f} kbit/s", flush=True)
    return found


def pictures(cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """What those whose faces are found at the server cost the others."""
    with server(cores[0], "--workers", "1") as (port, parent):
        pids = workers(parent)
        seen = Driven(cores[1], [port], pids, streams=4, seconds=seconds + 4, picture="jpeg")
        alone = Driven(cores[1], [port], pids, streams=40, seconds=seconds, picture="landmarks")
        row = alone.done()
        seen_row = seen.done()
    print(
        f"40 streams with landmarks beside 4 with pictures: p99 {row['p99_ms']:.1f} ms (of those 4 {seen_row['p99_ms']:.1f}), "
        f"{row['core']:.2f} of a core"
    )
    return {**row, "lost_or_doubled": row["lost_or_doubled"] + seen_row["lost_or_doubled"], "seen": seen_row}


def samples(cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """What a device that gives samples, as fast as it goes, costs the streams."""
    with tempfile.TemporaryDirectory() as folder:
        kept, stored = Path(folder) / "kept", Path(folder) / "stored"
        for number in range(int(2 * seconds)):
            keep(kept, number)
        with server(cores[0], "--workers", "1", "--samples", str(stored)) as (port, parent):
            driven = Driven(
                cores[1], [port], workers(parent), streams=40, seconds=seconds, picture="landmarks"
            )
            push = ["samples", "push", "--all", "--consent", "Ann", "--recordings", str(kept), "--to"]
            begin = time.perf_counter()
            with subprocess.Popen(
                [sys.executable, "-m", "seehear.cli", *push, f"http://127.0.0.1:{port}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                preexec_fn=lambda: (os.sched_setaffinity(0, {cores[1]}), os.nice(5)),
            ) as giver:  # fmt: skip
                row = driven.done()
                rate = sum(file.stat().st_size for file in stored.rglob("sample.*")) / 1e6
                rate /= time.perf_counter() - begin
                if giver.poll() not in (None, 0):
                    raise SystemExit("samples were not taken")
                giver.terminate()
    print(
        f"40 streams with landmarks beside a device that gives samples, {rate:.0f} MB a second: p99 {row['p99_ms']:.1f} ms, "
        f"max {row['max_ms']:.0f}, {row['core']:.2f} of a core, memory {row['memory_growth_mb']:+.2f} MB"
    )
    return {**row, "mb_a_second": rate}


def keep(folder: Path, number: int) -> None:
    """A recording of `GIVEN` bytes."""
    path = folder / "Ann" / f"recording{number}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    consent = {"who": "Ann", "when": "2026-01-31T12:00:00+00:00", "text": CONSENT, "version": CONSENT_VERSION}
    digests = {}
    for suffix in (".wav", ".mp4"):
        content = os.urandom(GIVEN // 2)
        path.with_suffix(suffix).write_bytes(content)
        digests[suffix] = hashlib.sha256(content).hexdigest()
    write_manifest(path, {
        "id": path.stem, "consent": consent, "rate": RATE, "seconds": 60.0, "pictures": 1500, "sha256": digests
    })  # fmt: skip


def cuts(cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """One connection in a hundred cut every second, of two workers, one of which the device may not find again."""
    with server(cores[0], "--workers", "2") as (port, parent):
        row = Driven(
            cores[1], [port], workers(parent), streams=40, seconds=seconds, exact=True, cuts=0.01
        ).done()
    print(
        f"{row['cuts']} cuts of {row['streams']} streams in {seconds:g} s: {row['lost_or_doubled']} blocks lost, "
        f"{len(row['errors'])} not as expected{row['errors']}; p99 {row['p99_ms']:.1f} ms; memory {row['memory_mb']:.1f} MB, "
        f"{row['memory_growth_mb']:+.2f} since all was kept that is"
    )
    return {**row, "lost_or_doubled": row["lost_or_doubled"] + len(row["errors"])}


def flooded(cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """10^5 malformed messages beside twenty streams."""
    with server(cores[0], "--workers", "1") as (port, parent):
        driven = Driven(cores[1], [port], workers(parent), streams=20, seconds=seconds, exact=True)
        command = [sys.executable, __file__, "--flood", json.dumps({"port": port, "count": 100_000})]
        sent = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
        row = driven.done()
    print(
        f"{sent['messages']} malformed messages by {sent['connections']} connections: {row['lost_or_doubled']} blocks of "
        f"{row['streams']} other streams lost, {len(row['errors'])} not as expected{row['errors']}, p99 {row['p99_ms']:.1f} ms, "
        f"memory {row['memory_growth_mb']:+.2f} MB"
    )
    return {**row, **sent, "flood_lost": row["lost_or_doubled"] + len(row["errors"])}


def churn(cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """Streams that are begun and ended, and connections that are cut, one after the other as fast as it goes."""
    with server(cores[0], "--workers", "1", "--speed", "1e9") as (port, parent):
        os.sched_setaffinity(0, {cores[1]})
        sent, pids = Sent("none", False), workers(parent)
        device = Device(port, sent, None)
        measured = []
        begin, count = time.perf_counter(), 0
        while count < 200 or time.perf_counter() < begin + seconds:
            if count == 200:
                measured.append(memory(pids))
            device.tick()
            while device.received < device.next:
                select.select([device.socket], [], [], 5)
                device.hear()
            if count % 2:
                device.cut()
            else:
                device.socket.sendall(framed(pack(Bye())))
                device.socket.close()
                device = Device(port, sent, None)
            count += 1
        growth = memory(pids) - measured[0]
        os.sched_setaffinity(0, set(cores))
    print(f"{count} streams begun and ended or cut in turn: memory {growth:+.2f} MB since the 200th")
    return {"count": count, "memory_growth_mb": growth}


PARTS = {
    "capacity": capacity, "delay": delay, "uplink": uplink, "pictures": pictures,
    "samples": samples, "cuts": cuts, "flood": flooded, "churn": churn,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)} (default: all)", metavar="PART"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default: 10)")
    parser.add_argument(
        "--cut-seconds", type=float, default=60.0, help="of cuts (default: 60; the figure: 600)"
    )
    parser.add_argument("--json", metavar="OUT.json")
    parser.add_argument("--devices", help=argparse.SUPPRESS)
    parser.add_argument("--flood", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.devices:
        print(json.dumps(drive(**json.loads(arguments.devices))), flush=True)
        return 0
    if arguments.flood:
        print(json.dumps(flood(**json.loads(arguments.flood))), flush=True)
        return 0
    there = sorted(os.sched_getaffinity(0))
    cores = (there[0], there[-1])
    results = {}
    for name in arguments.parts or PARTS:
        long = {"cuts": arguments.cut_seconds, "flood": max(60.0, arguments.seconds)}
        results[name] = PARTS[name](cores, long.get(name, arguments.seconds))
    beyond = []
    for part in results.values():
        for name, (least, most) in LIMITS.items():
            value = part.get(name)
            if value is not None and (
                (least is not None and value < least) or (most is not None and value > most)
            ):
                beyond.append(
                    f"{name}: {value:.4g}, expected {'at least' if least else 'at most'} {least or most:g}"
                )
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    print("\n".join(beyond) or "all within limits")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
