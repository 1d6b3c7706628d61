"""Numba's cache saves time and is never a reason to fail."""

import ast
import importlib
import shutil

import pytest

from gpuae.backends import ops
from gpuae.backends.numba_compile import (
    PACKAGE,
    compiled_constants,
    compiled_sources,
    kernel,
    state,
)


@pytest.fixture
def compile_again(tmp_path, monkeypatch):
    """A function that compiles a kernel as if in a new process, and returns how it came about."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def compiled():
        def twice(x):
            return 2 * x

        function = kernel(twice)
        assert function(4) == 8
        return function.stats

    return compiled


def test_the_second_time_nothing_is_compiled(compile_again):
    assert compile_again().cache_misses
    assert compile_again().cache_hits


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"damaged", None], ids=["empty", "other", "cut"])
def test_a_damaged_cache_is_made_anew(compile_again, tmp_path, ending, content):
    compile_again()
    (path,) = tmp_path.rglob(f"*.{ending}")
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    assert compile_again().cache_misses
    assert compile_again().cache_hits


def test_a_cache_that_cannot_be_written_is_done_without(compile_again, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_data", full)
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_index", full)
    assert compile_again().cache_misses
    assert compile_again().cache_misses


def test_numba_without_its_compiler_is_told(run_python):
    said = run_python(
        "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'\n"
        "from gpuae.errors import DeviceError\n"
        "from gpuae.backends import Device, get_ops\n"
        "try: get_ops(Device('cpu', ''))\n"
        "except DeviceError as error: print(error)\n"
    )
    assert said.startswith("NUMBA_DISABLE_JIT is set")


# What the cache is keyed by


@pytest.fixture
def edited(tmp_path):
    """A function that returns the key before and after a file of the package gets a new line."""
    copy = shutil.copytree(
        PACKAGE, tmp_path / "gpuae", ignore=shutil.ignore_patterns("__pycache__")
    )

    def keys(file):
        before = state(copy)
        (copy / file).parent.mkdir(exist_ok=True)
        with (copy / file).open("a") as source:
            source.write("# another line\n")
        return before, state(copy)

    return keys


@pytest.mark.parametrize(
    "file",
    ["backends/numba_math.py", "backends/numba_kernels.py", "functions/softplus.py"],
)
def test_an_edit_of_what_kernels_are_compiled_from_changes_the_key(edited, file):
    before, after = edited(file)
    assert before != after


@pytest.mark.parametrize("file", ["cupy_ops.py", "numba_ops.py", "numpy_ops.py", "ops.py"])
def test_an_edit_of_anything_else_leaves_the_key(edited, file):
    before, after = edited(f"backends/{file}")
    assert before == after


@pytest.mark.parametrize("name", ["RHO_FLOOR", "ADAM_BETA_1"])
def test_another_constant_changes_the_key(monkeypatch, name):
    before = state()
    monkeypatch.setattr(ops, name, 0.5)
    assert state() != before


def test_kernels_have_nothing_from_elsewhere():
    """What a hashed file imports is hashed as well: its file, or the number that it is."""
    hashed = {source.stem for source in compiled_sources(PACKAGE)}
    numbers = compiled_constants()
    assert {"numba_kernels", "numba_math", "numba_rows", "numba_parameters"} <= hashed
    for source in compiled_sources(PACKAGE):
        for module, name in imported_names(source):
            value = getattr(importlib.import_module(module), name)
            known = module.split(".")[-1] in hashed or f"{module}.{name}" in numbers
            assert known or issubclass(value, Exception), f"{source.name}: {module}.{name}"


def imported_names(source):
    """Yield what a file imports from this package when it is loaded, but for modules."""
    for node in ast.parse(source.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith("gpuae."):
            for alias in node.names:
                if not (
                    PACKAGE.parent / node.module.replace(".", "/") / f"{alias.name}.py"
                ).exists():
                    yield node.module, alias.name
