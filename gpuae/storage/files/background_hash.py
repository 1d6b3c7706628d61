"""The hash of a file that is computed while the file is used."""

from __future__ import annotations

import secrets
from concurrent.futures import Future
from threading import Thread

from gpuae.storage.files.input_file import DIGEST_BYTES, Input, check_unchanged


class BackgroundHash:
    """The SHA-256 of a file, computed in a thread of its own.

    Attributes
    ----------
    placeholder
        Stands for the hash until it is known: as many hexadecimal digits, drawn at random.
    """

    def __init__(self, file: Input) -> None:
        self.file = file
        self.placeholder = secrets.token_hex(DIGEST_BYTES)
        self._found: Future[str] = Future()
        try:
            Thread(target=self._compute, daemon=True).start()
        except RuntimeError:  # the system has no more threads
            self._compute()

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
        try:
            self._found.set_result(self._digest())
        except BaseException as error:
            self._found.set_exception(error)

    def _digest(self) -> str:
        digest = self.file.sha256
        check_unchanged(self.file)
        return digest
