"""Members of zip archives that nobody vouches for: no more is unpacked than they declare."""

from __future__ import annotations

import zipfile

METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Ways of packing of which Python unpacks a part at a time. Of the others it unpacks all that it
has read, which a few bytes can make endless."""


def check_packing(info: zipfile.ZipInfo) -> None:
    """Refuse a member that is packed in a way that cannot be unpacked in parts.

    Raises
    ------
    NotImplementedError
        As `zipfile` does for ways of packing that it does not know.
    """
    if info.compress_type not in METHODS:
        raise NotImplementedError(f"{info.filename} is packed neither by deflate nor not at all")


def content_of(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the content of a member.

    Raises
    ------
    NotImplementedError
        As `check_packing` does.
    zipfile.BadZipFile
        When it is damaged.
    """
    info = archive.getinfo(name)
    check_packing(info)
    with archive.open(info) as member:
        return member.read(info.file_size)  # without a number it unpacks gigabytes beyond that
