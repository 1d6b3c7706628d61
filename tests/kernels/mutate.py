"""Changes the kernels, one small mistake at a time, and sees whether their tests notice.

    python tests/kernels/mutate.py [--file NAME ...] [--kind KIND ...] [--line N] [--list]

Each change is compiled for the CPU and put through the tests of the kernels, and if these pass
through the sanitizers. What survives must be explained in equivalent.toml, or the exit code is 1;
what is explained there is put through the tests alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "kernels"
EXPLAINED = Path(__file__).with_name("equivalent.toml")
TESTS = [
    "tests/backends/test_agreement.py",
    "tests/backends/test_operations.py",
    "tests/backends/test_put_off.py",
    "tests/backends/test_rounded_factors.py",
    "tests/backends/test_small_products.py",
    "tests/backends/test_sparse.py",
    "tests/kernels/test_device_functions.py",
]
PYTEST = ["-q", "-x", "-p", "no:cacheprovider", *TESTS]
UNBUILT, FAILED = 3, 4
SANITIZERS = {5: ("address", "libasan.so"), 6: ("thread", "libtsan.so")}
"""Each sanitizer and its library, by the exit code that says that it saw a change."""
NOT_EXPLAINED = "NOT EXPLAINED"
OF_FILE = {
    "rows.cu": "gather or corrupt or noise or mask_ or masks or normals or unscale or dropout"
    " or threshold",
    "forward.cu": "bias_activation or elementwise or every_activation or row_errors or threshold"
    " or copied",
    "backward.cu": "output_ or kl_ or hidden_delta or every_loss or put_off or with_weights",
    "softmax.cu": "softmax",
    "counts.cu": "counts",
    "sums.cu": "sums or output_delta or hidden_delta or vector or sum_lanes or put_off"
    " or with_weights",
    "sparse.cu": "test_sparse or topk",
    "parameters.cu": "optimizer or vector or adam or sgd or fill or clock or axpby or put_off"
    " or bfloat16",
    "products.cu": "small_products",
    "deltas.cuh": "output_ or hidden_delta or every_loss or small_products",
    "clock.cuh": "clock or adam or optimizer or put_off",
    "activations.cuh": "activation or output_ or hidden_delta or optimizer or every_",
    "losses.cuh": "output_ or every_loss or cross_entropy or squared_losses or cosine or huber"
    " or poisson",
    "philox.cuh": "noise or masks or normals or dropout or corrupt",
    "device.cuh": "bias_activation or elementwise or output_ or hidden_delta or vector or unscale"
    " or optimizer or clock or masks or topk or kl_ or place_of or put_off or with_weights",
}
"""The tests of the kernels in a file."""
ON_A_GPU = "cuda or small_products or bfloat16"
"""Tests that run kernels."""
TELLING = ("17x33", "5x8", "5001", "33-70-170-9", "700-20")
"""Sizes at which most mistakes show: these go first."""
SANITIZED = (
    "(41x132 or 17x33 or 5x8 or 5001 or 33-70-170-9 or 40-2085 or 700-20 or 17-33-20"
    " or 9-40-140) and float32"
    " and not gathering"
)
OWN_SIZES = "small_products or bfloat16"
"""Tests whose sizes are few enough for the sanitizers."""
SECONDS = 120
"""Of computing, after which tests that have not ended have noticed: the kernel runs for ever."""
WAITING = 1800
"""Seconds by the clock after which it waits for ever; long, for the machine may be busy."""

TERM = r"[\w.]+(?:\[[^\[\]]*\]|\([^()]*\))*"
DECLARATION = re.compile(r"^\s*[\w<>:, ]+ \w+\[\w+\];")


def _swap(*pairs: tuple[str, str]) -> list[tuple[str, Callable[[re.Match[str]], str]]]:
    return [(re.escape(old), lambda _, new=new: new) for old, new in pairs]


def _other_number(found: re.Match[str]) -> str:
    digits, suffix = found[1], found[2] or ""
    if digits.startswith("0x"):
        return f"{int(digits, 16) ^ 0x10:#x}{suffix}"
    if digits.isdigit():
        return f"{int(digits) + 1}{suffix}"
    return f"{float(digits) * 1.5 if float(digits) else 1.0!r}{suffix}"


RULES: dict[str, list[tuple[str, Callable[[re.Match[str]], str]]]] = {
    "index off by one": [
        (r"(?<=\w)\[([^\[\]]+)\]", lambda found: f"[{found[1]} + 1]"),
        *_swap((" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > ")),
    ],
    "dropped term": [
        (rf" [+-] {TERM}", lambda _: ""),
        (rf" [*/] {TERM}", lambda _: ""),
    ],
    "swapped operator": _swap(
        (" + ", " - "),
        (" - ", " + "),
        (" * ", " + "),
        (" / ", " * "),
        (" += ", " -= "),
        (" -= ", " += "),
        (" *= ", " += "),
        (" && ", " || "),
        (" || ", " && "),
        (" == ", " != "),
        (" != ", " == "),
        (" ^ ", " | "),
        (" | ", " ^ "),
        (" & ", " | "),
        (" >> ", " << "),
        (" % ", " / "),
    ),
    "dropped barrier": [(r"__sync(?:threads|warp)\(\);", lambda _: "")],
    "wrong constant": [
        (r"(?<![\w.])(0x[0-9A-F]+|\d+(?:\.\d+)?(?:e-?\d+)?)(u|ull|f)?(?![\w.])", _other_number)
    ],
    "missing bounds check": [
        (r"\bif \(.*?\) (?=[\w*].*;)", lambda _: ""),
        (r"\bif \(.*\) \{", lambda _: "if (true) {"),
        (r"smaller\(([^,()]+), ([^;]+?)\)(?=[;,])", lambda found: f"({found[1]})"),
        (r"smaller\(([^,()]+), ([^;]+?)\)(?=[;,])", lambda found: f"({found[2]})"),
        (r"[\w.()]+ [<=>]=? [\w.()]+ \? ([^:]+) : [^;,]+", lambda found: found[1]),
        (r" && tile\.count(?=;)", lambda _: ""),
    ],
}
"""What is changed, by kind: a pattern within a line of code, and what stands in for it."""


@dataclass(frozen=True)
class Mutant:
    """One change of one line."""

    file: str
    number: int
    kind: str
    right: str
    wrong: str

    def write(self, folder: Path) -> None:
        """Copy the kernels to a folder, with the change."""
        shutil.copytree(KERNELS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        lines = (folder / self.file).read_text("utf-8").split("\n")
        lines[self.number - 1] = self.wrong
        (folder / self.file).write_text("\n".join(lines), "utf-8")

    def __str__(self) -> str:
        change = f"{self.right.strip()}  ->  {self.wrong.strip()}"
        return f"{self.file}:{self.number}: {self.kind}: {change}"


def mutants(file: str) -> Iterator[Mutant]:
    """Yield all changes of a file, each once."""
    seen = set()
    for number, line in enumerate((KERNELS / file).read_text("utf-8").split("\n"), 1):
        code = line.split("//")[0].rstrip()
        if code.startswith(("#", "template", "extern")) or not code.strip():
            continue
        for kind, rules in RULES.items():
            for pattern, change in rules:
                for found in re.finditer(pattern, code):
                    wrong = code[: found.start()] + change(found) + code[found.end() :]
                    useless = DECLARATION.match(code) and kind == "index off by one"
                    if wrong != code and not useless and (number, wrong) not in seen:
                        seen.add((number, wrong))
                        yield Mutant(file, number, kind, code, wrong)


class Trials:
    """A pytest plugin that runs the collected tests for every change, each in a process of its own.

    The tests are imported and collected once; a child begins where they are about to run.
    """

    def __init__(self, mutants: list[Mutant], folder: Path) -> None:
        self.mutants, self.folder = mutants, folder
        self.verdicts: dict[Mutant, str] = {}
        self._running: dict[int, Mutant] = {}
        self._said = ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Keep as many children at work as there are cores."""
        waiting = list(reversed(self.mutants))
        while waiting or self._running:
            while waiting and len(self._running) < (os.cpu_count() or 1):
                mutant = waiting.pop()
                child = os.fork()
                if child == 0:
                    os._exit(self._child(session, mutant))
                self._running[child] = mutant
            child, status = os.wait()
            self._done(self._running.pop(child), status)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the first failure, in the child."""
        if report.failed and not self._said:
            self._said = str(report.longrepr)

    def _child(self, session: pytest.Session, mutant: Mutant) -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        signal.alarm(WAITING)
        kernels = self.folder / f"{os.getpid()}"
        mutant.write(kernels)
        os.environ["GPUAE_KERNELS"] = str(kernels)
        words = OF_FILE[mutant.file].split(" or ")
        chosen = [own for own in session.items if any(word in own.nodeid for word in words)]
        for item in sorted(chosen, key=lambda own: not any(big in own.name for big in TELLING)):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self._said:
                unbuilt = "RuntimeError" in self._said and " error: " in self._said
                return UNBUILT if unbuilt else FAILED
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.alarm(0)
        return 0 if why_equivalent(mutant) else sanitized(mutant, kernels)

    def _done(self, mutant: Mutant, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        said = {
            0: "survives",
            UNBUILT: "does not compile",
            **{code: f"{name} sanitizer" for code, (name, _) in SANITIZERS.items()},
            -signal.SIGVTALRM: "runs for ever",
            -signal.SIGALRM: "waits for ever",
        }
        verdict = said.get(code, "wrong results" if code > 0 else "ends the process")
        self.verdicts[mutant] = verdict
        if verdict == "survives":
            print(f"SURVIVES {mutant}\n    {why_equivalent(mutant) or NOT_EXPLAINED}", flush=True)
        if len(self.verdicts) % 25 == 0:
            print(f"{len(self.verdicts)} of {len(self.mutants)}", flush=True)


def sanitized(mutant: Mutant, kernels: Path) -> int:
    """Return the code of the sanitizer that sees a change of the kernels there, or 0."""
    for code, (sanitizer, name) in SANITIZERS.items():
        command = ["g++", f"-print-file-name={name}"]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": found.stdout.strip(),
            "GPUAE_KERNELS": str(kernels),
            "GPUAE_SANITIZER": sanitizer,
            "ASAN_OPTIONS": "detect_leaks=0",
            "TSAN_OPTIONS": "halt_on_error=1",
        }
        chosen = f"({ON_A_GPU}) and ({OF_FILE[mutant.file]}) and ({SANITIZED} or {OWN_SIZES})"
        command = [sys.executable, "-m", "pytest", *PYTEST, "-k", chosen]
        done = subprocess.run(command, capture_output=True, check=False, env=environment, cwd=ROOT)
        if done.returncode != 0:
            return code
    return 0


def why_equivalent(mutant: Mutant) -> str | None:
    """Return the explanation of a change, if it has one."""
    return explanations().get((mutant.file, mutant.right.strip(), mutant.wrong.strip()))


def explanations() -> dict[tuple[str, str, str], str]:
    """Return why changes that survive are equivalent, by file, line and changed line."""
    entries = tomllib.loads(EXPLAINED.read_text("utf-8")).get("equivalent", [])
    return {(own["file"], own["right"], own["wrong"]): own["why"] for own in entries}


def main() -> None:
    """Try all changes; print those that survive."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    files = sorted(path.name for path in KERNELS.glob("*.cu*"))
    parser.add_argument("--file", nargs="+", choices=files, default=files)
    parser.add_argument("--kind", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--line", type=int, help="only changes of this line")
    parser.add_argument("--list", action="store_true", help="only list the changes")
    asked = parser.parse_args()
    chosen = [own for file in asked.file for own in mutants(file) if own.kind in asked.kind]
    chosen = [own for own in chosen if asked.line in (None, own.number)]
    if asked.list:
        print("\n".join(map(str, chosen)))
        return
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))  # this checkout's package, wherever another one is installed
    with TemporaryDirectory() as name:
        os.environ["GPUAE_LIBRARIES"] = name
        trials = Trials(chosen, Path(name))
        quiet = ["-o", "addopts=", "-p", "no:terminal", "-p", "no:faulthandler"]
        pytest.main([*quiet, *PYTEST[1:], "-k", ON_A_GPU], plugins=[trials])
    counts = Counter(trials.verdicts.values())
    print(", ".join(f"{verdict}: {count}" for verdict, count in counts.most_common()))
    known, survivors = explanations(), [m for m, v in trials.verdicts.items() if v == "survives"]
    named = {(own.file, own.right.strip(), own.wrong.strip()) for own in survivors}
    unexplained = len(named - known.keys())
    tried = f"{len(trials.verdicts)} of {len(chosen)} changes tried"
    print(f"{tried}, {unexplained} survive without an explanation")
    sys.exit(1 if unexplained or len(trials.verdicts) < len(chosen) else 0)


if __name__ == "__main__":
    main()
