"""What is in a wheel and in a source distribution, compared with what is in the commit.

Sources: PyPA, Binary distribution format, "File Contents"; Source distribution format.
"""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

PACKAGES = {"gpuae": "gpuae", "kernels": "gpuae/kernels"}
"""Where the folders of the commit are in a wheel."""
ADDED = {
    "METADATA",
    "RECORD",
    "WHEEL",
    "entry_points.txt",
    "licenses/LICENSE",
    "top_level.txt",
}
"""What a wheel has beside the package."""
SHARED = {"man/gpuae.1": "data/share/man/man1/gpuae.1"}
"""Where files of the commit are that an installation puts beside Python's packages."""
OF_THE_BUILD = ("PKG-INFO", "setup.cfg", "gpuae.egg-info")
"""What setuptools adds to a source distribution."""
OF_THE_CHECKOUT = (".gitignore", ".github")
"""What only a checkout has a use for."""
ANYWHERE = "py3-none-any.whl"
"""How the name of a wheel ends that is for every system: nothing in it is compiled."""


def files_of(folder: Path) -> set[str]:
    """Return all files below a folder by their paths in it."""
    return {own.relative_to(folder).as_posix() for own in folder.rglob("*") if own.is_file()}


def wheel_problems(wheel: Path, source: set[str]) -> list[str]:
    """Return what is wrong with a wheel that was made from files of these names."""
    own = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    wanted = {
        f"{PACKAGES[top]}/{rest}"
        for top, _, rest in (name.partition("/") for name in source)
        if top in PACKAGES
    }
    beside = f"{own.removesuffix('.dist-info')}.data"
    wanted |= {f"{beside}/{place}" for name, place in SHARED.items() if name in source}
    with ZipFile(wheel) as archive:
        found = set(archive.namelist())
    problems = _differences(wheel.name, found, wanted | {f"{own}/{name}" for name in ADDED})
    if not wheel.name.endswith(ANYWHERE):
        problems.append(f"{wheel.name}: is not for every system, as {ANYWHERE} would be")
    return problems


def sdist_problems(sdist: Path, source: set[str]) -> list[str]:
    """Return what is wrong with a source distribution that was made from files of these names."""
    wanted = {name for name in source if not name.startswith(OF_THE_CHECKOUT)}
    with tarfile.open(sdist) as archive:
        members = (member for member in archive if not member.isdir())
        found = {"/".join(PurePosixPath(member.name).parts[1:]) for member in members}
    added = {name for name in found if name.startswith(OF_THE_BUILD)}
    return _differences(sdist.name, found - added, wanted)


def _differences(name: str, found: set[str], wanted: set[str]) -> list[str]:
    lacking = [f"{name}: lacks {path}" for path in sorted(wanted - found)]
    return lacking + [f"{name}: has {path}, which is not meant" for path in sorted(found - wanted)]


def unlike(one: Path, other: Path) -> list[str]:
    """Return the files by which two wheels differ."""
    ours, theirs = _hashes(one), _hashes(other)
    return sorted(own for own in ours.keys() | theirs.keys() if ours.get(own) != theirs.get(own))


def _hashes(wheel: Path) -> dict[str, str]:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names}
