"""The enhancer as its callers see it: lengths, delays, all roads alike, a face as an offer, never a risk."""

from __future__ import annotations

import pickle
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import seehear
from seehear import Enhancer, Placement
from seehear.bundle import Bundle
from seehear.errors import (
    BoardError,
    BundleError,
    InputError,
    MediaError,
    MissingExtraError,
    RuntimeUnavailableError,
    StateError,
)
from seehear.events import Event
from seehear.landmarks import LANDMARKS

Landmarks = Callable[[float], np.ndarray]
MakeVideo = Callable[..., Path]


def stream(enhancer: Enhancer, samples: np.ndarray, sizes: int | list[int]) -> np.ndarray:
    """All of `samples` through `process` in blocks of the given sizes, over and over."""
    sizes = [sizes] if isinstance(sizes, int) else sizes
    out, begin, i = [], 0, 0
    while begin < len(samples):
        block = samples[begin : begin + sizes[i % len(sizes)]]
        out.append(enhancer.process(block))
        assert len(out[-1]) == len(block) and out[-1].dtype == block.dtype
        begin, i = begin + len(block), i + 1
    return np.concatenate(out)


def stream_with_face(
    enhancer: Enhancer, samples: np.ndarray, landmarks: Landmarks, early: float = 0.0
) -> np.ndarray:
    """Blocks of 10 ms with an image every 40 ms, shown `early` seconds before its time is over."""
    out, image = [], 0
    for begin in range(0, len(samples), 160):
        while image / 25 <= begin / 16000 + early:
            enhancer.see_landmarks(landmarks(image / 25), image / 25)
            image += 1
        out.append(enhancer.process(samples[begin : begin + 160]))
    return np.concatenate(out)


def test_any_block_size_gives_the_same_samples(model: Bundle, noisy: np.ndarray) -> None:
    expected = stream(Enhancer.load(model), noisy, 160)
    assert np.abs(expected).max() > 0.01
    for sizes in (64, 65, 161, 480, 8193, len(noisy), [1, 1000, 7]):
        np.testing.assert_array_equal(stream(Enhancer.load(model), noisy, sizes), expected)


def test_offline_equals_streaming(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model)
    live = np.concatenate([stream(enhancer, noisy, 480), enhancer.flush()])
    offline = enhancer.enhance(noisy, 16000)
    assert len(offline) == len(noisy)
    np.testing.assert_array_equal(offline, live[enhancer.latency :][: len(noisy)])


@pytest.mark.parametrize("delay", [0.0, 80.0])
def test_offline_equals_streaming_with_a_face(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks, delay: float
) -> None:
    enhancer = Enhancer.load(model, visual_delay_ms=delay)
    padded = np.concatenate([noisy, np.zeros(enhancer.latency, np.float32)])
    live = stream_with_face(enhancer, padded, landmarks, early=0.01)[enhancer.latency :]
    assert enhancer.face_state == "seen" and enhancer.stats["faces"] > 40
    timed = [(i / 25, landmarks(i / 25)) for i in range(51)]
    np.testing.assert_array_equal(enhancer.enhance(noisy, 16000, timed, visual_delay_ms=delay), live)
    assert enhancer.visual_delay_ms == delay
    # pictures that no face was found in stand as None
    np.testing.assert_array_equal(
        enhancer.enhance(noisy, 16000, [(t, None) for t, _ in timed]), enhancer.enhance(noisy, 16000)
    )


