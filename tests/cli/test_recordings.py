"""gpuae convert --sound: recordings in, a data set of spectra out, or one sentence."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused
from scipy.io import wavfile


@pytest.fixture
def recording(gpuae):
    samples = np.random.default_rng(0).integers(-9000, 9000, 4000).astype(np.int16)
    wavfile.write("a.wav", 8000, samples)


def test_a_recording_becomes_spectra_that_can_be_trained_on(gpuae, recording):
    done = gpuae("convert", "--sound", "a.wav", "s.h5", "--window", "32ms", "--hop", "0.008s")
    assert done.code == 0, done.err
    with h5py.File("s.h5") as file:
        assert file["data/x"].shape == (59, 129)
        made = json.loads(file.attrs["provenance_json"])
    assert made["options"] == {"sound": "yes", "window": "32ms", "hop": "8ms"}
    assert made["sources"][0]["name"] == "a.wav"
    fit = gpuae("fit", "s.h5", "-o", "m.h5", "--hidden", 4, "--epochs", 1)
    assert fit.code == 0, fit.err


def test_a_folder_of_recordings_becomes_spectra_and_says_so_where_rows_are_meant(gpuae, recording):
    Path("a folder").mkdir()
    for name in ("1.wav", "2.wav"):
        Path("a folder", name).write_bytes(Path("a.wav").read_bytes())
    refused(gpuae("fit", "a folder", "-o", "m.h5"), "gpuae convert --sound a folder spectra.h5")
    done = gpuae("convert", "a folder", "s.h5", "--sound")
    assert done.code == 0, done.err
    assert done.out.startswith("wrote 96 rows of 101 float32 columns")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--window", "25ms"), "--window is for recordings; give --sound too"),
        (("--sound", "--window", "25"), "such as 25ms or 0.5s"),
        (("--sound", "--hop", "0ms"), "such as 25ms or 0.5s"),
        (("--sound", "--rate", 0), "range"),
        (("--sound", "--patches", "8x8"), "--patches is for images and --sound for recordings"),
        (("--sound", "--grey"), "--grey is for images and --sound for recordings"),
        ((), "is a recording; make rows of its spectra"),
    ],
)
def test_options_that_make_no_sense(gpuae, recording, options, words):
    refused(gpuae("convert", "a.wav", "s.h5", *options), words)
    assert not Path("s.h5").exists()
