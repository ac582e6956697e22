"""A bundle's trial run on this device, in a process of its own: it loads, and works on a second of sound."""

from __future__ import annotations

from pathlib import Path

from seehear import own_process

# seconds until a trial counts as hanging: a slow board starts a TFLite runtime in some 10
_PATIENCE = 120.0

_TRIAL = """
import sys
import numpy as np
from seehear import bundle as bundles
from seehear.errors import SeehearError
try:
    bundle = bundles.load(sys.argv[1], kind=None)
    draw = np.random.default_rng(0)
    if bundle.kind == "separation":
        from seehear.separation import dsp
        from seehear.separation.separator import Separator
        separator = Separator.load(bundle)
        guide, _ = separator.look(draw.integers(0, 256, (224, 224, 3), np.uint8))
        noise = draw.normal(0, 0.1, dsp.SAMPLES).astype(np.float32)
        made = separator.separate_block(noise, np.stack([guide, guide]))
    else:
        from seehear.enhancer import Enhancer
        enhancer = Enhancer.load(bundle)
        noise = draw.normal(0, 0.1, 16000).astype(np.float32)
        face = draw.uniform(0, 200, (50, 2)).astype(np.float32)
        made = []
        for n, block in enumerate(np.split(noise, 100)):
            if bundle.has_vision and n % 4 == 0:
                enhancer.see_landmarks(face + n, n / 100)
            made.append(enhancer.process(block))
        made = np.concatenate(made)
        assert len(made) == len(noise), f"{len(noise)} samples went in, {len(made)} came out"
    assert np.isfinite(made).all(), "what came out is not finite"
    assert np.abs(made).max() > 0, "what came out is silence"
except (SeehearError, AssertionError) as error:
    sys.exit(str(error))
"""


def run(path: Path) -> str:
    """Try a bundle, with the board and the key that the environment names.

    Returns
    -------
    str
        "" if it works here; else why not, in a few words.
    """
    return own_process.run(_TRIAL, str(path), seconds=_PATIENCE).error
