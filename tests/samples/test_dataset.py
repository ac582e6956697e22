"""From a microphone and a camera to the features that trainings read, and out of them again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from samples.giving import WHO, record, web

from seehear.media.audio_files import read_audio
from seehear.samples import delete, push
from seehear.samples.client import pending

corpus = pytest.importorskip("seehear_convert.data.corpus")
cli = pytest.importorskip("seehear_convert.cli")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of a face, of a second."""
    pytest.importorskip("cv2")
    pytest.importorskip("skimage")
    av = pytest.importorskip("av")
    from seehear.demo import talking_head

    path = tmp_path_factory.mktemp("video") / "face.mp4"
    still = talking_head.portrait()
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = talking_head.SIDE
        video.pix_fmt, video.bit_rate = "yuv420p", 2_000_000
        for n in range(25):
            picture = talking_head.speaking_face(still, float(0.3 - 0.3 * np.cos(n / 4)), 0.0)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
    return path.read_bytes()


def prepared(stored: Path, out: Path) -> dict[str, object]:
    """Clips of the store that `seehear-convert prepare` makes of the server's folder."""
    assert cli.main(["prepare", "--samples", str(stored), "-o", str(out)]) == 0
    return {clip.id: clip for clip in corpus.Store(out).clips}


def test_what_was_recorded_and_given_is_in_the_features_and_what_was_deleted_is_not(
    kept: Path, stored: Path, tmp_path: Path, url: str, pictures: bytes
) -> None:
    out = tmp_path / "store"
    manifests = [record(kept, seconds=1, pictures=pictures, seed=seed) for seed in range(2)]
    first, second = push(kept, web(url), consent=WHO)
    assert set(prepared(stored, out)) == {f"samples/{first.sample}", f"samples/{second.sample}"}
    store = corpus.Store(out)
    clip = next(clip for clip in store.clips if clip.id.endswith(first.sample))
    manifest = next(path for path in manifests if path.stem == first.recording)
    heard = corpus.high_pass(read_audio(manifest.with_suffix(".wav")).samples)
    np.testing.assert_allclose(store.sound(clip), heard, atol=1e-3)
    assert np.isfinite(store.lips[clip.id][:, 0]).mean() > 0.8
    assert clip.ship and clip.kind == "speech" and WHO not in json.dumps([vars(each) for each in store.clips])
    assert len({each.talker for each in store.clips}) == 1
    delete(kept, first.recording, web(url))
    assert set(prepared(stored, out)) == {f"samples/{second.sample}"} and pending(kept) == {}
    assert [path.name for path in (out / "tracks").iterdir()] == [f"samples__{second.sample}.npy"]


def test_half_an_upload_and_what_nobody_agreed_to_are_no_clips(
    kept: Path, stored: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record(kept, seconds=60)

    def stop(_: str, done: int, __: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(kept, web(url), consent=WHO, on_progress=stop)
    assert list(stored.rglob("*.part")) and corpus.read_samples(stored) == []
    assert corpus.read_samples(stored) == []
    (pushed,) = push(kept, web(url))
    assert len(corpus.read_samples(stored)) == 1
    manifest = stored / pushed.sample / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "upload": told["consent"]}))
    assert corpus.read_samples(stored) == [] and "left out samples/" in capsys.readouterr().out
