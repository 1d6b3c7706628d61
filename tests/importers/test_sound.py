"""Recordings as rows of spectra; the recordings are written by SciPy."""

import numpy as np
import pytest
from scipy.io import wavfile
from scipy.signal import ShortTimeFFT

from gpuae.errors import InputError
from gpuae.importers import ReadOptions, SoundOptions, open_data

RATE = 8000
TONE = np.sin(2 * np.pi * 1000 * np.arange(2000) / RATE)
NOISE = np.random.default_rng(0).normal(0, 0.1, 2000)


@pytest.fixture
def save(tmp_path):
    """A function that writes samples as WAV and returns the path of the file."""

    def save(samples, name="a.wav", rate=RATE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(path, rate, np.asarray(samples))
        return path

    return save


def spectra(spec, memory=None, **options):
    return open_data(str(spec), memory=memory, options=ReadOptions(sound=SoundOptions(**options)))


def refused(spec, words, **options):
    with pytest.raises(InputError, match=words) as caught:
        spectra(spec, **options)
    assert "\n" not in str(caught.value)


def test_spectra_are_those_of_scipy(save):
    dataset = spectra(save(NOISE.astype(np.float32)), amplitude=True)
    transform = ShortTimeFFT(np.hanning(201)[:-1], 80, RATE, scale_to="magnitude")
    expected = np.abs(transform.stft(NOISE.astype(np.float32), p0=0, p1=23, k_offset=100)).T
    expected[:, 1:-1] *= 2
    np.testing.assert_allclose(dataset.x, expected, atol=1e-6)
    assert dataset.x.shape == (23, 101)
    assert dataset.x.dtype == np.float32


def test_a_sine_of_full_scale_has_the_level_0_at_its_frequency(save):
    dataset = spectra(save(TONE.astype(np.float32)))
    column = dataset.feature_names.index("1000 Hz")
    np.testing.assert_allclose(dataset.x[:, column], 0, atol=1e-4)
    assert dataset.x.min() == -100
    assert dataset.row_id[:2].tolist() == ["a.wav 0.000 s", "a.wav 0.010 s"]
    np.testing.assert_allclose(spectra(save(TONE / 10)).x[:, column], -20, atol=1e-4)


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8"])
def test_samples_of_every_kind_are_the_same_sound(save, kind):
    dtype = np.dtype(kind)
    samples = TONE if dtype.kind == "f" else np.rint(TONE * np.iinfo(dtype).max)
    if kind == "u1":
        samples = np.rint(TONE * 127) + 128
    found = spectra(save(samples.astype(dtype)), amplitude=True).x
    exact = spectra(save(TONE, "b.wav"), amplitude=True).x
    np.testing.assert_allclose(found, exact, atol=0.02 if kind == "u1" else 1e-4)


def test_24_bits_are_read(tmp_path):
    import wave

    whole = np.rint(TONE * (2**23 - 1)).astype("<i4")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 3, RATE, 0, "NONE", ""))
        file.writeframes(whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    found = spectra(tmp_path / "a.wav", amplitude=True).x
    assert abs(found.max() - 1) < 1e-5


def test_channels_are_averaged(save):
    both = np.column_stack([TONE, NOISE]).astype(np.float32)
    found = spectra(save(both), amplitude=True).x
    mean = spectra(save(both.mean(axis=1), "b.wav"), amplitude=True).x
    np.testing.assert_allclose(found, mean, atol=1e-6)


def test_windows_lie_where_they_are_asked_for(save):
    dataset = spectra(save(NOISE), window=0.05, hop=0.1)
    assert dataset.x.shape == (3, 201)
    np.testing.assert_allclose(dataset.x[2], spectra(save(NOISE[1600:]), window=0.05).x[0])


def test_recordings_in_subfolders_are_rows_with_labels(save, tmp_path):
    save(TONE[:400], "rec/dog/b10.wav")
    save(TONE[:400], "rec/dog/b9.wav")
    save(NOISE[:200], "rec/cat/a.wav")
    (tmp_path / "rec/cat/notes.txt").write_text("words")
    dataset = spectra(tmp_path / "rec")
    assert dataset.y.tolist() == ["cat"] + ["dog"] * 6
    assert dataset.row_id[[0, 1, 4]].tolist() == [
        f"{name}.wav 0.000 s" for name in ("cat/a", "dog/b9", "dog/b10")
    ]
    lazy = spectra(tmp_path / "rec", memory=10).x
    assert not isinstance(lazy, np.ndarray)
    np.testing.assert_array_equal(lazy[2:6], dataset.x[2:6])
    np.testing.assert_array_equal(spectra(f"{tmp_path}/rec/dog/*.wav").x, dataset.x[1:])


def test_different_rates_are_refused_or_brought_to_one(save, tmp_path):
    save(TONE, "rec/a.wav")
    fine = np.sin(2 * np.pi * 1000 * np.arange(4000) / 16_000)
    save(fine, "rec/b.wav", rate=16_000)
    refused(tmp_path / "rec", "a.wav: has 8000 samples a second and b.wav 16000; give --rate 8000")
    dataset = spectra(tmp_path / "rec", rate=RATE)
    column = dataset.feature_names.index("1000 Hz")
    inner = [row for row in range(len(dataset.x)) if row % 23 not in (0, 22)]
    np.testing.assert_allclose(dataset.x[inner, column], 0, atol=0.05)


def test_what_cannot_be_rows_is_refused_in_a_sentence(save, tmp_path):
    path = save(TONE.astype(np.float32))
    refused(path, "is 0.25 s long, shorter than a window of 1 s", window=1.0)
    refused(path, "give a longer --window", window=1e-4)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    refused(path, "cannot be read as WAV|holds fewer")
    path.write_bytes(content.replace(b"data", b"none"))
    refused(path, "cannot be read as WAV")
    path.write_bytes(content[:30])
    refused(path, "cannot be read as WAV")
    path.write_bytes(b"words")
    refused(path, "is no WAV file; convert it to WAV")
    refused(save(np.array([np.nan] * 500)), "no finite numbers")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "is a folder without recordings, whose names end in .wav")
    refused("digits", "leave --sound out")


def test_a_recording_that_is_not_said_to_be_one_is_told_how(save):
    path = save(TONE)
    with pytest.raises(InputError, match=r"is a recording; .* gpuae convert --sound .*a.wav"):
        open_data(str(path))
