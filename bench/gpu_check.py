"""Checks gpuae on a machine with a GPU, part by part, and leaves what each part found.

    python bench/gpu_check.py [PART ...] [--only NAME ...] [--seconds 540] [--out gpu-check]
    python bench/gpu_check.py --list

A part ends by itself after --seconds, whatever it has come to, and leaves PART.tar.gz: a log of
each check and results.json, which are written anew after each, so that nothing is lost. The parts
come in order of worth; smoke says in a few minutes whether the others make sense. The machine needs
no network: this checkout is installed, for these checks alone, with the wheels that
bench/gpu_kit.py has put into .gpu/, if any. The exit code is 1 if a check failed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / ".gpu"
SECONDS = 540
SHORTEST = 10
"""Seconds without which a check is not begun."""
SHOWN = 12
"""Lines of a log that are shown."""
SITE = Path(tempfile.gettempdir()) / f"gpuae-check-{os.getuid()}"
"""Where this checkout is installed for these checks, and nobody else's."""
PYTHON = (sys.executable, "-P")
GPUAE = (*PYTHON, "-m", "gpuae")
PYTEST = (*PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short")
PYTEST += ("-W", "default")  # of versions that this machine happens to have
PYTEST += ("-o", f"pythonpath={SITE} . tests/kernels tests/damage {SITE}")
# what is installed is looked at first, whichever end pytest begins with: the kernels are there
SOME = "cuda and (41x132 or 17x33 or 33x17x65 or 5x8 or 5001) and float32 and not gathering"
AGREEMENT = "tests/backends/test_agreement.py"
BENCH = ("--no-sweep", "--json")
CASES = ("sparse", "small", "big", "deep", "denoise", "topk")
PROFILED = ("sparse", "deep")


@dataclass(frozen=True)
class Check:
    """A command.

    Attributes
    ----------
    seconds
        After which it is ended.
    needs
        A program without which it is left out.
    keeps
        Whether its output is JSON, to be kept among the results.
    """

    part: str
    name: str
    seconds: int
    command: tuple[str, ...]
    needs: str = sys.executable
    keeps: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def checks(device: str) -> Iterator[Check]:
    """Yield all checks, part by part, the most telling first."""
    own, gpu = ("--device", device), {"GPUAE_TEST_GPU": "1"}
    script = (*PYTHON, "bench/gpu_probe.py", *own)
    yield Check("smoke", "machine", 30, ("nvidia-smi",), needs="nvidia-smi")
    yield Check("smoke", "packages", 60, (*PYTHON, "-m", "pip", "list"))
    yield Check("smoke", "doctor", 60, (*GPUAE, "doctor", "--json"), keeps=True)
    yield Check("smoke", "probe", 90, script)
    yield Check("smoke", "fits", 150, (*PYTHON, "bench/gpu_fits.py", *own))
    team = (*PYTEST, "tests/training/test_gpu_team.py")
    yield Check("smoke", "team", 120, team, environment=gpu)
    yield Check("smoke", "agreement", 200, (*PYTEST, AGREEMENT, "-k", "cuda"), environment=gpu)
    quick = (*GPUAE, "bench", *own, "--rounds", "3", "--seconds", "3", *BENCH)
    yield Check("smoke", "quick", 120, quick, keeps=True)
    kernels = (*PYTHON, "bench/gpu_kernels.py", *own, "--json")
    yield Check("bench", "kernels", 90, kernels, keeps=True)
    encode = (*PYTHON, "bench/gpu_encode.py", *own, "--json")
    yield Check("bench", "encode", 60, encode, keeps=True)
    peers = (*PYTHON, "bench/gpu_peers.py", *own, "--json")
    for case in CASES:
        yield Check("bench", f"peers-{case}", 90, (*peers, case), keeps=True)
    for case in CASES:
        run = (*GPUAE, "bench", "--case", case, *own, "--peers", "--rounds", "5", "--seconds", "8")
        yield Check("compiled", case, 300, (*run, *BENCH), keeps=True)
    for tool in ("memcheck", "racecheck"):
        sanitizer = ("compute-sanitizer", "--tool", tool, "--error-exitcode", "7")
        run = (*sanitizer, "--report-api-errors", "no", *PYTEST, AGREEMENT, "-k", SOME)
        plain = {**gpu, "GPUAE_PLAIN_MEMORY": "1"}
        yield Check("sanitize", tool, 260, run, needs="compute-sanitizer", environment=plain)
    rest = "(cuda or gpu) and not test_agreement and not test_gpu_team"
    tests = (*PYTEST, "-m", "not long", "-k", rest)
    yield Check("tests", "tests", SECONDS, tests, environment=gpu)
    sweep = (*GPUAE, "bench", "--case", "small", "--json")
    yield Check("sweep", "sweep", 300, sweep, keeps=True)
    yield Check("sweep", "threads", 240, (*PYTHON, "bench/threads.py", *_threads()), keeps=True)
    for case in PROFILED:
        yield Check("profile", f"nodes-{case}", 150, _profiled(case, device), needs="ncu")


def _threads() -> list[str]:
    cores = os.cpu_count() or 1
    return [str(1 << power) for power in range(cores.bit_length()) if 1 << power <= cores]


def _profiled(case: str, device: str) -> tuple[str, ...]:
    """Return what times each node of some steps' graphs, when everything has been compiled."""
    ncu = ("ncu", "--graph-profiling", "node", "--metrics", "gpu__time_duration.sum", "--csv")
    ncu += ("--clock-control", "none", "--cache-control", "none")
    ncu += ("--launch-skip", "150", "--launch-count", "60")
    return (*ncu, *PYTHON, "bench/gpu_probe.py", "--device", device, "--steps-of", case)


@dataclass
class Part:
    """The checks of a part, and what has been found so far."""

    name: str
    out: Path
    ends: float
    results: dict[str, Any]

    def run(self, check: Check) -> None:
        """Run a check in what is left of the time, say what came of it, and keep it."""
        print(f"{self.name}: {check.name} …", end=" ", flush=True)
        left = min(check.seconds, self.ends - time.monotonic())
        if shutil.which(check.needs) is None:
            found = {"passed": None, "why": f"{check.needs} is not installed"}
        elif left < SHORTEST:
            found = {"passed": None, "why": f"no time was left: --only {check.name} runs it alone"}
        else:
            found = self._run(check, left)
        self.results["checks"][check.name] = found
        self._keep()
        said = {True: "passed", False: "FAILED", None: "left out"}[found["passed"]]
        print(f"{said}, {found.get('seconds', 0)} s  {found.get('why', '')}", flush=True)
        for line in found.get("last_lines", []):
            print(f"    {line[:200]}", flush=True)

    def _run(self, check: Check, seconds: float) -> dict[str, Any]:
        began, folder = time.monotonic(), self.out / self.name
        answer, log = folder / f"{check.name}.json", folder / f"{check.name}.log"
        with log.open("w") as said, answer.open("w") as answered:
            code = ended(check, seconds, answered if check.keeps else said, said)
        took = round(time.monotonic() - began, 1)
        found: dict[str, Any] = {"passed": code == 0, "exit": code, "seconds": took}
        with suppress(ValueError):
            return {**found, "found": json.loads(answer.read_text())}
        answer.unlink()
        return {**found, "last_lines": log.read_text(errors="replace").splitlines()[-SHOWN:]}

    def _keep(self) -> None:
        folder = self.out / self.name
        (folder / "results.json").write_text(json.dumps(self.results, indent=1))
        archive = self.out / f"{self.name}.tar.gz"
        made = archive.with_suffix(".made")
        with tarfile.open(made, "w:gz") as file:
            file.add(folder, arcname=self.name)
        made.replace(archive)


def ended(check: Check, seconds: float, output: IO[str], log: IO[str]) -> int:
    """Run a command and all that it starts to the end, or end them; 124 says that time was up."""
    process = subprocess.Popen(
        check.command,
        stdout=output,
        stderr=log,
        cwd=ROOT,
        env={**environment(), **check.environment},
        start_new_session=True,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def environment() -> dict[str, str]:
    """Return what commands run with."""
    before = os.environ.get("PYTHONPATH")
    data = {"GPUAE_DATA": str(KIT / "data")} if (KIT / "data").is_dir() else {}
    path = os.pathsep.join([str(SITE), *([before] if before else [])])
    return {
        **data,
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def install() -> Check:
    """Return what installs this checkout and the kit's wheels, with no network."""
    pip = (*PYTHON, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--upgrade")
    wheels = tuple(str(own) for own in sorted((KIT / "wheels").glob("*.whl")))
    text = (
        "import subprocess, sys\n"
        f"pip, wheels = {pip!r}, {wheels!r}\n"
        f"into = ('--target', {str(SITE)!r})\n"
        "if wheels: subprocess.run([*pip, *into, *wheels], check=True)\n"
        f"subprocess.run([*pip, *into, '--no-build-isolation', {str(ROOT)!r}], check=True)\n"
    )
    return Check("", "install", 150, (*PYTHON, "-c", text))


def commit() -> str:
    """Return the commit of the checkout, marked where files differ from it."""
    if (KIT / "commit").is_file():
        return (KIT / "commit").read_text().strip()
    if shutil.which("git") is None:
        return "unknown"
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() or "unknown"


def run_part(name: str, chosen: list[Check], out: Path, seconds: float) -> bool:
    """Run the checks of a part; return whether none failed."""
    (out / name).mkdir(parents=True, exist_ok=True)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    made = {"date": now, "commit": commit(), "python": platform.python_version()}
    part = Part(name, out, time.monotonic() + seconds, {**made, "part": name, "checks": {}})
    part.run(install())
    if part.results["checks"]["install"]["passed"]:
        for check in chosen:
            part.run(check)
    print(f"{name}: kept in {out / name}.tar.gz", flush=True)
    return all(own["passed"] is not False for own in part.results["checks"].values())


def main() -> None:
    """Run the parts that were asked for, or all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="[default: all]")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these checks alone")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a part [default: 540]")
    parser.add_argument("--out", type=Path, default=Path("gpu-check"), help="folder of the results")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--list", action="store_true", help="name parts and checks, run nothing")
    asked = parser.parse_args()
    known = list(checks(asked.device))
    parts = list(dict.fromkeys(own.part for own in known))
    for wanted, there in ((asked.parts, parts), (asked.only, [own.name for own in known])):
        if unknown := set(wanted) - set(there):
            parser.error(f"no such thing: {', '.join(sorted(unknown))}; give {', '.join(there)}")
    out, good = asked.out.resolve(), True
    for part in asked.parts or parts:
        chosen = [own for own in known if own.part == part]
        if asked.only:
            chosen = [own for own in chosen if own.name in asked.only]
        if asked.list:
            print(f"{part}: {', '.join(own.name for own in chosen)}")
        elif chosen:
            good &= run_part(part, chosen, out, asked.seconds)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
