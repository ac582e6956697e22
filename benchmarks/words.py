"""What enhancement does to a recogniser: words in error before and after, on commands in babble and in a street.

    pip install '.[convert,recogniser]'
    python benchmarks/words.py --data FOLDER [--json OUT.json] [--clips N]

FOLDER holds `av/`, `speech/` and `noise/` with their index.csv (`seehear_convert.data.corpus.read_packs`). Two kinds of
commands, none of which was trained on: sentences of GRID with the talker's face, whose words are told by the file's name
("bbaf2n": bin blue at f two now), recognised with the grammar of GRID; and commands of `speech/intent`, which nobody wrote
down: their reference is what the recogniser hears in the clean recording, with its general language model. Noise is the
last fifth of each recording, which is kept out of the training. Every mixture starts cold. The recogniser is pocketsphinx
with its own American model.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pocketsphinx import Decoder

from seehear import Enhancer
from seehear.media.audio_files import read_audio_at
from seehear.media.video_files import frames
from seehear_convert.data.corpus import Clip, high_pass, read_packs

RATE, SNRS = 16000, (0, 5, 10)
NOISES = {"babble": "crowd_babble", "street": "street_traffic"}
WAYS = ("noisy", "audio", "audio-visual")
# the six words of a sentence by the letters of its name
GRID: tuple[dict[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    {
        "z": "zero",
        "1": "one",
        "2": "two",
        "3": "three",
        "4": "four",
        "5": "five",
        "6": "six",
        "7": "seven",
        "8": "eight",
        "9": "nine",
    },
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


def recogniser(grammar: bool) -> Decoder:
    """With the grammar of GRID, or the language model that pocketsphinx brings."""
    if not grammar:  # with the limits of a small board
        return Decoder(samprate=RATE, loglevel="FATAL", fwdflat=False, maxhmmpf=3000, maxwpf=10)
    words = " ".join(f"({' | '.join(each.values())})" for each in GRID)
    with tempfile.NamedTemporaryFile("w", suffix=".jsgf") as file:
        file.write(f"#JSGF V1.0;\ngrammar grid;\npublic <command> = {words};\n")
        file.flush()
        return Decoder(samprate=RATE, loglevel="FATAL", lm=None, jsgf=file.name)


def heard(decoder: Decoder, samples: np.ndarray) -> list[str]:
    """The words."""
    decoder.reinit_feat()  # its running means start afresh
    decoder.start_utt()
    decoder.process_raw(np.round(32767 * np.clip(samples, -1, 1)).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr.split() if found else []


def errors(reference: Sequence[str], words: Sequence[str]) -> int:
    """Words changed, left out and put in: the edit distance."""
    row = list(range(len(words) + 1))
    for i, expected in enumerate(reference, 1):
        last, row[0] = row[0], i
        for j, word in enumerate(words, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (expected != word))
    return row[-1]


def noise(clips: Sequence[Clip]) -> np.ndarray:
    """The last fifths of these recordings, at one level, one after the other."""
    ends = [high_pass(x[int(0.8 * len(x)) :]) for x in (read_audio_at(clip.audio, RATE) for clip in clips)]
    return np.concatenate([x / x.std() for x in ends])


def measure(clips: Sequence[Clip], noises: dict[str, np.ndarray], enhancer: Enhancer) -> list[dict[str, Any]]:
    """One row for each clip, noise, ratio and way: words of the reference, and how many are in error."""
    with_face = clips[0].video is not None
    decoder = recogniser(with_face)
    rows = []
    for number, clip in enumerate(clips):
        clean = high_pass(read_audio_at(clip.audio, RATE))
        if with_face:
            reference = [words[letter] for words, letter in zip(GRID, Path(clip.id).name, strict=True)]
            pictures = list(frames(str(clip.video)))
        else:
            reference, pictures = heard(decoder, clean), []
        if not reference:
            continue
        ways = WAYS if with_face else WAYS[:2]

        alone = enhancer.enhance(clean.astype(np.float32), RATE)
        tried: list[tuple[str, int | None, str, np.ndarray]]
        tried = [("none", None, "noisy", clean), ("none", None, "audio", alone)]
        for kind, sound in noises.items():
            at = np.random.default_rng([number, len(kind)]).integers(len(sound) - len(clean))
            part = sound[at : at + len(clean)]
            for snr in SNRS:
                mixture = clean + part * np.sqrt(np.mean(clean**2) / np.mean(part**2)) * 10 ** (-snr / 20)
                mixture = (0.5 * mixture / np.abs(mixture).max()).astype(np.float32)
                for way in ways:
                    seen = pictures if way == "audio-visual" else None
                    done = mixture if way == "noisy" else enhancer.enhance(mixture, RATE, seen)
                    tried.append((kind, snr, way, done))
        for name, ratio, how, samples in tried:
            rows.append({
                "noise": name, "snr": ratio, "way": how, "words": len(reference),
                "errors": errors(reference, heard(decoder, samples)),
            })  # fmt: skip
        print(f"\r{number + 1} of {len(clips)}", end="", flush=True)
    print("\r", end="")
    return rows


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Word error in percent by noise and ratio; the change against the noisy one with its 95 % interval, drawn over clips."""
    table = []
    for kind, snr in dict.fromkeys((row["noise"], row["snr"]) for row in rows):
        part = [row for row in rows if (row["noise"], row["snr"]) == (kind, snr)]
        found = {way: [row for row in part if row["way"] == way] for way in WAYS}
        words = np.array([row["words"] for row in found["noisy"]])
        draws = np.random.default_rng(0).integers(len(words), size=(2000, len(words)))
        wrong = {way: np.array([row["errors"] for row in each]) for way, each in found.items() if each}
        line: dict[str, Any] = {"noise": kind, "snr": snr, "n": len(words), "words": int(words.sum())}
        for way, each in wrong.items():
            line[way] = round(100 * each.sum() / words.sum(), 1)
            if way != "noisy":
                change = (each - wrong["noisy"])[draws].sum(1) / words[draws].sum(1)
                line[f"{way} change"] = [round(100 * float(q), 1) for q in np.percentile(change, (2.5, 97.5))]
        table.append(line)
    return table