def test_pictures_from_long_before_the_sound_do_no_harm(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    enhancer = Enhancer.load(model)
    refused: list[float] = []
    early = [(i / 25, landmarks(i / 25)) for i in range(-500, 51)]
    enhancer.enhance(noisy, 16000, early, on_hop=lambda e: refused.append(e.stats["images_refused"]))
    assert not any(refused)


def test_a_face_changes_the_sound_and_opens_the_gate(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    enhancer = Enhancer.load(model)
    alone = stream(enhancer, noisy, 160)
    assert enhancer.gate == 0 and enhancer.face_state == "none"
    enhancer.reset()
    with_face = stream_with_face(enhancer, noisy, landmarks)
    assert 0 < enhancer.gate <= 1 and enhancer.face_state == "seen"
    assert np.abs(with_face - alone).max() > 1e-4


def test_closed_gate_is_sound_alone_bit_for_bit(
    model: Bundle, audio_only_model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    alone = stream(Enhancer.load(audio_only_model), noisy, 160)
    enhancer = Enhancer.load(model)
    np.testing.assert_array_equal(stream(enhancer, noisy, 160), alone)
    enhancer.reset()
    np.testing.assert_array_equal(
        stream_with_face(enhancer, noisy, lambda t: np.full((50, 2), np.nan)), alone
    )
    assert enhancer.face_state == "no_face" and enhancer.gate == 0
    # a face that is there and then lost: equal again once the gate has closed and the window has passed
    enhancer.reset()
    lost = stream_with_face(enhancer, noisy, lambda t: landmarks(t) if t < 1 else np.full((50, 2), np.nan))
    assert np.abs(lost[:16000] - alone[:16000]).max() > 1e-4
    np.testing.assert_array_equal(lost[24000:], alone[24000:])


def test_no_more_images_ends_as_sound_alone(model: Bundle, noisy: np.ndarray, landmarks: Landmarks) -> None:
    enhancer = Enhancer.load(model)
    alone = stream(enhancer, noisy, 160)
    enhancer.reset()
    for i in range(12):
        enhancer.see_landmarks(landmarks(i / 25), i / 25)
    silent_camera = stream(enhancer, noisy, 160)
    assert enhancer.face_state == "late"
    np.testing.assert_array_equal(silent_camera[16000:], alone[16000:])


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_every_rate_keeps_length_and_place(model: Bundle, rate: int) -> None:
    enhancer, plain = Enhancer.load(model, rate=rate), Enhancer.load(model)
    for each in (enhancer, plain):
        each.scheduler.set_invoke(lambda graph: False)  # all masks 1
    t = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * t) * np.hanning(rate)).astype(np.float32)
    for result in (enhancer.enhance(tone, rate), plain.enhance(tone, rate)):
        assert len(result) == len(tone)
        # only the resamplers are left: in step and nearly exact
        assert np.abs(result - tone).max() < 0.01
    delayed = stream(enhancer, tone, 333)
    np.testing.assert_allclose(delayed[enhancer.latency :], tone[: -enhancer.latency], atol=0.01)


def test_int16_in_int16_out(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model)
    as_float = enhancer.enhance(noisy, 16000)
    as_int = enhancer.enhance((noisy * 32768).round().astype(np.int16), 16000)
    assert as_int.dtype == np.int16
    # rounding the input moves a few int8 features by a step, so single samples may differ by more than the rounding
    assert np.sqrt(np.mean((as_int / 32768 - as_float) ** 2)) < 1e-3
    assert enhancer.process(noisy.astype(np.float64)).dtype == np.float64


def test_strange_sound_gives_finite_sound(model: Bundle) -> None:
    enhancer = Enhancer.load(model)
    np.testing.assert_allclose(enhancer.enhance(np.zeros(16000, np.float32), 16000), 0, atol=1e-6)
    broken = np.random.default_rng(0).uniform(-1, 1, 16000).astype(np.float32)
    broken[::100] = np.nan
    broken[50::100] = np.inf
    broken[25::100] = 1e30
    assert np.isfinite(enhancer.process(broken)).all()
    stats = enhancer.stats
    assert (stats["nonfinite_samples"], stats["clamped_samples"]) == (320, 160)
    square = np.where(np.arange(16000) // 40 % 2, 32767, -32768).astype(np.int16)
    assert enhancer.enhance(square, 16000).dtype == np.int16
    for length in (0, 1, 7):
        assert len(enhancer.enhance(np.ones(length, np.float32), 16000)) == length


def test_stereo_is_mixed_offline(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model)
    stereo = np.stack([2 * noisy, np.zeros_like(noisy)], 1)
    np.testing.assert_array_equal(enhancer.enhance(stereo, 16000), enhancer.enhance(noisy, 16000))


def test_repeats_are_identical_and_reset_forgets(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    enhancer = Enhancer.load(model)
    first = stream_with_face(enhancer, noisy[:8000], landmarks)
    for _ in range(20):
        enhancer.reset()
        assert enhancer.stats["images"] == 0 and enhancer.face_state == "none"
        np.testing.assert_array_equal(stream_with_face(enhancer, noisy[:8000], landmarks), first)


def test_latency_is_where_an_impulse_comes_out(model: Bundle) -> None:
    for rate in (16000, 48000):
        enhancer = Enhancer.load(model, rate=rate, strength=0.0)
        impulse = np.zeros(rate // 4, np.float32)
        impulse[1000] = 0.5
        assert np.argmax(np.abs(stream(enhancer, impulse, 123))) == 1000 + enhancer.latency
        enhancer = Enhancer.load(model, rate=rate)
        enhancer.scheduler.set_invoke(lambda graph: False)  # through the whole chain, with all masks 1
        assert np.argmax(np.abs(stream(enhancer, impulse, 123))) == 1000 + enhancer.latency
    assert Enhancer.load(model).latency == 319


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_hop_sized_blocks_lag_a_hop_less(model: Bundle, rate: int) -> None:
    hop = rate // 100
    enhancer = Enhancer.load(model, rate=rate, block=2 * hop)
    assert enhancer.latency < Enhancer.load(model, rate=rate).latency - 0.9 * hop
    assert Enhancer.load(model, block=160).latency == 160
    enhancer.scheduler.set_invoke(lambda graph: False)
    impulse = np.zeros(rate // 4 // hop // 2 * 2 * hop, np.float32)
    impulse[1000] = 0.5
    assert np.argmax(np.abs(stream(enhancer, impulse, 2 * hop))) == 1000 + enhancer.latency
    # a recording may have any length, and any rate
    assert len(enhancer.enhance(impulse[:1001], 22050)) == 1001


def test_hop_sized_blocks_give_the_same_sound(model: Bundle, noisy: np.ndarray) -> None:
    fast, any_block = Enhancer.load(model, block=160), Enhancer.load(model)
    early = np.concatenate([stream(fast, noisy, 160), fast.flush()])
    late = np.concatenate([stream(any_block, noisy, 333), any_block.flush()])
    np.testing.assert_array_equal(early[160:], late[319:])
    np.testing.assert_array_equal(fast.enhance(noisy, 16000), any_block.enhance(noisy, 16000))


def test_blocks_other_than_load_was_told_are_refused(model: Bundle) -> None:
    enhancer = Enhancer.load(model, block=320)
    with pytest.raises(InputError, match="expected blocks of 320 samples as `load` was told, got 160"):
        enhancer.process(np.zeros(160, np.float32))
    for arguments, sentence in (
        ({"block": 100}, "block must be a multiple of the hop, 160 samples at 16000 Hz, got 100"),
        ({"block": 220, "rate": 22050}, r"block: a hop is 220\.5 samples at 22050 Hz"),
        ({"block": 0}, "block: expected a number of samples, or None for blocks of any size, got 0"),
        ({"block": 160.0}, "block: expected a number of samples"),
    ):
        with pytest.raises(InputError, match=sentence):
            Enhancer.load(model, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("block", [None, 1])
def test_strength_zero_is_the_sound_itself(model: Bundle, rate: int, block: int | None) -> None:
    size = rate // 100
    enhancer = Enhancer.load(model, rate=rate, strength=0.0, block=None if block is None else size)
    sound = np.random.default_rng(0).uniform(-1, 1, 30 * size)
    for samples in (sound.astype(np.float32), (32767 * sound).astype(np.int16)):
        enhancer.reset()
        out = np.concatenate([stream(enhancer, samples, size), enhancer.flush()])
        np.testing.assert_array_equal(out[enhancer.latency :], samples)
        np.testing.assert_array_equal(enhancer.enhance(samples, rate), samples)


def test_flush_gives_the_rest(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model)
    padded = np.concatenate([noisy, np.zeros(enhancer.latency, np.float32)])
    expected = stream(enhancer, padded, 160)
    enhancer.reset()
    np.testing.assert_array_equal(np.concatenate([stream(enhancer, noisy, 160), enhancer.flush()]), expected)


def test_images_from_many_threads_are_all_counted(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    enhancer = Enhancer.load(model)
    alive = threading.Event()

    def camera(number: int) -> None:
        for i in range(200):
            enhancer.see_landmarks(landmarks(i / 25), i / 250 + number / 1000)
            alive.set()

    threads = [threading.Thread(target=camera, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    alive.wait(5)
    for begin in range(0, len(noisy), 160):
        assert np.isfinite(enhancer.process(noisy[begin : begin + 160])).all()
    for thread in threads:
        thread.join()
    assert enhancer.stats["images"] == enhancer.stats["faces"] == 800


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ([0.0, 1.0], "got list"),
        (np.zeros((10, 2), np.float32), r"got shape \(10, 2\)"),
        (np.zeros(10, np.int32), "int16, float32 or float64, got int32"),
        (np.zeros(10, np.complex64), "got complex64"),
    ],
)
def test_wrong_blocks_are_one_sentence(model: Bundle, block: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Enhancer.load(model).process(block)


def test_wrong_settings_are_one_sentence(model: Bundle) -> None:
    for arguments, sentence in (
        ({"rate": 4000}, "rate: expected a whole number from 8000 to 48000 Hz, got 4000"),
        ({"rate": 44100.5}, "rate: expected a whole number"),
        ({"strength": 1.5}, "strength must be 0 to 1, got 1.5"),
        ({"floor_db": 3}, "floor_db must be -80 to 0, got 3"),
        ({"visual_delay_ms": -1}, "visual_delay_ms must be 0 to 500, got -1"),
        ({"strength": "much"}, "strength must be a number, got 'much'"),
        ({"board": "toaster"}, "Board 'toaster' is not known"),
    ):
        with pytest.raises((InputError, BundleError, BoardError), match=sentence):
            Enhancer.load(model, **arguments)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.float32),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 10), np.uint8),
        np.zeros(10, np.uint8),
        "x.png",
    ],
)
def test_wrong_images_are_one_sentence(model: Bundle, image: np.ndarray) -> None:
    with pytest.raises(InputError, match="image: expected uint8"):
        Enhancer.load(model).see(image, 0.0)


def test_what_sound_libraries_hand_over_comes_back_in_kind(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model)
    samples = (noisy * 32768).round().astype(np.int16)
    expected = np.concatenate([stream(enhancer, samples, 160), enhancer.flush()])
    assert expected.dtype == np.int16
    as_pyaudio = samples.tobytes()
    for whole in (as_pyaudio, bytearray(as_pyaudio), memoryview(as_pyaudio)):
        enhancer.reset()
        assert enhancer.process(whole) + enhancer.flush() == expected.tobytes()
    as_sounddevice = noisy[:, None]
    for dtype in (np.float32, np.float64):
        enhancer.reset()
        alone = np.concatenate([enhancer.process(noisy.astype(dtype)), enhancer.flush()])
        enhancer.reset()
        column = np.concatenate([enhancer.process(as_sounddevice.astype(dtype)), enhancer.flush()])
        assert alone.dtype == column.dtype == dtype and column.shape == (len(alone), 1)
        np.testing.assert_array_equal(column[:, 0], alone)
    with pytest.raises(InputError, match="expected bytes of int16 samples, two each, got 3"):
        enhancer.process(b"odd")


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_result_may_go_into_an_array_of_the_callers(model: Bundle, noisy: np.ndarray, dtype: type) -> None:
    blocks = (noisy[:1600] * (32767 if dtype == np.int16 else 1)).astype(dtype).reshape(10, 160)
    expected = stream(Enhancer.load(model), blocks.reshape(-1), 160)
    enhancer, out = Enhancer.load(model), np.empty(160, dtype)
    for block, wanted in zip(blocks, expected.reshape(10, 160), strict=True):
        assert enhancer.process(block, out) is out and np.array_equal(out, wanted)
    enhancer.reset()
    for block, wanted in zip(blocks.copy(), expected.reshape(10, 160), strict=True):
        assert enhancer.process(block, out=block) is block and np.array_equal(block, wanted)


def test_an_array_that_does_not_fit_the_result_is_one_sentence(model: Bundle, noisy: np.ndarray) -> None:
    enhancer, block = Enhancer.load(model), noisy[:160].astype(np.float32)
    frozen = np.empty(160, np.float32)
    frozen.flags.writeable = False
    wrong = (
        np.empty(159, np.float32),
        np.empty(160),
        np.empty((160, 1), np.float32),
        frozen,
        b"",
        [0.0] * 160,
    )
    for out in (*wrong, np.empty(320, np.float32)[::2]):
        with pytest.raises(InputError, match="out"):
            enhancer.process(block, out)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="out"):
        enhancer.process(block.tobytes()[:320], np.empty(160, np.int16))
    assert enhancer.now == 0


def test_the_length_of_a_frame_is_a_hop_or_what_load_was_told(model: Bundle) -> None:
    lengths = {16000: 160, 44100: 441, 11025: 111}
    assert {rate: Enhancer.load(model, rate=rate).frame_length for rate in lengths} == lengths
    assert Enhancer.load(model, block=480).frame_length == 480


def test_arrays_from_another_process_are_taken(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model)
    for dtype in (np.int16, np.float32, np.float64):
        block = pickle.loads(pickle.dumps(noisy.astype(dtype)))
        assert enhancer.process(block).dtype == dtype


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.complex64, np.bool_])
def test_recordings_of_other_dtypes_are_refused_in_any_shape(model: Bundle, dtype: type) -> None:
    enhancer = Enhancer.load(model)
    for shape in ((1000,), (1000, 1), (1000, 2)):
        with pytest.raises(InputError, match="expected samples as int16, float32 or float64, got"):
            enhancer.enhance(np.zeros(shape, dtype), 16000)


