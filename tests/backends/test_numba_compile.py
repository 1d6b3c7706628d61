"""Numba's cache saves time and is never a reason to fail."""

import pytest

from gpuae.backends.numba_compile import kernel


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
