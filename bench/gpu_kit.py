"""Makes .gpu/, which a checkout takes along to a machine with a GPU and without a network.

    python bench/gpu_kit.py [--python 3.12] [--machine x86_64] [--lacks NAME ...]

It holds wheels of packages that the other machine lacks, MNIST if it is at hand, and the commit;
then it says what to run there. It is to be made again after each commit. It needs pip, git and a
network here, but no GPU.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / ".gpu"
LACKING = ("pydantic", "scipy-openblas32", "setuptools>=77")
"""What machines with NumPy, Numba, CuPy, PyTorch and the like lack most often."""
EVERYTHING = "everything"
GLIBC = ("2_17", "2_27", "2_28")
COMMANDS = (
    ("smoke", "3 to 6 minutes: does it run, is it right, and about how fast; read this first"),
    ("bench", "4 to 6 minutes: kernels and encoding beside copies, cases beside PyTorch and JAX"),
    ("compiled", "up to 9 minutes: cases beside torch.compile too, which compiles for minutes"),
    ("sanitize", "3 to 9 minutes: compute-sanitizer over the kernels"),
    ("tests", "up to 9 minutes: all other tests that touch a GPU"),
    ("sweep", "5 to 9 minutes: where the GPU pays, and what more CPU threads bring"),
    ("profile", "2 to 5 minutes: the time of each node of a step's graph, by ncu"),
)


def requirements(lacks: list[str]) -> list[str]:
    """Return what to download: what was named, or all that the project and its tests need."""
    if lacks != [EVERYTHING]:
        return lacks
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    tests = [own for own in optional["dev"] if own.startswith(("pytest", "hypothesis"))]
    return [*project["dependencies"], *optional["cuda13"], *tests, "setuptools>=77"]


def download(wanted: list[str], python: str, machine: str) -> None:
    """Download wheels, with what they need in turn, for another machine."""
    shutil.rmtree(KIT / "wheels", ignore_errors=True)
    platforms = [f"manylinux_{own}_{machine}" for own in GLIBC] + [f"manylinux2014_{machine}"]
    target = [option for own in platforms for option in ("--platform", own)]
    target += ["--python-version", python, "--implementation", "cp", "--only-binary", ":all:"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    subprocess.run([*pip, *target, "--dest", str(KIT / "wheels"), *wanted], check=True)


def copy_mnist() -> None:
    """Take MNIST along, if it is where the tests would look for it."""
    data = Path(os.environ.get("GPUAE_DATA", ROOT.parent / "shared" / "data")) / "mnist"
    files = sorted(data.glob("*.gz"))
    (KIT / "data" / "mnist").mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, KIT / "data" / "mnist" / file.name)
    if not files:
        print(f"no MNIST in {data} (GPUAE_DATA): images will be made up", file=sys.stderr)


def write_commit() -> str:
    """Write down the commit, for which the other machine may have nobody to ask."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    (KIT / "commit").write_text(done.stdout)
    return done.stdout.strip()


def main() -> None:
    """Make the folder and print the commands."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", default="3.12", help="of the other machine [default: 3.12]")
    parser.add_argument("--machine", default="x86_64", help="x86_64 or aarch64")
    parser.add_argument(
        "--lacks",
        nargs="+",
        default=list(LACKING),
        metavar="NAME",
        help=f"packages to take along, or `{EVERYTHING}` (1 GB) [default: {', '.join(LACKING)}]",
    )
    asked = parser.parse_args()
    KIT.mkdir(exist_ok=True)
    download(requirements(asked.lacks), asked.python, asked.machine)
    copy_mnist()
    made = write_commit()
    size = sum(own.stat().st_size for own in KIT.rglob("*") if own.is_file())
    print(f"{KIT}: {size / 2**20:.0f} MiB, commit {made}")
    print("Copy the checkout with .gpu/ in it to the other machine, and run there, in this order:")
    for part, what in COMMANDS:
        print(f"  python3 bench/gpu_check.py {part:10s} # {what}")
    print("Each ends by itself and leaves gpu-check/PART.tar.gz, which is what to bring back.")


if __name__ == "__main__":
    main()
