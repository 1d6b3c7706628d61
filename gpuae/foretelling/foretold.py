"""What is foretold of a command."""

from __future__ import annotations

from dataclasses import dataclass

from gpuae.memory import available_memory, resident_memory


@dataclass(frozen=True)
class Foretold:
    """What a command will take.

    Attributes
    ----------
    seconds
        In all; at most, where training may stop early.
    memory
        Bytes that are resident at most.
    output
        Bytes of the file.
    epochs
        Of training; 0 where nothing is trained.
    may_stop_early
        Whether there may be fewer.
    """

    seconds: float
    memory: int
    output: int
    epochs: int = 0
    may_stop_early: bool = False

    @property
    def fits(self) -> bool:
        """Whether this machine has the memory now."""
        return self.memory <= available_memory() + resident_memory()
