"""Two small nets that find the lips: `face` (14 points of a face crop) and `mouth` (40 lip points of an
aligned mouth crop).

Both look at 64 x 64 gray, answer with the coefficients of a linear shape model and with a score (is there a
face, is the mouth to be seen). Taught with the packs' face-mesh points; only convolution, addition, fully
connected, relu and logistic, so that every int8 NPU takes them. Steps: `train`, `quantize`, `evaluate`; each
can be interrupted and started again.
"""

from __future__ import annotations

import csv
import json
import math
import multiprocessing as mp
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import Progress, track

from seehear.landmarks import FACE_POINTS, INDEX, LANDMARKS, LIP_POINTS, eye_distance
from seehear.sight.face_crops import CropSpec, normalise

from .face_warps import Maker

ROLES = ("face", "mouth")
CHOSEN = {"face": FACE_POINTS, "mouth": LIP_POINTS}


@dataclass
class VisionConfig:
    """Everything the landmark nets depend on; kept beside the weights."""

    seed: int = 7
    #: crop side in pixels, half width in eye distances, centre below the eyes in eye distances
    crops: dict[str, dict[str, float]] = field(
        default_factory=lambda: {
            "face": {"size": 80, "half": 1.7, "down": 0.5},
            "mouth": {"size": 64, "half": 0.75, "down": 0.0},
        }
    )
    shapes: dict[str, int] = field(default_factory=lambda: {"face": 20, "mouth": 24})
    #: channels, and residual blocks, at each halving of the resolution
    widths: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: {"face": (12, 24, 32, 48, 64), "mouth": (16, 32, 48, 48)}
    )
    blocks: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: {"face": (0, 1, 1, 1, 1), "mouth": (1, 1, 1, 1)}
    )
    hidden: int = 80
    #: examples made once per net, and how often each is seen
    examples: int = 60000
    epochs: int = 8
    batch: int = 128
    learning_rate: float = 2e-3
    #: labelled pictures of talkers with many clips: clips taken, and every how many-th picture
    most_clips: int = 90
    every: int = 3
    hold_out: tuple[str, ...] = ()
    ship_only: bool = True

    def crop(self, role: str) -> CropSpec:
        return CropSpec.of(self.crops[role])


# --- pictures -----------------------------------------------------------------------------------------------


