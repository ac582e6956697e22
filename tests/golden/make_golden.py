"""Write signal_path.npz beside this file: inputs, weights and what the numpy reference makes of them.

    python tests/golden/make_golden.py

Run it only when the contract (docs/architecture.md) changes; the file is what the core and the reference are both tested with.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from golden import reference

EVERY = 7  # of the hops of masks, and of the samples, one in so many is kept


def main() -> None:
    config = reference.manifest()
    weights = reference.weights(config)
    x, images = reference.scene(4.5)  # the last face stays for two seconds
    made = reference.Reference(config, weights).run(x, images)
    no_face = np.full((50, 2), np.nan, np.float32)
    np.savez_compressed(
        Path(__file__).with_name("signal_path.npz"),
        config=np.array(json.dumps(config)),
        x=np.round(x * 32768).astype(np.int16),
        image_times=np.array([t for t, _ in images]),
        image_points=np.array([no_face if p is None else p for _, p in images]),
        states=np.array(made["state"]),
        out=made["out"][::EVERY].astype(np.float32),
        **{
            name: made[name][::EVERY].astype(np.float32)
            for name in ("features", "irm", "ibm", "gate", "mask", "agreement")
        },
        **{f"w/{g}/{k}": v.astype(np.float16) for g, tensors in weights.items() for k, v in tensors.items()},
    )


if __name__ == "__main__":
    main()
