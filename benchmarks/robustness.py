"""What a stream survives, counted: signals, threads, the end of the interpreter; how late its sound comes; and the
memory that an hour of sound takes.

    python benchmarks/robustness.py [--json OUT.json] [--trials N] [--only NAME ...]

Every trial runs in a process of its own, for some of these faults are crashes. Exits with 1 where one of them went wrong.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

# seconds after which a trial counts as hanging
PATIENCE = 300

SIGNALS = """
import os, random, signal, sys, threading, time
import numpy as np
import seehear

class Alarm(Exception):
    pass

def terminate(*_):
    sys.exit(143)

def alarm(*_):
    raise Alarm

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
signal.signal(signal.SIGTERM, terminate)
signal.signal(signal.SIGUSR1, alarm)
signals = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit, signal.SIGUSR1: Alarm}
enhancer = seehear.Enhancer.load(block=160)
block = np.random.default_rng(0).standard_normal(160).astype(np.float32)
armed = threading.Semaphore(0)

def send():
    for i in range(trials):
        armed.acquire()
        time.sleep(random.uniform(0, 0.003))
        os.kill(os.getpid(), list(signals)[i % 3])

heard = 0
sender = threading.Thread(target=send)
sender.start()
for i in range(trials):
    begin = time.monotonic()
    try:
        armed.release()
        while time.monotonic() < begin + 2:
            enhancer.process(block)
    except BaseException as error:
        heard += type(error) is list(signals.values())[i % 3]
sender.join()
report = {"good": heard, "lost_hops": enhancer.stats["audio_failures"]}
"""

THREADS = """
import threading
import numpy as np
import seehear

enhancer = seehear.Enhancer.load()
sound = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
calls = [
    lambda: enhancer.process(sound[:1600]), enhancer.flush, enhancer.reset,
    lambda: enhancer.enhance(sound, 16000),
]
refused, others = [], []
stop = threading.Event()

def beside(call):
    while not stop.is_set():
        try:
            call()
        except seehear.StateError:
            refused.append(1)
        except BaseException as error:
            others.append(repr(error))

for call in calls:
    stop.clear()
    thread = threading.Thread(target=beside, args=(call,))
    thread.start()
    for _ in range(200):
        try:
            enhancer.process(sound[:1600])
        except seehear.StateError:
            refused.append(1)
    stop.set()
    thread.join()
assert not others, others[:3]
enhancer.reset()
assert np.isfinite(enhancer.process(sound)).all()
report = {"good": 1, "refused": len(refused)}
"""

EXIT = """
import threading
import numpy as np
import seehear

enhancer = seehear.Enhancer.load()
block = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
busy = threading.Event()

def listen():
    while True:
        enhancer.process(block)
        busy.set()

threading.Thread(target=listen, daemon=True).start()
busy.wait()
report = {"good": 1}
"""

DELAY = """
import numpy as np
import seehear

def lag(**arguments):
    enhancer = seehear.Enhancer.load(**arguments)
    enhancer.scheduler.set_invoke(lambda graph: False)  # all masks 1: an impulse comes out as it went in
    impulse = np.zeros(16000, np.float32)
    impulse[8000] = 0.5
    out = np.concatenate([enhancer.process(block) for block in impulse.reshape(-1, 160)])
    late = int(np.argmax(np.abs(out))) - 8000
    assert late == enhancer.latency
    return late, 1e3 * (late + 160) / 16000  # the first sample of a block waits for the last

hop_sized, any_size = lag(block=160), lag()
report = {
    "good": int((hop_sized[0], any_size[0]) == (160, 319)),
    "hop_sized_samples": hop_sized[0], "hop_sized_ms": hop_sized[1],
    "any_size_samples": any_size[0], "any_size_ms": any_size[1],
}
"""

# `seehear enhance` of an hour, at most 60 MB at its peak; the file is made in pieces, for they count too
MEMORY = """
import pathlib, resource, tempfile
import numpy as np
from seehear.cli import main as cli
from seehear.media.audio_files import open_audio, wav_writer

seconds = 3600
with tempfile.TemporaryDirectory() as folder:
    noisy, clean = pathlib.Path(folder, "noisy.wav"), pathlib.Path(folder, "clean.wav")
    random = np.random.default_rng(0)
    with wav_writer(noisy, 16000) as write:
        for _ in range(seconds):
            write(random.standard_normal(16000, np.float32) / 10)
    assert cli.main(["enhance", str(noisy), "-o", str(clean)]) == 0
    with open_audio(clean) as sound:
        assert sound.expected == 16000 * seconds
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
report = {"good": int(peak <= 60), "peak_rss_mb": round(peak, 1)}
"""


class Trial(NamedTuple):
    """Some code that leaves a dict `report`, whose entry "good" is to be as many as were tried.

    `inside`: the code itself goes through the trials and finds their number as `trials`; else it is one.
    """

    title: str
    code: str
    count: int
    inside: bool = False


TRIALS = {
    "signals": Trial("signals heard, in one process", SIGNALS, 200, inside=True),
    "threads": Trial("two threads in one enhancer: refused, no crash", THREADS, 6),
    "exit": Trial("exit with a busy daemon thread", EXIT, 100),
    "memory": Trial("an hour of WAV through the command line in at most 60 MB", MEMORY, 1),
    "delay": Trial("lag as said: 160 samples for whole hops, 319 for any block", DELAY, 1),
}


def run(code: str, trials: int) -> dict[str, Any]:
    """The report of one process; "good" is 0 and "error" says why where it did not end well."""
    whole = f"trials = {trials}\n{code}\nimport json; print(json.dumps(report), flush=True)\n"
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", whole], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return {"good": 0, "error": f"no end in {PATIENCE} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return {"good": 0, "error": f"exit code {done.returncode}: {last}"}
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def measure(trial: Trial, count: int) -> dict[str, Any]:
    """All of one trial: how many were good, of how many, and what else was counted."""
    processes = 1 if trial.inside else count
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: run(trial.code, count), range(processes)))
    errors = [report.pop("error") for report in reports if "error" in report]
    sums = {key: sum(r[key] for r in reports if key in r) for key in {k: 0 for r in reports for k in r}}
    return {"title": trial.title, "of": count, **sums, **({"error": errors[0]} if errors else {})}


def main() -> int:
    """Run the trials, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--trials", type=int, help="at most so many of each")
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=list(TRIALS))
    arguments = parser.parse_args()
    figures = {}
    for name in arguments.only:
        trial = TRIALS[name]
        figures[name] = figure = measure(trial, min(trial.count, arguments.trials or trial.count))
        rest = ", ".join(f"{k} {v:g}" for k, v in figure.items() if k not in ("title", "of", "good", "error"))
        print(
            f"{figure['title']:60} {figure['good']:4} of {figure['of']:4}  {rest} {figure.get('error', '')}".rstrip()
        )
        sys.stdout.flush()
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return int(any(figure["good"] != figure["of"] for figure in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
