"""What a training depends on, and what a batch of it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import dsp
from ..data.mixtures import BroadMask, ideal_binary_mask

F32 = NDArray[np.float32]
Batch = tuple[F32, ...]


@dataclass
class Config:
    """Everything a training depends on; kept in the run folder and in the bundle."""

    profile: str = "standard"
    seed: int = 1
    ship_only: bool = True
    audio_units: list[int] = field(default_factory=lambda: [160, 160])
    lip_units: list[int] = field(default_factory=lambda: [64])
    gate_units: list[int] = field(default_factory=lambda: [88])
    fusion: str = "av"
    masks_per_image: int = 4
    lip_bands: int = 16
    ibm_threshold: float = 1e-5
    ibm_normalise: str = "utterance"
    #: Of which sound the lip net's masks tell: of "now", or of the moment a visual delay ago, which its "image" shows.
    lip_tells: str = "now"
    batch: int = 48
    reuse: int = 2
    seconds: float = 4.0
    steps: dict[str, int] = field(default_factory=lambda: {"audio": 4000, "lips": 1500, "gate": 2000})
    learning_rate: float = 1.5e-3
    gate_cost: float = 0.0
    harm_cost: float = 4.0
    correction_cost: float = 0.5
    gate_caution: float = 0.0
    floor_db: float = -26.0
    perceptual: float = 0.1
    intelligibility: float = 0.8
    fidelity: float = 0.01
    no_harm: float = 2.0
    mismatch: float = 0.4
    imagined: float = 0.5
    hard: float = 0.5
    lip_cost: float = 0.1
    pool: int = 300
    talker_weights: dict[str, float] = field(default_factory=dict)
    rivals: float = 0.45
    voice_weights: dict[str, float] = field(default_factory=dict)
    noise_weights: dict[str, float] = field(
        default_factory=lambda: {"music": 3, "cafe_restaurant": 2, "crowd_babble": 2, "street_traffic": 2}
    )

    @staticmethod
    def load(path: Path) -> Config:
        """Read a JSON config; unknown keys are an error."""
        values = json.loads(path.read_text(encoding="utf-8"))
        known = Config.__dataclass_fields__
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"{path}: unknown keys {unknown}; known are {sorted(known)}")
        config = Config(**values)
        if config.lip_tells not in ("now", "image"):
            raise ValueError(f'{path}: expected lip_tells "now" or "image", got {config.lip_tells!r}')
        return config

    @property
    def edges(self) -> list[int]:
        """Bin edges of the bands."""
        return dsp.band_edges(dsp.PROFILES[self.profile])

    @property
    def broad(self) -> BroadMask | None:
        """The lip net's broad bands; None where ``lip_bands`` is 0 and every band has an answer of its own."""
        return BroadMask(self.edges, self.lip_bands) if self.lip_bands else None

    @property
    def lip_group(self) -> NDArray[np.integer]:
        """Number of the lip net's answer for every band, (M,)."""
        return self.broad.group if self.broad else np.arange(len(self.edges) - 1)

    def lip_target(self, clean: F32) -> F32:
        """What the lip net shall say, 0 or 1, of clean band powers (..., hops, M)."""
        if self.broad:
            return self.broad(clean)
        return ideal_binary_mask(clean, self.ibm_threshold, self.ibm_normalise)

    def save(self, path: Path) -> None:
        """Write the config as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
