"""What the process does in which HDF5 reads a file.

Run as a program of its own it reads what its standard input is, and answers on standard output.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable

import h5py

from gpuae.storage.hdf5 import process
from gpuae.storage.hdf5.answers import Answers, PositionedFile
from gpuae.storage.hdf5.channel import Channel


def reading(descriptor: int, seconds: float) -> Callable[[Channel], None]:
    """Return what answers questions about an open file, each within so many seconds."""

    def serve(channel: Channel) -> None:
        answers = Answers(lambda: h5py.File(PositionedFile(descriptor), "r", locking=False))
        process.questions(channel, answers, seconds)

    return serve


def main(given: str) -> None:
    """Answer for standard input; `given` are the memory, the seconds, and whether with plugins."""
    memory, seconds, with_plugins = json.loads(given)
    if with_plugins:
        import hdf5plugin  # noqa: F401
    channel = Channel(socket.socket(fileno=sys.stdout.fileno()), process.RESTING_SECONDS)
    process.answer(channel, sys.stdin.fileno(), reading(sys.stdin.fileno(), seconds), memory)


if __name__ == "__main__":
    main(sys.argv[1])
