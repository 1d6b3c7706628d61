"""What computes: a device, threads of the CPU, and how much memory data may take there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from gpuae.memory import data_memory


class Settings(Protocol):
    """Settings that say what computes, with memory as a person writes it."""

    @property
    def device(self) -> str:
        """As `--device` has it."""
        ...

    @property
    def threads(self) -> int | None:
        """Of the CPU."""
        ...

    @property
    def memory(self) -> str | None:
        """Such as `2GB`."""
        ...


@dataclass(frozen=True)
class Machine:
    """What computes.

    Attributes
    ----------
    device
        As `--device` has it.
    threads
        Of the CPU; None: all its cores.
    memory
        Bytes of data in files that may be in memory; None: as many as suit this machine.
    """

    device: str = "auto"
    threads: int | None = None
    memory: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what settings say."""
        return cls(settings.device, settings.threads, data_memory(settings.memory))


ANY = Machine()
"""Whatever is found to suit."""