def test_recordings_use_images_as_old_as_the_model_was_made_for(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    enhancer = Enhancer.load(model)
    assert enhancer.visual_delay_ms == model.manifest["visual"]["delay_ms"] == 80
    timed = [(i / 25, landmarks(i / 25)) for i in range(51)]
    made_for = enhancer.enhance(noisy, 16000, timed)
    np.testing.assert_array_equal(made_for, enhancer.enhance(noisy, 16000, timed, visual_delay_ms=80))
    assert np.abs(made_for - enhancer.enhance(noisy, 16000, timed, visual_delay_ms=0)).max() > 1e-4


def test_a_whole_face_mesh_will_do(model: Bundle, noisy: np.ndarray, landmarks: Landmarks) -> None:
    def mesh(t: float, points: int, coordinates: int) -> np.ndarray:
        whole = np.full((points, coordinates), np.nan)
        whole[list(LANDMARKS), :2] = landmarks(t)
        return whole

    enhancer = Enhancer.load(model)
    expected = stream_with_face(enhancer, noisy, landmarks)
    assert enhancer.face_state == "seen"
    for points, coordinates in ((468, 2), (468, 3), (478, 3)):
        enhancer.reset()
        got = stream_with_face(enhancer, noisy, lambda t, p=points, c=coordinates: mesh(t, p, c))  # type: ignore[misc]
        np.testing.assert_array_equal(got, expected)


def test_a_time_of_another_clock_is_told_once(model: Bundle, noisy: np.ndarray, landmarks: Landmarks) -> None:
    told: list[Event] = []
    enhancer = Enhancer.load(model, on_event=told.append)
    face = landmarks(0)
    assert not any(enhancer.see_landmarks(face, t) for t in (1.7e9, 1.01, -5.0))
    assert enhancer.stats["images_refused"] == enhancer.stats["images"] == 3
    assert list(enhancer.events) == told and [(e.kind, e.seconds) for e in told] == [("image_time", 0.0)]
    assert told[0].reason == (
        "t is 1.7e9 s ahead of the sample clock: give seconds since the first sample after load or reset"
    )
    enhancer.reset()
    assert not enhancer.see_landmarks(face, -5.0)
    assert "t is 5 s behind the sample clock" in told[1].reason
    stream_with_face(enhancer, noisy, landmarks)
    assert enhancer.face_state == "seen" and len(told) == 2


def test_an_event_may_reset(model: Bundle, landmarks: Landmarks) -> None:
    enhancer = Enhancer.load(model)
    enhancer.on_event = lambda event: enhancer.reset()
    assert not enhancer.see_landmarks(landmarks(0), 1.7e9)


def test_an_image_that_waited_during_a_reset_is_of_the_old_clock(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    enhancer = Enhancer.load(model)
    enhancer.process(noisy[:8000])
    lock = enhancer._vision_lock

    class ResetMeanwhile:
        def __enter__(self) -> None:
            enhancer._vision_lock = lock
            enhancer.reset()
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()

    enhancer._vision_lock = ResetMeanwhile()  # type: ignore[assignment]
    assert not enhancer.see_landmarks(landmarks(0.5), 0.5)
    assert enhancer.stats["images_queued"] == 0 and not enhancer.events


def test_wrong_landmarks_and_times_are_one_sentence(model: Bundle) -> None:
    enhancer = Enhancer.load(model)
    with pytest.raises(InputError, match="expected 50 points"):
        enhancer.see_landmarks(np.zeros((68, 2)), 0.0)
    with pytest.raises(InputError, match="t: expected seconds"):
        enhancer.see_landmarks(None, float("nan"))
    for t in ("now", None, 1j, True, 10**400, np.zeros(2), float("inf")):
        with pytest.raises(InputError, match="t: expected seconds on the sample clock, got"):
            enhancer.see_landmarks(None, t)  # type: ignore[arg-type]
    for points in (np.zeros((50, 2), complex), np.full((50, 2), "x"), np.zeros(100), "face", [[1], [1, 2]]):
        with pytest.raises(InputError, match="expected 50 points"):
            enhancer.see_landmarks(points, 0.0)  # type: ignore[arg-type]
    assert not enhancer.see_landmarks(None, 0.0)


def test_audio_only_model_takes_no_images(audio_only_model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(audio_only_model)
    assert enhancer.gate == 0
    with pytest.raises(InputError, match="audio-only model"):
        enhancer.see(np.zeros((10, 10), np.uint8), 0.0)
    with pytest.raises(InputError, match="audio-only model"):
        enhancer.enhance(noisy, 16000, [])


def test_video_may_be_shorter_longer_or_broken(
    model: Bundle, noisy: np.ndarray, make_video: MakeVideo
) -> None:
    pytest.importorskip("cv2")
    enhancer = Enhancer.load(model)
    alone = enhancer.enhance(noisy, 16000)
    for name, times in (
        ("short.mp4", np.arange(5) / 25),
        ("long.mp4", np.arange(100) / 25),
        ("vfr.mp4", [0, 0.3, 0.31, 1.9]),
    ):
        result = enhancer.enhance(noisy, 16000, make_video(name, times=times))
        np.testing.assert_array_equal(result, alone)  # the clip shows no face
    with pytest.raises(MediaError, match="no such file"):
        enhancer.enhance(noisy, 16000, "none.mp4")
    np.testing.assert_array_equal(enhancer.enhance(noisy, 16000), alone)


def test_missing_opencv_is_named_and_sound_goes_on(
    model: Bundle, noisy: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    enhancer = Enhancer.load(model)
    with pytest.raises(MissingExtraError, match=r"seehear\[camera\]"):
        enhancer.see(np.zeros((100, 100), np.uint8), 0.0)
    assert len(enhancer.process(noisy)) == len(noisy)


def test_context_manager_and_exports(model: Bundle, noisy: np.ndarray) -> None:
    with seehear.Enhancer.load(model) as enhancer:
        assert len(enhancer.process(noisy)) == len(noisy)
    assert set(seehear.__all__) <= set(dir(seehear))
    assert seehear.__version__ and "default" in seehear.available_models()
    with pytest.raises(AttributeError):
        seehear.Enhencer  # noqa: B018


def test_a_closed_enhancer_says_so(model: Bundle, noisy: np.ndarray, landmarks: Landmarks) -> None:
    with Enhancer.load(model, runtime="tflite") as enhancer:
        enhancer.process(noisy)
        graph = weakref.ref(enhancer.invoker.graphs[0])
    enhancer.close()
    assert graph() is None
    for call in (
        lambda: enhancer.process(noisy), enhancer.flush, enhancer.reset, lambda: enhancer.enhance(noisy, 16000),
        lambda: enhancer.see(np.zeros((9, 9), np.uint8), 0.0), lambda: enhancer.see_landmarks(None, 0.0),
        lambda: enhancer.place(Placement()), lambda: enhancer.process_faces(noisy), enhancer.warm_up,
        lambda: enhancer.see_mouth(np.zeros((48, 48), np.uint8), 0.0),
        lambda: next(enhancer.enhance_blocks([noisy], 16000)),
    ):  # fmt: skip
        with pytest.raises(StateError, match="this enhancer is closed: load another"):
            call()
    assert (
        enhancer.stats["hops"] == 200
        and enhancer.latency == enhancer.delay_sample == 319
        and enhancer.face_state == "none"
    )


@pytest.mark.parametrize(("rate", "block"), [(16000, 160), (16000, None), (48000, 480), (44100, None)])
def test_a_program_written_for_koala_runs(model: Bundle, rate: int, block: int | None) -> None:
    """Frames of `frame_length`, of which the output is `delay_sample` samples late; then `delete`."""
    enhancer = Enhancer.load(model, rate=rate, strength=0, block=block)
    frame, delay = enhancer.frame_length, enhancer.delay_sample
    sound = np.random.default_rng(3).uniform(-0.1, 0.1, 20 * frame).astype(np.float32)
    out = np.concatenate([enhancer.process(each) for each in sound.reshape(20, frame)])
    np.testing.assert_array_equal(out[delay:], sound[: len(sound) - delay])
    enhancer.delete()
    with pytest.raises(StateError, match="closed"):
        enhancer.process(sound[:frame])


def test_a_hop_in_flight_survives_close(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model, runtime="tflite")
    run = enhancer.invoker.runs[0]

    def close_meanwhile() -> None:
        run()
        enhancer.close()

    enhancer.invoker.runs[0] = close_meanwhile
    assert np.isfinite(enhancer.process(noisy[:1600])).all()
    with pytest.raises(StateError):
        enhancer.process(noisy[:1600])


def test_a_recording_keeps_other_threads_out_between_its_hops(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model)
    expected = enhancer.enhance(noisy, 16000)
    refused: list[BaseException] = []

    def other() -> None:
        for call in (
            lambda: enhancer.process(noisy[:160]), enhancer.flush, enhancer.reset,
            lambda: enhancer.enhance(noisy, 16000),
        ):  # fmt: skip
            try:
                call()
            except StateError as error:
                refused.append(error)

    def on_hop(_: Enhancer) -> None:
        if not refused:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()

    np.testing.assert_array_equal(enhancer.enhance(noisy, 16000, on_hop=on_hop), expected)
    assert len(refused) == 4 and "one thread at a time" in str(refused[0])
    assert len(enhancer.process(noisy)) == len(noisy)


def test_failing_graph_passes_the_sound_through(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model)
    enhancer.scheduler.set_invoke(lambda graph: False)
    delayed = stream(enhancer, noisy, 160)
    np.testing.assert_allclose(delayed[enhancer.latency :], noisy[: -enhancer.latency], atol=1e-5)
    assert enhancer.stats["audio_failures"] == enhancer.stats["hops"] == 200


def test_unknown_runtime_is_one_sentence(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEHEAR_RUNTIME", "abacus")
    with pytest.raises(RuntimeUnavailableError, match="SEEHEAR_RUNTIME: expected one of"):
        Enhancer.load(model)
