"""Builds a release into dist/, looks into it, and runs the quick tests with each Python.

    python -m release.run [--tag v1.2.3] [--no-tests | --here] [PYTHON ...]

Further Pythons than those on the path can be named. It needs git, a network, and the packages build
and twine; it publishes nothing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from release import contents, installed, pythons
from release.source import ROOT, ReleaseError, check_tag, committed, project, supported

DIST = ROOT / "dist"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The version of the Python that runs this."""


def main() -> None:
    """Make it, or say in one sentence each what is wrong and exit with 1."""
    asked = _arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="gpuae-release-") as folder:
            _release(asked, Path(folder))
    except ReleaseError as error:
        sys.exit(f"release: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"release: {' '.join(map(str, error.cmd))} ended with {error.returncode}")
    except KeyboardInterrupt:
        sys.exit("release: interrupted")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help="a program, or its path")
    parser.add_argument("--tag", help="of the commit, which has to be this version's")
    tests = parser.add_mutually_exclusive_group()
    tests.add_argument("--no-tests", action="store_true", help="build and look into it, no more")
    tests.add_argument("--here", action="store_true", help="test with this Python alone")
    return parser.parse_args()


def _release(asked: argparse.Namespace, folder: Path) -> None:
    source = committed(folder / "source")
    facts = project(source)
    if asked.tag is not None:
        changelog = (source / "CHANGELOG.md").read_text("utf-8")
        check_tag(asked.tag, str(facts["version"]), changelog)
    sdist, wheel = _built(source, folder)
    print(f"built {sdist.relative_to(ROOT)} and {wheel.relative_to(ROOT)}, as they have to be")
    if asked.here:
        _test(sdist, wheel, folder, *pythons.find([HERE], [sys.executable]))
    elif not asked.no_tests:
        versions = supported(facts["classifiers"])
        _test(sdist, wheel, folder, *pythons.find(versions, asked.pythons))


def _built(source: Path, folder: Path) -> tuple[Path, Path]:
    """Build both, the wheel from the source distribution, and refuse what is not as meant."""
    files = contents.files_of(source)
    made = folder / "dist"
    _run("build", "--outdir", str(made), str(source))
    (sdist,), (wheel,) = made.glob("*.tar.gz"), made.glob("*.whl")
    _run("build", "--wheel", "--outdir", str(folder), str(source))
    problems = contents.sdist_problems(sdist, files) + contents.wheel_problems(wheel, files)
    for path in contents.unlike(wheel, folder / wheel.name):
        problems.append(f"{path}: is another one in a wheel that is made from the commit itself")
    if problems:
        raise ReleaseError("\n".join(problems))
    _run("twine", "check", "--strict", str(sdist), str(wheel))
    DIST.mkdir(exist_ok=True)
    return Path(shutil.copy(sdist, DIST)), Path(shutil.copy(wheel, DIST))


def _test(
    sdist: Path, wheel: Path, folder: Path, found: dict[str, str], missing: list[str]
) -> None:
    tree = installed.unpack_tests(sdist, folder / "tests")
    failed = []
    for version, program in found.items():
        print(f"testing the wheel with Python {version}: {program}", flush=True)
        python = installed.install(program, wheel, folder / f"python{version}")
        if not installed.passes(python, tree):
            failed.append(version)
    for version in missing:
        print(f"not tested: there is no python{version}; name one with PYTHONS=")
    if failed or not found:
        raise ReleaseError(f"the tests failed with Python {', '.join(failed) or '(none found)'}")
    print(f"the wheel passed its tests with Python {', '.join(found)}")


def _run(module: str, *words: str) -> None:
    """Run a program of Python's; what it prints is of interest where it fails."""
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(f"{module} {words[0]} ended with {done.returncode}:\n{done.stdout}")


if __name__ == "__main__":
    main()
