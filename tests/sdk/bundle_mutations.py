"""Damages the shipped bundle in every way a file can be damaged, and sees that it loads or is refused in one line.

A program of its own, so that what a bundle costs can be limited: memory beyond what a sound bundle takes, and
processor time. Run it for longer than the tests do:

    python tests/sdk/bundle_mutations.py --count 1000000 --seed 7
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import json
import random
import resource
import signal
import struct
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from seehear import Enhancer
from seehear import bundle as bundles
from seehear.errors import SeehearError

#: What one bundle may take: bytes beyond what a sound one takes, and seconds of processor time.
BYTES, SECONDS = 200 << 20, 1.0

DATA = bundles.find_model("default").read_bytes()
MEMBERS: dict[str, bytes] = {}
with zipfile.ZipFile(io.BytesIO(DATA)) as _archive:
    MEMBERS = {info.filename: _archive.read(info) for info in _archive.infolist()}
_CRCS = {name: zlib.crc32(content) for name, content in MEMBERS.items()}
MANIFEST: dict[str, Any] = json.loads(MEMBERS["manifest.json"])

# numbers, texts and containers that programs stumble over
NASTY: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 63, 64, 65, 127, 255, 4096, 4097, 20000, 2**31 - 1, 2**31, 2**63, 2**64, -(2**63),
    10**18, 10**400, 0.0, -0.0, 0.5, 1e-320, 1e-38, 1e30, 1e38, 1e39, 1e308, float("inf"), float("-inf"), float("nan"),
    "", "a", "int8", "float32", "gru", "lips", "manifest.json", "../x", "x\ny", "x\x1b[2J", "\u202e", "\ud800", "\0", "x" * 70000,
    [], {}, [[]], [{}], [None], [0] * 5000, ["int8"], {"": ""}, {"a\nb": 1}, {"x": {"y": {"z": []}}},
)  # fmt: skip


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    """A stored zip of these members, whatever their names."""
    parts, directory, at = [], b"", 0
    for name, content in members:
        raw = name.encode("utf-8", "surrogatepass")
        crc = _CRCS.get(name) if MEMBERS.get(name) is content else None
        crc = zlib.crc32(content) if crc is None else crc
        head = struct.pack("<HHHHHIIIHH", 20, 0x800, 0, 0, 33, crc, len(content), len(content), len(raw), 0)
        directory += b"PK\1\2" + b"\x14\0" + head + struct.pack("<HHHII", 0, 0, 0, 0, at) + raw
        parts += [b"PK\3\4" + head + raw, content]
        at += 4 + len(head) + len(raw) + len(content)
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), at, 0)
    return b"".join([*parts, directory, b"PK\5\6", end])


def places(value: Any, into: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        into.append((value, key))
        if isinstance(item, (dict, list)):
            places(item, into)
    return into


def any_place(dice: random.Random, manifest: dict[str, Any]) -> tuple[Any, Any]:
    """A place of the manifest; long lists of numbers do not crowd out what is more interesting."""
    place: Any = manifest
    while True:
        key = dice.choice(list(place) if isinstance(place, dict) else range(len(place)))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or dice.random() < 0.15:
            return place, key
        place = inner


def flip(dice: random.Random) -> bytes:
    data = bytearray(DATA)
    ends = (len(DATA) - 2000, len(DATA)), (0, 60_000), (0, len(DATA))
    for _ in range(dice.randint(1, 8)):
        data[dice.randrange(*dice.choice(ends))] = dice.randrange(256)
    return bytes(data)


def cut(dice: random.Random) -> bytes:
    at = dice.randrange(len(DATA))
    return dice.choice(
        (DATA[:at], DATA[at:], DATA[:at] + DATA[at + dice.randint(1, 5000) :], DATA + DATA[:at])
    )


def one_change(dice: random.Random, manifest: dict[str, Any]) -> None:
    place, key = any_place(dice, manifest)
    kind = dice.randrange(8)
    if kind < 4:
        place[key] = copy.deepcopy(dice.choice(NASTY))
    elif kind == 4:
        del place[key]
    elif kind == 5:
        place[key] = copy.deepcopy(other(dice, manifest))
    elif kind == 6 and isinstance(place, dict):
        place[dice.choice(("x\ny", "\u202e", "extra", "face", "a" * 5000))] = place.pop(key)
    elif isinstance(place[key], (int, float)) and not isinstance(place[key], bool):
        place[key] *= dice.choice((-1, 0, 0.999, 1.5, 2, 10, 1e6, 1e300))
    elif isinstance(place, list):
        place.extend(copy.deepcopy(place[key]) for _ in range(dice.choice((1, 50, 20_000))))


def other(dice: random.Random, manifest: dict[str, Any]) -> Any:
    place, key = any_place(dice, manifest)
    return place[key]


def text_of(dice: random.Random, manifest: dict[str, Any]) -> bytes:
    text = json.dumps(manifest)
    kind = dice.randrange(12)
    if kind == 0:
        return text.encode(dice.choice(("utf-16", "utf-32", "utf-8-sig")), "surrogatepass")
    if kind == 1:
        depth = dice.choice((40, 500, 5000, 100_000))
        return f'{{"name": {"[" * depth}{"]" * depth}, {text[1:]}'.encode()
    if kind == 2:
        name = dice.choice(list(manifest) or ["a"])
        return f'{{"{name}": {json.dumps(dice.choice(NASTY))}, {text[1:]}'.encode()
    if kind == 3:
        return text.replace("1", "1" * dice.choice((5, 400, 5000)), 1).encode()
    return text.encode()


def manifest(dice: random.Random) -> bytes:
    damaged = json.loads(MEMBERS["manifest.json"])
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        one_change(dice, damaged)
    return zipped([("manifest.json", text_of(dice, damaged)), *list(MEMBERS.items())[1:]])


def swap(dice: random.Random) -> bytes:
    """Graphs in each other's place, or noise in a graph's, with the hashes put right."""
    damaged, members = json.loads(MEMBERS["manifest.json"]), dict(MEMBERS)
    for _ in range(dice.randint(1, 3)):
        name, twin = dice.sample(list(damaged["graphs"]), 2)
        graph = damaged["graphs"][name]
        kind = dice.randrange(5)
        if kind == 0:
            members[graph["file"]] = MEMBERS[MANIFEST["graphs"][twin]["file"]]
        elif kind == 1:
            members[graph["file"]] = dice.randbytes(dice.choice((0, 1, 3, 4, 8, 100, 5000)))
        elif kind == 2:
            members[graph["file"]] = members[graph["file"]][: dice.choice((0, 4, 8, 64))]
        elif kind == 3:
            tensors = graph[dice.choice(("inputs", "outputs"))]
            tensors["renamed"] = tensors.pop(next(iter(tensors)))
        else:
            damaged["graphs"][twin], damaged["graphs"][name] = graph, damaged["graphs"][twin]
    for graph in damaged["graphs"].values():
        content = members[graph["file"]]
        graph["bytes"], graph["sha256"] = len(content), hashlib.sha256(content).hexdigest()
    members["manifest.json"] = json.dumps(damaged).encode()
    return zipped(list(members.items()))


def structure(dice: random.Random) -> bytes:
    members = list(MEMBERS.items())
    kind = dice.randrange(6)
    if kind == 0:
        name = dice.choice(
            ("../x", "a\nb", "\x1b[2J", "", "x" * 65535, "manifest.sig", "a/b", "\ud800", "e.bin")
        )
        members.insert(dice.randrange(len(members) + 1), (name, dice.randbytes(dice.randrange(100))))
    elif kind == 1:
        members.append(dice.choice(members))
    elif kind == 2:
        members += [(f"m{i}", b"") for i in range(dice.choice((40, 60, 5000)))]
    elif kind == 3:
        dice.shuffle(members)
        members = members[: dice.randrange(len(members) + 1)]
    data = bytearray(zipped(members))
    if kind >= 4 or dice.random() < 0.3:  # numbers in the directory and its end
        start = (
            data.rfind(b"PK\5\6") if dice.random() < 0.4 else data.find(b"PK\1\2", dice.randrange(len(data)))
        )
        at = max(0, min(start + dice.randrange(4, 44), len(data) - 4))
        data[at : at + 4] = dice.choice(
            (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", dice.randbytes(4))
        )
    return bytes(data)


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    flip,
    cut,
    manifest,
    manifest,
    manifest,
    manifest,
    swap,
    structure,
)


def make(seed: int) -> tuple[str, bytes]:
    """The damaged bundle of a number, and how it was made."""
    dice = random.Random(seed)
    kind = dice.choice(KINDS)
    return kind.__name__, kind(dice)


PICTURE = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
FACE = np.random.default_rng(1).uniform(20, 140, (50, 2)).astype(np.float32)


def use(bundle: bundles.Bundle) -> None:
    """Hear and see a little, as an application does."""
    enhancer = Enhancer.load(bundle)
    hop = bundle.hop
    for i in range(6):
        now = i * hop / bundle.rate
        if bundle.finds_faces:
            enhancer.see(PICTURE, now)
            enhancer.see_mouth(PICTURE, now)
        if bundle.has_vision:
            enhancer.see_landmarks(FACE + i, now)
        out = enhancer.process(np.full(hop, 0.1, np.float32))
        assert out.shape == (hop,) and np.isfinite(out).all()
    _ = enhancer.stats, enhancer.face_state, bundle.name, bundle.visual_delay_ms


def judge(data: bytes) -> str:
    """ "loads" or "refused"; raises what must not be."""
    try:
        bundle = bundles.parse(data)
        if bundle.manifest != MANIFEST or bundle.graphs != SOUND.graphs:
            use(bundle)
    except SeehearError as error:
        assert str(error) and str(error).isprintable(), f"not one line: {str(error)!r}"
        assert len(str(error)) < 20_000, "a message without end"
        return "refused"
    return "loads"


SOUND = bundles.parse(DATA)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"took more than {SECONDS:g} s of the processor")


def _status(key: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(key + ":"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first bundle")
    arguments = parser.parse_args()
    use(SOUND)  # what a sound bundle takes is no bundle's fault
    limit = _status("VmData") + BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    signal.signal(signal.SIGPROF, _too_long)
    outcomes: Counter[str] = Counter()
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        print(seed, end="\r", flush=True)  # a crash leaves the number behind
        kind, data = make(seed)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            outcomes[f"{kind} {judge(data)}"] += 1
        except BaseException as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            print(f"bundle {seed} ({kind}): {type(error).__name__}: {error}", file=sys.stderr)
            raise
        signal.setitimer(signal.ITIMER_PROF, 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print("\n" + json.dumps({"outcomes": dict(sorted(outcomes.items())), "peak_rss_mb": peak}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
