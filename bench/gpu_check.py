"""Runs every check that needs a GPU and collects what they found; see gpu_check.sh.

    python -P bench/gpu_check.py OUTDIR

Leaves a log of each check and results.json: the device, the commit, which checks passed, and the
figures of the benchmarks. The exit code is 1 if a check failed.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PYTEST = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
PYTEST += ["-W", "default::DeprecationWarning"]  # of versions that this machine happens to have
SECONDS = 900
"""After which a check is ended."""
GPUAE = [sys.executable, "-P", "-m", "gpuae"]
SOME = "cuda and (41x132 or 17x33 or 5x8 or 5001) and float32 and not gathering"
AGREEMENT = "tests/backends/test_agreement.py"


@dataclass(frozen=True)
class Check:
    """A command, what it needs, and whether its output is JSON worth keeping."""

    name: str
    command: list[str]
    needs: str = sys.executable
    keeps: bool = False


def checks(out: Path) -> list[Check]:
    """Return all checks, the quickest first."""
    sanitizer = ["compute-sanitizer", "--error-exitcode", "7", "--tool"]
    short = [*PYTEST, AGREEMENT, "-k", SOME]
    return [
        Check("doctor", [*GPUAE, "doctor", "--json"], keeps=True),
        Check("kernels", [sys.executable, "-P", "bench/gpu_kernels.py", "--json"], keeps=True),
        Check("tests", [*PYTEST, "-m", "not long", "-k", "cuda or gpu"]),
        Check(
            "bench",
            [*GPUAE, "bench", "--peers", "--json", "--force", "--plot", str(out / "bench.png")],
            keeps=True,
        ),
        Check("memcheck", [*sanitizer, "memcheck", *short], needs="compute-sanitizer"),
        Check("racecheck", [*sanitizer, "racecheck", *short], needs="compute-sanitizer"),
        Check("threads", [sys.executable, "-P", "bench/threads.py", *_threads()]),
    ]


def _threads() -> list[str]:
    cores = os.cpu_count() or 1
    return [str(1 << power) for power in range(cores.bit_length()) if 1 << power <= cores]


def run(check: Check, out: Path) -> dict[str, Any]:
    """Run a check; its output goes to a log."""
    if shutil.which(check.needs) is None:
        return {"passed": None, "why": f"{check.needs} is not installed"}
    environment = {**os.environ, "GPUAE_TEST_GPU": "1"}
    if check.needs == "compute-sanitizer":
        environment["GPUAE_PLAIN_MEMORY"] = "1"
    began = time.perf_counter()
    answer, log_path = out / f"{check.name}.json", out / f"{check.name}.log"
    with log_path.open("w") as log, answer.open("w") as answered:
        try:
            code = subprocess.run(
                check.command,
                stdout=answered if check.keeps else log,
                stderr=log,
                check=False,
                env=environment,
                cwd=ROOT,
                timeout=SECONDS,
            ).returncode
        except subprocess.TimeoutExpired:
            code = 124
    result = {"passed": code == 0, "exit": code, "seconds": round(time.perf_counter() - began, 1)}
    try:
        return {**result, "found": json.loads(answer.read_text())}
    except ValueError:
        answer.unlink()
        return {**result, "last_lines": log_path.read_text().strip().splitlines()[-3:]}


def commit() -> str:
    """Return the commit of the checkout, marked where files differ from it."""
    if "GPUAE_COMMIT" in os.environ or shutil.which("git") is None:
        return os.environ.get("GPUAE_COMMIT", "unknown")
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() or "unknown"


def device_name() -> str:
    """Return what the driver calls the GPU.

    Raises
    ------
    SystemExit
        Where there is none.
    """
    from gpuae.backends.cuda_driver import why_not

    problem = why_not()
    if problem:
        raise SystemExit(f"there is nothing to check: {problem}")
    import cupy

    name: bytes = cupy.cuda.runtime.getDeviceProperties(0)["name"]
    return name.decode()


def main() -> None:
    """Run all checks and write results.json after each, so that nothing is lost."""
    out = Path(sys.argv[1])
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    made = {"date": now, "commit": commit(), "python": platform.python_version()}
    results: dict[str, Any] = {"device": device_name(), **made, "checks": {}}
    for check in checks(out):
        print(f"{check.name} …", end=" ", flush=True)
        found = results["checks"][check.name] = run(check, out)
        print({True: "passed", False: "FAILED", None: "left out"}[found["passed"]], flush=True)
        (out / "results.json").write_text(json.dumps(results, indent=1))
    failed = [name for name, own in results["checks"].items() if own["passed"] is False]
    print(f"results.json is in {out}")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
