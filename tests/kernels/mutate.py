"""Changes the kernels, one small mistake at a time, and sees whether their tests notice.

    python tests/kernels/mutate.py [--file NAME ...] [--kind KIND ...] [--list]

Each change is compiled for the CPU and put through the tests of the kernels, and if these pass
through a sanitizer. What survives must be explained in equivalent.toml, or the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "kernels"
EXPLAINED = Path(__file__).with_name("equivalent.toml")
TESTS = ["tests/backends/test_agreement.py", "tests/backends/test_operations.py"]
OF_FILE = {
    "rows.cu": "gather or corrupt or noise or mask_ or masks or normals or unscale or dropout",
    "forward.cu": "bias_activation or topk or elementwise or every_activation or row_errors",
    "backward.cu": "output_ or kl_ or hidden_delta or every_loss",
    "sums.cu": "sums or output_delta or hidden_delta or vector or total_gradient",
    "parameters.cu": "optimizer or vector or adam or sgd or fill or clock or axpby",
    "activations.cuh": "activation or output_ or hidden_delta or optimizer or every_",
    "philox.cuh": "noise or masks or normals or dropout or corrupt",
    "device.cuh": "bias_activation or elementwise or output_ or hidden_delta or vector or unscale",
}
"""The tests of the kernels in a file."""
SANITIZED = "(41x132 or 17x33 or 5x8 or 5001) and float32 and not gathering"
OF_MEMORY = ("index off by one", "dropped barrier", "missing bounds check")
"""Kinds of changes that a sanitizer may see although the results are right."""
SECONDS = 120
"""After which tests that have not ended have noticed: the kernel runs for ever."""

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
    "dropped barrier": [(r"__syncthreads\(\);", lambda _: "")],
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


def try_out(mutant: Mutant, folder: Path) -> str:
    """Return how a change was noticed, `survives`, or that it does not compile."""
    with TemporaryDirectory(dir=folder) as own:
        kernels = Path(own) / "kernels"
        mutant.write(kernels)
        for sanitizer in ("", "address", "thread") if mutant.kind in OF_MEMORY else ("",):
            chosen = f"cuda and ({OF_FILE[mutant.file]})"
            said = _run_tests(kernels, folder / "libraries", sanitizer, chosen)
            if said != "survives":
                return said
    return "survives"


def _run_tests(kernels: Path, libraries: Path, sanitizer: str, chosen: str) -> str:
    environment = {
        **os.environ,
        "GPUAE_KERNELS": str(kernels),
        "GPUAE_LIBRARIES": str(libraries),
        "GPUAE_SANITIZER": sanitizer,
        "ASAN_OPTIONS": "detect_leaks=0",
        "TSAN_OPTIONS": "halt_on_error=1",
    }
    if sanitizer:
        name = {"address": "libasan.so", "thread": "libtsan.so"}[sanitizer]
        command = ["g++", f"-print-file-name={name}"]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        environment["LD_PRELOAD"] = found.stdout.strip()
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += ["-k", f"{chosen} and {SANITIZED}" if sanitizer else chosen]
    try:
        done = subprocess.run(
            [*command, *TESTS],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=ROOT,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "runs for ever"
    if done.returncode == 0:
        return "survives"
    if "RuntimeError: " in done.stdout and "error: " in done.stdout:
        return "does not compile"
    return f"{sanitizer} sanitizer" if sanitizer else "wrong results"


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
    parser.add_argument("--list", action="store_true", help="only list the changes")
    asked = parser.parse_args()
    chosen = [own for file in asked.file for own in mutants(file) if own.kind in asked.kind]
    if asked.list:
        print("\n".join(map(str, chosen)))
        return
    known, counts, unexplained = explanations(), Counter[str](), 0
    with TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        (Path(name) / "libraries").mkdir()
        verdicts = pool.map(lambda own: try_out(own, Path(name)), chosen)
        for done, (mutant, verdict) in enumerate(zip(chosen, verdicts, strict=True), 1):
            counts[verdict] += 1
            if verdict == "survives":
                why = known.get((mutant.file, mutant.right.strip(), mutant.wrong.strip()))
                unexplained += why is None
                print(f"SURVIVES {mutant}\n    {why or 'NOT EXPLAINED'}", flush=True)
            if done % 25 == 0:
                print(f"{done} of {len(chosen)}", flush=True)
    print(", ".join(f"{verdict}: {count}" for verdict, count in counts.most_common()))
    print(f"{unexplained} changes survive without an explanation")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
