"""Writes the files that the readers' corpora begin with: small whole ones, and those that once raised something else.

python tests/fuzz/make_corpus.py
"""

from __future__ import annotations

import copy
import json
import struct
from pathlib import Path
from typing import Any

from seehear import bundle

CORPUS = Path(__file__).resolve().parent / "corpus"
BANDS, UNITS, MASKS = 5, 2, 16


def manifest(vision: bool) -> dict[str, Any]:
    """The least that is whole: hops of half a millisecond, five bands, nets of two units."""

    def tensor(size: int) -> dict[str, Any]:
        return {"shape": [1, size], "dtype": "int8", "scale": 0.1, "zero_point": -3}

    def graph(name: str, inputs: dict[str, int], outputs: dict[str, int]) -> dict[str, Any]:
        return {
            "file": name + ".tflite", "sha256": "0" * 64, "bytes": 4, "quantisation": "int8", "operators": ["FULLY_CONNECTED"],
            "inputs": {k: tensor(v) for k, v in inputs.items()}, "outputs": {k: tensor(v) for k, v in outputs.items()},
        }  # fmt: skip

    def net(name: str, inputs: list[str], outputs: dict[str, str]) -> dict[str, Any]:
        layers = [{"graph": name + "_1", "units": UNITS}]
        return {"inputs": inputs, "cell": "gru", "layers": layers, "head": name + "_out", "outputs": outputs}

    def pair(name: str, width: int, outputs: dict[str, int]) -> dict[str, Any]:
        gates = {"gx": 3 * UNITS, "gh": 3 * UNITS}
        return {
            name + "_1": graph(name + "_1", {"x": width, "h": UNITS}, gates),
            name + "_out": graph(name + "_out", {"h": UNITS}, outputs),
        }

    whole: dict[str, Any] = {
        "format": 1, "name": "small", "version": "1",
        "profile": {"name": "tiny", "rate": 16000, "analysis": 32, "synthesis": 16, "hop": 8},
        "bands": {"edges": [0, 1, 3, 6, 11, 17]},
        "features": {"floor": 1e-8, "level_init": -11.0, "level_prior": 20, "level_hops": 300, "clip": 4.0,
                     "mean": [0.0] * BANDS, "std": [1.0] * BANDS},
        "fusion": {"form": "av", "floor_db": -20.0},
        "latency": {"shift_samples": 8, "algorithmic_ms": 1.0},
        "networks": {"audio": net("audio", ["features"], {"y": "irm"})},
        "graphs": pair("audio", BANDS, {"y": BANDS}),
    }  # fmt: skip
    if vision:
        whole["visual"] = {
            "rate": 125, "masks_per_image": MASKS, "delay_ms": 80.0, "clip": 4.0,
            "frozen_images": 10, "images_on": 3, "images_off": 2,
            "mean": [0.0] * 24, "std": [1.0] * 24,
        }  # fmt: skip
        whole["networks"]["lips"] = net("lips", ["lips"], {"y": "ibm"})
        whole["networks"]["gate"] = net("gate", ["irm", "ibm"], {"gate": "gate", "mask": "mask_av"})
        whole["graphs"] |= pair("lips", 24, {"y": MASKS * BANDS}) | pair(
            "gate", 2 * BANDS, {"gate": BANDS, "mask": BANDS}
        )
    return whole


def changed(path: str, value: Any) -> dict[str, Any]:
    """The whole manifest with one thing else."""
    result = copy.deepcopy(manifest(True))
    *parents, last = path.split("/")
    at = result
    for key in parents:
        at = at[key]
    at[last] = value
    return result


def wav(code: int, channels: int, bits: int, body: bytes, more: bytes = b"") -> bytes:
    """A WAV behind its first 12 bytes."""
    layout = (
        struct.pack(
            "<HHIIHH", code, channels, 16000, 16000 * channels * bits // 8, channels * bits // 8, bits
        )
        + more
    )
    return b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(body)) + body


def main() -> None:
    for name in ("bundle", "manifest", "wav"):
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
    for name, content in {
        "sound": manifest(False),
        "sound_and_face": manifest(True),
        "dtype_is_a_list": changed("graphs/audio_1/inputs/x/dtype", ["int8"]),
        "vision_is_a_number": changed("vision", 5),
        "a_number_of_400_digits": changed("features/level_hops", 10**400),
        "cell_is_a_table": changed("networks/lips/cell", {"gru": 1}),
    }.items():
        (CORPUS / "manifest" / name).write_text(json.dumps(content, separators=(",", ":")))
    small = manifest(True)
    bundle.write_bundle(
        CORPUS / "bundle" / "sound_and_face", small, {name: name.encode() for name in small["graphs"]}
    )
    (CORPUS / "bundle" / "cut").write_bytes((CORPUS / "bundle" / "sound_and_face").read_bytes()[:-40])
    sound = bytes(range(48))
    for name, content in {
        "pcm16": wav(1, 1, 16, sound), "pcm8": wav(1, 1, 8, sound), "pcm24_stereo": wav(1, 2, 24, sound),
        "pcm32": wav(1, 1, 32, sound),
        "float32": wav(3, 1, 32, sound), "float64": wav(3, 1, 64, sound), "alaw": wav(6, 1, 8, sound),
        "extensible": wav(0xFFFE, 1, 16, sound, struct.pack("<HHIH14s", 22, 16, 4, 1, b"\0" * 14)),
        "more_promised_than_came": wav(1, 1, 16, sound)[:-10], "no_channels": wav(1, 0, 16, sound),
    }.items():  # fmt: skip
        (CORPUS / "wav" / name).write_bytes(content)


if __name__ == "__main__":
    main()
