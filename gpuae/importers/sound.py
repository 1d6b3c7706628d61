"""Recordings (WAV) as rows: the spectrum of each short piece.

A window of N samples x slides over the recording. With w the Hann window, the amplitude of
frequency k·rate/N is c_k |Σ_n w_n x_n exp(−2πikn/N)| / Σ_n w_n, where c_k is 2, but 1 for k = 0 and
k = N/2: a sine of full scale has amplitude 1. Its level is 20 log₁₀ of it, at least −100 dB.
Source: A. Oppenheim, R. Schafer, "Discrete-Time Signal Processing", 3rd ed., chapter 10.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import named_files
from gpuae.importers.named_files import NamedFiles
from gpuae.importers.options import SoundOptions
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.concatenated import by_part
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

ENDINGS = (".wav", ".wave")
CUT = "make rows of its spectra by gpuae convert --sound {} spectra.h5"
FLOOR = 1e-5
"""Of amplitudes, below which levels do not fall: −100 dB, as little as 16 bits can tell."""
MOST_RATE = 10_000_000
"""Samples a second; more are not of sound."""
BYTES_OF_BYTE = 9
"""Of memory that a byte of a recording takes while it is read, with 8 bits a sample."""
_DAMAGED = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, NameError),
    struct.error,
)
"""What SciPy raises on damaged files; NameError for those without samples."""


def is_recording(head: bytes) -> bool:
    """Whether a file that begins with `head` is a WAV file."""
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"


def opened(path: Path) -> NamedFiles | InputFile:
    """Open a recording, or those that a folder holds or a pattern names.

    Raises
    ------
    InputError
        When there are none.
    """
    found = named_files.files_of(path, ENDINGS)
    if found is None and path.is_dir():
        raise InputError(
            f"{path}: is a folder without recordings, whose names end in {' or '.join(ENDINGS)}; "
            "give another one"
        )
    return found or InputFile(path)


@dataclass(frozen=True)
class Recording:
    """A recording in a file, and where windows lie in it."""

    path: Path
    name: str
    rate: int
    """Samples a second."""
    window: int
    """Samples of a window."""
    hop: int
    """Samples from one window to the next."""
    count: int
    """Of windows."""

    @classmethod
    def survey(cls, path: Path, name: str, options: SoundOptions) -> Recording:
        """Return a recording without its samples.

        Raises
        ------
        InputError
            For damaged files, and recordings that are shorter than a window.
        """
        rate, samples = read(path, options.rate)
        window, hop = round(options.window * rate), max(1, round(options.hop * rate))
        if window < 2:
            raise InputError(f"{path}: has {rate} samples a second; give a longer --window")
        if len(samples) < window:
            seconds = len(samples) / rate
            raise InputError(
                f"{path}: is {seconds:.3g} s long, shorter than a window of {options.window:g} s; "
                "give a shorter --window, or leave it out"
            )
        return cls(path, name, rate, window, hop, 1 + (len(samples) - window) // hop)

    def ids(self) -> Iterator[str]:
        """Yield the name of the file and the second at which each window begins."""
        return (f"{self.name} {row * self.hop / self.rate:.3f} s" for row in range(self.count))


class Spectra:
    """A `LazyRows` of spectra (n, window/2 + 1); one recording at a time is in memory."""

    rows_per_chunk = 1
    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, recordings: Sequence[Recording], options: SoundOptions) -> None:
        self._recordings, self._options = recordings, options
        self._ends = np.cumsum([own.count for own in recordings])
        self._hann = np.hanning(recordings[0].window + 1)[:-1]
        self.shape = (int(self._ends[-1]), recordings[0].window // 2 + 1)
        self._held: tuple[int, NDArray[Any]] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Compute some spectra.

        Raises
        ------
        InputError
            When a recording cannot be read.
        """
        start, stop, _ = rows.indices(len(self))
        block = np.empty((max(0, stop - start), self.shape[1]), self.dtype)
        for number, row, until in by_part(self._ends, start, stop):
            first = int(self._ends[number - 1]) if number else 0
            block[row - start : until - start] = self._spectra(number, row - first, until - first)
        return block

    def _spectra(self, number: int, start: int, stop: int) -> NDArray[Any]:
        own = self._recordings[number]
        windows = np.lib.stride_tricks.sliding_window_view(self._samples(number), own.window)
        pieces = windows[start * own.hop : (stop - 1) * own.hop + 1 : own.hop]
        found = np.abs(np.fft.rfft(pieces * self._hann)) * (2 / self._hann.sum())
        found[:, 0] /= 2
        if own.window % 2 == 0:
            found[:, -1] /= 2
        levels: NDArray[Any] = 20 * np.log10(np.maximum(found, FLOOR))
        return found if self._options.amplitude else levels

    def _samples(self, number: int) -> NDArray[Any]:
        if self._held is None or self._held[0] != number:
            self._held = None
            self._held = number, read(self._recordings[number].path, self._options.rate)[1]
        return self._held[1]