def show(name: str, table: list[dict[str, Any]]) -> str:
    """As Markdown."""
    ways = [way for way in WAYS if way in table[-1]]
    lines = [f"{name}, n = {table[0]['n']} ({table[0]['words']} words): words in error, percent", ""]
    lines += [f"| noise | dB | {' | '.join(ways)} |", "|---" * (2 + len(ways)) + "|"]
    for line in table:
        cells = []
        for way in ways:
            if way not in line:
                cells.append("")
            elif way == "noisy":
                cells.append(f"{line[way]:.1f}")
            else:
                low, high = line[f"{way} change"]
                cells.append(f"{line[way]:.1f} ({line[way] - line['noisy']:+.1f} [{low:+.1f}, {high:+.1f}])")
        lines.append(
            f"| {line['noise']} | {'' if line['snr'] is None else line['snr']} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of packs")
    parser.add_argument("--json", type=Path, help="where the table goes as JSON")
    parser.add_argument("--clips", type=int, help="at most so many of each kind (default: all)")
    arguments = parser.parse_args()
    packs = read_packs(arguments.data)
    noises = {
        name: noise([clip for clip in packs if clip.kind == "noise" and clip.label == label])
        for name, label in NOISES.items()
    }
    held_out = [clip for clip in packs if clip.kind == "speech" and clip.split != "train"]
    kinds = {
        "GRID, with faces": [clip for clip in held_out if clip.label == "av"],
        "intent, sound alone": [clip for clip in held_out if clip.label == "intent"],
    }
    result = {}
    with Enhancer.load() as enhancer:
        for name, clips in kinds.items():
            result[name] = summary(measure(clips[: arguments.clips], noises, enhancer))
            print(f"{show(name, result[name])}\n")
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