def read_gray(path: Path) -> np.ndarray:
    """All pictures of a clip, uint8 (frames, height, width)."""
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def clips(data_root: Path, split: str, ship_only: bool = True) -> dict[str, list[str]]:
    """Talker -> clip keys (paths without ending, as in landmarks.npz) of one split of `av/`."""
    found: dict[str, list[str]] = {}
    with (data_root / "av" / "index.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["split"] == split and (row["ship"] == "yes" or not ship_only):
                folder = next(
                    (
                        f
                        for f in ("grid", "grid_hq")
                        if (data_root / "av" / f / row["speaker"] / f"{row['clip']}.mp4").exists()
                    ),
                    None,
                )
                if folder:
                    found.setdefault(row["speaker"], []).append(f"{folder}/{row['speaker']}/{row['clip']}")
    return found


def labelled(data_root: Path, cache: Path, split: str, config: VisionConfig) -> dict[str, np.ndarray]:
    """Gray pictures, points and talkers of a split, decoded once into `cache`.

    Returns arrays `pictures` uint8 (N, 160, 160), `points` float32 (N, 50, 2), `talker` str (N,).
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"faces-{split}-{config.most_clips}-{config.every}.npz"
    if not path.exists():
        marks = np.load(data_root / "av" / "landmarks.npz")
        if tuple(marks["index"]) != LANDMARKS:
            raise ValueError("landmarks.npz: its `index` is not seehear.landmarks.LANDMARKS")
        rows: dict[str, list[Any]] = {"pictures": [], "points": [], "talker": []}
        for talker, keys in track(clips(data_root, split, config.ship_only).items(), f"decode {split}"):
            many = len(keys) > 8
            for key in keys[:: max(1, round(len(keys) / config.most_clips))]:
                points = marks[key].astype(np.float32)
                pictures = read_gray(data_root / "av" / f"{key}.mp4")
                for i in range(0, min(len(points), len(pictures)), config.every if many else 1):
                    if np.isfinite(points[i]).all():
                        rows["pictures"].append(pictures[i])
                        rows["points"].append(points[i])
                        rows["talker"].append(talker)
        partial = path.with_suffix(".part.npz")
        arrays: dict[str, Any] = {name: np.array(values) for name, values in rows.items()}
        np.savez(partial, **arrays)
        partial.replace(path)
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def faceless(data_root: Path) -> list[np.ndarray]:
    """Gray stills without faces (instruments of the train split that may be shipped)."""
    found = []
    with (data_root / "instruments" / "index.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["kind"] == "image" and row["split"] == "train" and row["ship"] == "yes":
                picture = cv2.imread(str(data_root / "instruments" / row["file"]), cv2.IMREAD_GRAYSCALE)
                if picture is not None:
                    found.append(picture)
    return found


# --- examples -----------------------------------------------------------------------------------------------

_MAKER: Maker | None = None


def _start(role: str, config: VisionConfig, data_root: Path, cache: Path, split: str) -> None:
    global _MAKER
    cv2.setNumThreads(1)
    faces = labelled(data_root, cache, split, config)
    talkers = [t for t in np.unique(faces["talker"]) if t not in config.hold_out]
    groups = [np.flatnonzero(faces["talker"] == t) for t in talkers]
    # a talker of one clip shows little, one of a hundred much: weights by the fourth root of what there is
    weights = np.array([len(g) ** 0.25 for g in groups])
    _MAKER = Maker(
        role, config.crop(role), faces["pictures"], faces["points"], groups, weights, faceless(data_root)
    )


def _make(seed: int) -> tuple[np.ndarray, np.ndarray, bool, bool]:
    assert _MAKER is not None
    example = _MAKER.make(seed)
    return example.image, example.points.astype(np.float32), example.seen, example.labelled


def examples(
    role: str, config: VisionConfig, data_root: Path, cache: Path, split: str = "train", workers: int = 2
) -> dict[str, np.ndarray]:
    """`config.examples` examples for one net, made once into `cache`: images, points, seen, labelled."""
    labelled(data_root, cache, split, config)
    count = config.examples if split == "train" else 4000
    held = "-".join(config.hold_out)
    side = config.crop(role).size
    path = cache / f"examples-{role}{side}-{split}-{count}-{config.seed}-{held}.npz"
    if not path.exists():
        n = len(CHOSEN[role])
        images, points = np.empty((count, side, side), np.uint8), np.empty((count, n, 2), np.float32)
        seen, known = np.empty(count, bool), np.empty(count, bool)
        seeds = range(config.seed * 10_000_000, config.seed * 10_000_000 + count)
        with mp.get_context("spawn").Pool(workers, _start, (role, config, data_root, cache, split)) as pool:
            made = pool.imap(_make, seeds, chunksize=64)
            for i, row in enumerate(track(made, f"make {role} examples ({split})", total=count)):
                images[i], points[i], seen[i], known[i] = row
        partial = path.with_suffix(".part.npz")
        np.savez(partial, images=images, points=points, seen=seen, labelled=known)
        partial.replace(path)
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


@dataclass
class ShapeModel:
    """Points = mean + basis @ coefficients, coefficients of unit variance over the training examples.

    Why: the net's int8 output is spent where faces vary, and lips stay lips on people it has not seen.
    """

    mean: np.ndarray
    basis: np.ndarray

    @classmethod
    def fit(cls, points: np.ndarray, count: int) -> ShapeModel:
        flat = points.reshape(len(points), -1).astype(np.float64)
        mean = flat.mean(0)
        _, s, vt = np.linalg.svd(flat - mean, full_matrices=False)
        deviation = s[:count] / math.sqrt(len(flat))
        return cls(mean.astype(np.float32), (vt[:count].T * deviation).astype(np.float32))


# --- the nets -----------------------------------------------------------------------------------------------


def build(role: str, config: VisionConfig) -> Any:
    """Keras model: `x` (n, size, size, 1) -> [shape coefficients (n, k), score (n, 1) in 0..1]."""
    import keras
    from keras import layers

    def conv(x: Any, width: int, stride: int = 1, act: bool = True) -> Any:
        x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.97)(x)
        return layers.ReLU()(x) if act else x

    size = config.crop(role).size
    inputs = keras.Input((size, size, 1), name="x")
    x = inputs
    for width, blocks in zip(config.widths[role], config.blocks[role], strict=True):
        x = conv(x, width, 2)
        for _ in range(blocks):
            x = layers.ReLU()(layers.Add()([x, conv(x, width, act=False)]))
    x = layers.Flatten()(x)
    x = layers.Dense(config.hidden, activation="relu")(x)
    shape = layers.Dense(config.shapes[role], name="shape")(x)
    score = layers.Dense(1, activation="sigmoid", name="score")(x)
    return keras.Model(inputs, {"shape": shape, "score": score}, name=role)


#: least score to begin with, and to go on with; chosen on talkers held out of training, of whom one of dark
#: skin scored low
SCORES = {"face": {"threshold": 0.7, "keep": 0.4}, "mouth": {"threshold": 0.3, "keep": 0.1}}

#: lip distances the product uses, as (from, to) mesh pairs: the nets are asked to get these right, not only
#: the points
PAIRS = ((13, 14), (81, 178), (311, 402), (78, 308), (61, 291), (0, 17), (0, 13), (14, 17))

#: the same for the face: eye distance (its unit), and the chin
FACE_PAIRS = ((33, 263), (133, 362), (33, 362), (133, 263), (1, 152))

#: points that hair hides, so that nobody knows where they are
VAGUE = (234, 454, 10)


def _losses(role: str, model: ShapeModel) -> dict[str, Any]:
    from keras import ops

    mean, basis = ops.convert_to_tensor(model.mean), ops.convert_to_tensor(model.basis)
    chosen = CHOSEN[role]
    pairs = PAIRS if role == "mouth" else FACE_PAIRS
    first, second = ([chosen.index(INDEX[pair[k]]) for pair in pairs] for k in (0, 1))
    weight = np.array([[0.3 if LANDMARKS[i] in VAGUE else 1.0] for i in chosen], np.float32)

    def soft(e: Any) -> Any:  # quadratic near 0, then linear: teachers err too
        return ops.sqrt(ops.square(e) + 0.01**2) - 0.01

    def shape_loss(y_true: Any, y_pred: Any) -> Any:
        """y_true: points (n, 2p), then 1 where labelled."""
        points = mean + ops.matmul(y_pred, ops.transpose(basis))
        error = ops.reshape(points - y_true[:, :-1], (-1, len(chosen), 2))
        places = ops.mean(soft(error) * weight, (-1, -2))
        lengths = ops.mean(soft(ops.take(error, second, 1) - ops.take(error, first, 1)), (-1, -2))
        return y_true[:, -1] * (places + lengths) * 20

    return {"shape": shape_loss, "score": "binary_crossentropy"}


def _batches(
    data: Mapping[str, np.ndarray], config: VisionConfig, epoch: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    rng = np.random.default_rng((config.seed, epoch))
    order = rng.permutation(len(data["images"]))
    for i in range(0, len(order) - config.batch + 1, config.batch):
        rows = order[i : i + config.batch]
        x = data["images"][rows].astype(np.float32)
        x -= x.mean((1, 2), keepdims=True)
        x /= x.std((1, 2), keepdims=True) + 4.0
        if epoch:  # examples come again: never quite the same
            x *= rng.uniform(0.9, 1.1, (len(rows), 1, 1)).astype(np.float32)
            x += rng.normal(0, 0.05, x.shape).astype(np.float32)
        known = data["labelled"][rows].astype(np.float32)[:, None]
        target = np.concatenate([data["points"][rows].reshape(len(rows), -1), known], 1)
        yield (
            np.clip(x, -3, 3)[..., None],
            {"shape": target, "score": data["seen"][rows].astype(np.float32)[:, None]},
        )


def train(
    data_root: Path,
    out: Path,
    config: VisionConfig | None = None,
    cache: Path | None = None,
    workers: int = 2,
) -> dict[str, Any]:
    """Teach both nets; returns the last losses.

    Parameters
    ----------
    data_root : folder of the packs (with `av/` and `instruments/`).
    out : run folder; gets `vision.json` and per net `.keras`, `.shape.npz` and `.calibration.npy`. A net
        whose `.keras` file is there is not trained again; an interrupted one goes on from its last whole
        epoch.
    cache : where decoded pictures and examples are kept (default `out/cache`).
    """
    import keras

    config = config or VisionConfig()
    cache = cache or out / "cache"
    out.mkdir(parents=True, exist_ok=True)
    (out / "vision.json").write_text(json.dumps(asdict(config), indent=1) + "\n", encoding="utf-8")
    last: dict[str, Any] = {}
    for role in ROLES:
        final, partial, state = out / f"{role}.keras", out / f"{role}.part.keras", out / f"{role}.part.json"
        if final.exists():
            continue
        keras.utils.set_random_seed(config.seed)
        data = examples(role, config, data_root, cache, workers=workers)
        shape = ShapeModel.fit(data["points"][data["labelled"]], config.shapes[role])
        np.savez(out / f"{role}.shape.npz", mean=shape.mean, basis=shape.basis)
        np.save(out / f"{role}.calibration.npy", data["images"][:600])
        done = 0
        net = build(role, config)
        if partial.exists() and state.exists():
            net = keras.models.load_model(partial, compile=False)
            done = json.loads(state.read_text())["epoch"]
        steps = len(data["images"]) // config.batch
        total = steps * config.epochs
        net.compile(optimizer=keras.optimizers.Adam(config.learning_rate), loss=_losses(role, shape))
        with Progress() as progress:
            bar = progress.add_task(f"train {role}", total=total, completed=done * steps)
            for epoch in range(done, config.epochs):
                net.reset_metrics()
                losses: dict[str, Any] = {}
                for i, (x, y) in enumerate(_batches(data, config, epoch)):
                    at = epoch * steps + i
                    rate = min(1.0, at / 200) * 0.5 * (1 + math.cos(math.pi * at / total))
                    net.optimizer.learning_rate.assign(config.learning_rate * max(rate, 0.005))
                    losses = net.train_on_batch(x, y, return_dict=True)
                    progress.advance(bar)
                sums = {k: float(v) for k, v in losses.items()}
                net.save(partial)
                state.write_text(json.dumps({"epoch": epoch + 1, **sums}))
                progress.console.print(f"{role} epoch {epoch + 1}/{config.epochs}: {sums}")
                last[role] = sums
        partial.replace(final)
        state.unlink()
    return last


# --- int8 ---------------------------------------------------------------------------------------------------


def _inference(net: Any) -> Any:
    # a function of its own: a default argument would become part of the traced signature
    return lambda x: net(x, training=False)


def quantize(run: Path, out: Path) -> dict[str, Any]:
    """Convert both nets of a run to int8, calibrated on 600 of its training examples; returns the bundle's
    `vision` entry.

    Writes `face.tflite`, `mouth.tflite` and `spec.json` (the `vision` entry, as `FaceTracker` takes) to
    `out`.
    """
    import keras
    import tensorflow as tf

    config = VisionConfig(**json.loads((run / "vision.json").read_text(encoding="utf-8")))
    out.mkdir(parents=True, exist_ok=True)
    spec: dict[str, Any] = {"landmarks": list(LANDMARKS), "nets": {}}
    for role in ROLES:
        net = keras.models.load_model(run / f"{role}.keras", compile=False)
        size = config.crop(role).size
        archive = keras.export.ExportArchive()
        archive.track(net)
        archive.add_endpoint(
            role,
            _inference(net),
            input_signature=[tf.TensorSpec((1, size, size, 1), tf.float32, name="x")],
        )
        folder = run / f"{role}.saved"
        archive.write_out(str(folder), verbose=False)
        images = np.load(run / f"{role}.calibration.npy")
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[role])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda images=images, role=role: (
            (role, {"x": normalise(im)}) for im in images
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        (out / f"{role}.tflite").write_bytes(converter.convert())
        with np.load(run / f"{role}.shape.npz") as shape:
            spec["nets"][role] = {
                "graph": role,
                "crop": config.crops[role],
                "points": [LANDMARKS[i] for i in CHOSEN[role]],
                "mean": [round(float(v), 5) for v in shape["mean"]],
                "basis": [[round(float(v), 5) for v in row] for row in shape["basis"]],
                **SCORES[role],
            }
    (out / "spec.json").write_text(json.dumps(spec) + "\n", encoding="utf-8")
    return spec


# --- measuring ----------------------------------------------------------------------------------------------


def load_graphs(folder: Path) -> dict[str, Any]:
    """The two int8 nets of a folder as callables on float arrays, as `FaceTracker` takes them."""
    from seehear.runtime.tflite import Tensor, discover

    def graph(role: str) -> Any:
        content = (folder / f"{role}.tflite").read_bytes()
        interpreter = discover(content).interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        runner = interpreter.get_signature_runner(role)

        def tensor(d: Mapping[str, Any]) -> Tensor:
            return Tensor(d["index"], tuple(d["shape"]), np.dtype(d["dtype"]), *d["quantization"])

        x = tensor(runner.get_input_details()["x"])
        outputs = {name: tensor(d) for name, d in runner.get_output_details().items()}

        def run(values: np.ndarray, content: bytes = content) -> dict[str, np.ndarray]:
            interpreter.set_tensor(x.index, x.quantise(values))
            interpreter.invoke()
            return {name: t.dequantise(interpreter.get_tensor(t.index)) for name, t in outputs.items()}

        return run

    return {role: graph(role) for role in ROLES}


def _track_clip(job: tuple[Path, Path]) -> np.ndarray:
    import av

    from seehear.sight.face_tracker import FaceTracker

    cv2.setNumThreads(1)
    vision, path = job
    tracker = FaceTracker(load_graphs(vision), json.loads((vision / "spec.json").read_text(encoding="utf-8")))
    rows = []
    with av.open(str(path)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            found = tracker.track(frame.to_ndarray(format="rgb24"), i / 25)
            rows.append(np.full((len(LANDMARKS), 2), np.nan, np.float32) if found is None else found)
    return np.stack(rows)


def track_clips(vision: Path, root: Path, keys: list[str], workers: int = 1) -> dict[str, np.ndarray]:
    """Landmarks of clips `root/key.mp4` as the product finds them: key -> float32 (frames, 50, 2), NaN where
    no lips were found."""
    jobs = [(vision, root / f"{key}.mp4") for key in keys]
    with mp.get_context("spawn").Pool(workers) as pool:
        return dict(
            zip(keys, track(pool.imap(_track_clip, jobs, chunksize=2), "track", total=len(keys)), strict=True)
        )


def lip_distances(points: np.ndarray) -> np.ndarray:
    """The lip distances of `PAIRS` over the eye distance, tilt removed by taking lengths: (frames, 8) of
    (frames, 50, 2)."""
    first, second = ([INDEX[pair[k]] for pair in PAIRS] for k in (0, 1))
    return np.linalg.norm(points[:, second] - points[:, first], axis=-1) / eye_distance(points)[:, None]


def compare(
    found: Mapping[str, np.ndarray], teacher: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Tracked against teacher landmarks, per clip.

    Returns, per key: `seen` (share of pictures with landmarks), `error` (mean distance of the lip points over
    the eye distance), `opening` and `width` (correlation over time of inner lip opening and mouth width),
    `speed` (correlation of the opening's differences), `gain` (deviation of the opening, ours over the
    teacher's).
    """
    scores = {}
    for key, ours in found.items():
        theirs = np.asarray(teacher[key], np.float64)[: len(ours)]
        both = np.isfinite(ours[: len(theirs)]).all((1, 2)) & np.isfinite(theirs).all((1, 2))
        row = {"seen": float(both.mean())}
        if both.sum() > 10:
            a, b = ours[: len(theirs)][both].astype(np.float64), theirs[both]
            error = np.linalg.norm(a[:, LIP_POINTS] - b[:, LIP_POINTS], axis=-1).mean(1) / eye_distance(b)
            da, db = lip_distances(a), lip_distances(b)
            row |= {
                "error": float(error.mean()),
                "opening": float(np.corrcoef(da[:, 0], db[:, 0])[0, 1]),
                "width": float(np.corrcoef(da[:, 4], db[:, 4])[0, 1]),
                "speed": float(np.corrcoef(np.diff(da[:, 0]), np.diff(db[:, 0]))[0, 1]),
                "gain": float(da[:, 0].std() / db[:, 0].std()),
            }
        scores[key] = row
    return scores


def evaluate(
    vision: Path, data_root: Path, split: str = "valid", most: int = 24, workers: int = 1
) -> dict[str, dict[str, float]]:
    """Track clips of a split with the int8 nets and compare with the teacher; adds the means as key
    `mean`."""
    keys = [key for found in clips(data_root, split).values() for key in found[:most]]
    with np.load(data_root / "av" / "landmarks.npz") as teacher:
        scores = compare(track_clips(vision, data_root / "av", keys, workers), teacher)
    names = ("seen", "error", "opening", "width", "speed", "gain")
    scores["mean"] = {n: float(np.nanmean([row.get(n, np.nan) for row in scores.values()])) for n in names}
    return scores
