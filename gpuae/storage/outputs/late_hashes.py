"""Hashes that a new file is to hold and that are not known yet when it is begun."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpuae.storage.file_format import Attribute
from gpuae.storage.files.background_hash import BackgroundHash
from gpuae.storage.files.output_file import OutputFile


@dataclass(frozen=True)
class LateAttributes:
    """Root attributes with placeholders of hashes that are still being computed."""

    values: Mapping[str, Attribute]
    hashes: Sequence[BackgroundHash] = ()

    def complete(self) -> dict[str, Attribute]:
        """Return them with the hashes, for which this waits."""
        return {
            name: completed(value.encode(), self.hashes).decode()
            if isinstance(value, str)
            else value
            for name, value in self.values.items()
        }


def completed(content: bytes, hashes: Sequence[BackgroundHash]) -> bytes:
    """Return bytes with hashes in place of their placeholders."""
    for late in hashes:
        content = content.replace(late.placeholder.encode(), late.result().encode())
    return content


def complete_file(file: OutputFile, begun: bytes, hashes: Sequence[BackgroundHash]) -> None:
    """Write hashes over their placeholders in a file that was begun with these bytes.

    Raises
    ------
    RuntimeError
        When the file does not hold a placeholder where it was written.
    """
    for late in hashes:
        placeholder, found = late.placeholder.encode(), late.result().encode()
        for place in re.finditer(placeholder, begun):
            if file.read(place.start(), len(placeholder)) != placeholder:
                raise RuntimeError(f"{file.name} was changed at byte {place.start()}")
            file.write(memoryview(found), place.start())
