"""The hash of a file that is computed while the file is used."""

from __future__ import annotations

import secrets
from concurrent.futures import Future
from threading import Thread

from gpuae.storage.files.input_file import DIGEST_BYTES, Input, check_unchanged
from gpuae.storage.files.many_files import ManyFiles


class BackgroundHash:
    """The SHA-256 of a file, computed in a thread of its own, or of several files in one thread.

    Attributes
    ----------
    placeholder
        Stands for the hash until it is known: as many hexadecimal digits, drawn at random.
    parts
        The hashes of several files, which are computed one after the other before that of all.
    """

    def __init__(self, file: Input, *, start: bool = True) -> None:
        self.file = file
        self.placeholder = secrets.token_hex(DIGEST_BYTES)
        self._found: Future[str] = Future()
        several = file.parts if isinstance(file, ManyFiles) else ()
        self.parts = tuple(BackgroundHash(part.file, start=False) for part in several)
        if start:
            self._start()

    def _start(self) -> None:
        try:
            Thread(target=self._compute, daemon=True).start()
        except RuntimeError:  # the system has no more threads
            self._compute()

    @property
    def all(self) -> tuple[BackgroundHash, ...]:
        """The hash itself, and after it those of its parts."""
        return (self, *self.parts)

    @property
    def known(self) -> bool:
        """Whether `result` need not wait."""
        return self._found.done()

    def result(self) -> str:
        """Return the hash, in hexadecimal, as soon as it is known.

        Raises
        ------
        InputError
            When the file could not be read, or has changed since it was opened.
        """
        return self._found.result()

    def _compute(self) -> None:
        for part in self.parts:
            part._compute()
        try:
            self._found.set_result(self._digest())
        except BaseException as error:
            self._found.set_exception(error)

    def _digest(self) -> str:
        digest = self.file.sha256
        check_unchanged(self.file)
        return digest