def read(path: Path, rate: int | None = None) -> tuple[int, NDArray[np.float32]]:
    """Return samples a second and the samples (n,), from −1 to 1, the mean of all channels.

    Parameters
    ----------
    rate
        Samples a second that they are brought to; None for as many as there are.

    Raises
    ------
    InputError
        For files that are no recordings, damaged or cut short.
    """
    own, values = _read(InputFile(path))
    if not 0 < own <= MOST_RATE or not values.size:
        raise InputError(f"{path}: has {values.size} samples, {own} a second; record it again")
    samples = _scaled(values)
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise InputError(f"{path}: holds samples that are no finite numbers; record it again")
    if rate is None or rate == own:
        return own, mono
    from scipy.signal import resample_poly

    common = math.gcd(rate, own)
    return rate, resample_poly(mono, rate // common, own // common).astype(np.float32)


def _read(file: InputFile) -> tuple[int, NDArray[Any]]:
    from scipy.io import wavfile

    if not is_recording(file.head):
        raise InputError(f"{file}: is no WAV file; convert it to WAV, such as by ffmpeg or sox")
    limits.check_memory(BYTES_OF_BYTE * file.size, str(file), "cut it into parts")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of what else is in the file
            warnings.filterwarnings("error", "Reached EOF")
            rate, values = wavfile.read(io.BytesIO(file.stream().read()))
    except (*_DAMAGED, wavfile.WavFileWarning) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InputError(f"{file}: cannot be read as WAV ({reason}); record it again") from None
    return int(rate), values


def _scaled(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples from −1 to 1; those of 24 bits are the upper ones of 32."""
    if values.dtype == np.uint8:
        values = (values - 128.0) / 128
    elif values.dtype.kind == "i":
        values = values / -float(np.iinfo(values.dtype).min)
    return values.astype(np.float32)


def load(path: Path, sound: SoundOptions, memory: int) -> Dataset:
    """Return the spectra of recordings as rows, with frequencies as the names of their columns.

    Files and times are the row ids; if all files lie in subfolders, their names are the labels.

    Parameters
    ----------
    memory
        Spectra that take no more bytes are computed at once, others when they are asked for.

    Raises
    ------
    InputError
        As `opened` and `read` say, and for recordings of different rates.
    """
    file = opened(path)
    files: tuple[Path, ...] = (file.path,)
    names: tuple[str, ...] = (file.name,)
    folders: tuple[str, ...] | None = None
    if isinstance(file, NamedFiles):
        files, names, folders = file.files, file.names, file.folders
    named = zip(files, names, strict=True)
    recordings = [Recording.survey(own, name, sound) for own, name in named]
    _check_rates(recordings)
    rows = Spectra(recordings, sound)
    limits.check_text(max(len(own.name) for own in recordings) + 16, len(rows), str(path))
    first, counts = recordings[0], [own.count for own in recordings]
    frequencies = np.arange(rows.shape[1]) * first.rate / first.window
    return Dataset(
        row_blocks.load_if_small(rows, memory),
        str(file),
        RowMetadata(
            y=None if folders is None else np.repeat(np.array(folders), counts),
            row_id=np.array([name for own in recordings for name in own.ids()]),
            feature_names=tuple(f"{frequency:.10g} Hz" for frequency in frequencies),
        ),
        file=file,
    )


def _check_rates(recordings: Sequence[Recording]) -> None:
    first = recordings[0]
    other = next((own for own in recordings if own.rate != first.rate), None)
    if other is not None:
        raise InputError(
            f"{first.path}: has {first.rate} samples a second and {other.name} {other.rate}; give "
            f"--rate {min(first.rate, other.rate)} to bring them to the same"
        )
