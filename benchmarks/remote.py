"""A device that speaks to an execution server through `RemoteEnhancer`, in real time on the loopback.

    python benchmarks/remote.py [PART ...] [--seconds 30] [--devices 20] [--json OUT.json]

`delay`: blocks of 20 ms there and back, with no buffer besides the fade's 10 ms. `cuts`: devices behind a cable that cuts one
connection in a hundred each second, and how much of what is heard is the server's. `here`: what `process` costs. The server runs
on one core, the devices on another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import sys
import time
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
from server import BLOCK, RATE, server, speech

from seehear import Enhancer, RemoteEnhancer

#: Nothing listens here.
NOWHERE = "http://127.0.0.1:9/"

#: Figure -> (at least, at most).
LIMITS: dict[str, tuple[float | None, float | None]] = {
    "sound_to_sound_ms": (None, 60.0), "heard_share": (0.99, None), "heard_share_with_cuts": (0.97, None), "lost": (None, 0),
}  # fmt: skip


def cable(port: int, share: float, pipe: Any) -> None:
    """Carries connections to a port; each second it cuts so many of them. Tells its own port, and at the end how many."""

    async def carry() -> None:
        ends: list[asyncio.StreamWriter] = []
        cut = 0

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            ends.append(writer)
            await asyncio.gather(forward(reader, far_writer), forward(far_reader, writer))
            ends.remove(writer)

        listener = await asyncio.start_server(accept, "127.0.0.1", 0)
        pipe.send(listener.sockets[0].getsockname()[1])
        while not pipe.poll():
            await asyncio.sleep(1.0)
            for writer in [each for each in ends if random.random() < share]:
                cut += 1
                writer.transport.abort()
        pipe.send(cut)
        os._exit(0)

    asyncio.run(carry())


def talk(devices: list[RemoteEnhancer], seconds: float) -> list[np.ndarray]:
    """All devices in real time, one after the other within each block; what is heard of each."""
    sound = speech(seconds)
    heard: list[list[np.ndarray]] = [[] for _ in devices]
    begin = time.perf_counter()
    for n, at in enumerate(range(0, len(sound) - BLOCK + 1, BLOCK)):
        time.sleep(max(0.0, begin + n * BLOCK / RATE - time.perf_counter()))
        for device, its in zip(devices, heard, strict=True):
            its.append(device.process(sound[at : at + BLOCK]))
    return [np.concatenate(each) for each in heard]


def share(devices: list[RemoteEnhancer]) -> float:
    server = sum(device.stats["server_samples"] for device in devices)
    return server / (server + sum(device.stats["local_samples"] for device in devices))


def delay(cores: tuple[int, int], seconds: float, count: int) -> dict[str, Any]:
    with (
        server(cores[0], "--workers", "1") as (port, _),
        RemoteEnhancer.connect(f"http://127.0.0.1:{port}/", buffer_ms=0) as device,
    ):
        os.sched_setaffinity(0, {cores[1]})
        device.wait()
        talk([device], seconds)
        p50, p99 = 1e3 * np.quantile(device.answer_times, (0.5, 0.99))
        stats = device.stats
        row = {
            "sound_to_sound_ms": 1e3 * (device.latency + BLOCK) / RATE, "heard_share": share([device]),
            "answer_p50_ms": p50, "answer_p99_ms": p99, "answer_max_ms": stats["answer_max_ms"], "spare_ms": stats["spare_ms"],
        }  # fmt: skip
        os.sched_setaffinity(0, set(cores))
    print(
        f"sound to sound {row['sound_to_sound_ms']:.0f} ms (block 20, message 20, fade 10, method 10), "
        f"{100 * row['heard_share']:.2f} % from the server; a block there and back "
        f"{p50:.1f} ms, p99 {p99:.1f}, max {row['answer_max_ms']:.1f}; "
        f"the latest had {row['spare_ms']:.1f} ms to spare"
    )
    return row


def cuts(cores: tuple[int, int], seconds: float, count: int) -> dict[str, Any]:
    near, far = multiprocessing.Pipe()
    with server(cores[0], "--workers", "1") as (port, _), ExitStack() as stack:
        os.sched_setaffinity(0, {cores[1]})
        carrier = multiprocessing.Process(target=cable, args=(port, 0.01, far), daemon=True)
        carrier.start()
        behind = f"http://127.0.0.1:{near.recv()}/"
        devices = [stack.enter_context(RemoteEnhancer.connect(behind)) for _ in range(count)]
        for device in devices:
            device.wait()
        heard = talk(devices, seconds)
        near.send(None)
        cut = near.recv()
        sound = speech(seconds)
        sound = sound[: len(sound) // BLOCK * BLOCK]
        late = devices[0].latency
        with Enhancer.load(block=BLOCK) as here:
            clean = np.concatenate(
                [here.process(sound[at : at + BLOCK]) for at in range(0, len(sound), BLOCK)]
            )
        right = np.concatenate([np.zeros(late - here.latency, np.int16), clean])[: len(sound)]
        stats = [device.stats for device in devices]
        row = {
            "heard_share_with_cuts": share(devices), "cuts": cut, "reconnects": sum(each["reconnects"] for each in stats),
            "streams": sum(each["streams"] for each in stats), "devices": count,
            "late_blocks": sum(each["late_blocks"] for each in stats),
            "lost": sum(not np.array_equal(each, right) for each in heard),
        }  # fmt: skip
        os.sched_setaffinity(0, set(cores))
    print(
        f"{row['cuts']} cuts of {count} devices in {seconds:g} s, {row['reconnects']} new connections, {row['streams']} streams: "
        f"{100 * row['heard_share_with_cuts']:.2f} % heard from the server, {row['late_blocks']} answers late, "
        f"{row['lost']} devices whose sound was not to the bit an enhancer's"
    )
    return row


def here(cores: tuple[int, int], seconds: float, _: int) -> dict[str, Any]:
    """Of hops of 10 ms, without a server."""
    os.sched_setaffinity(0, {cores[1]})
    sound = speech(min(seconds, 20.0))

    def each(enhancer: Any) -> float:
        times = []
        for at in range(0, len(sound) - 160, 160):
            begin = time.perf_counter()
            enhancer.process(sound[at : at + 160])
            times.append(time.perf_counter() - begin)
        return 1e6 * float(np.mean(times))

    with Enhancer.load(block=160) as alone:
        row = {"enhancer_us": each(alone)}
    for fallback in ("local", "untouched"):
        with RemoteEnhancer.connect(NOWHERE, fallback=fallback) as device:
            row[f"{fallback}_us"] = each(device)
    os.sched_setaffinity(0, set(cores))
    print(
        f"a hop of 10 ms costs the device {row['local_us']:.0f} us with a local net, {row['untouched_us']:.0f} without; "
        f"an Enhancer {row['enhancer_us']:.0f}"
    )
    return row


PARTS = {"delay": delay, "cuts": cuts, "here": here}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)} (default: all)", metavar="PART"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement (default: 30)")
    parser.add_argument("--devices", type=int, default=20, help="of cuts (default: 20)")
    parser.add_argument("--json", metavar="OUT.json")
    arguments = parser.parse_args()
    os.environ["no_proxy"] = "*"  # nothing between the devices and this computer
    there = sorted(os.sched_getaffinity(0))
    results = {
        name: PARTS[name]((there[0], there[-1]), arguments.seconds, arguments.devices)
        for name in arguments.parts or PARTS
    }
    beyond = [
        f"{name}: {value:.4g}, expected {'at least' if least is not None else 'at most'} {least if least is not None else most:g}"
        for part in results.values()
        for name, value in part.items()
        for least, most in [LIMITS.get(name, (None, None))]
        if (least is not None and value < least) or (most is not None and value > most)
    ]
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    print(*(f"beyond its limit: {each}" for each in beyond), sep="\n")
    return bool(beyond)


if __name__ == "__main__":
    sys.exit(main())
