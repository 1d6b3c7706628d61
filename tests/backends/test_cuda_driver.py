"""Why there is no GPU to be used, in one sentence that says what to do."""

import ctypes
import re
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest

from gpuae.backends import cuda_driver, get_ops, resolve_device
from gpuae.backends.weighing import Work
from gpuae.errors import ConfigError, DeviceError


class Library:
    """An NVIDIA driver."""

    def __init__(self, *, version=13000, devices=1, status=0, attributes=None):
        self.version, self.devices, self.status = version, devices, status
        self.attributes = attributes or {16: 132, 87: 2}

    def cuDriverGetVersion(self, number):  # noqa: N802
        number._obj.value = self.version
        return 0

    def cuInit(self, flags):  # noqa: N802
        return self.status

    def cuDeviceGetCount(self, number):  # noqa: N802
        number._obj.value = self.devices
        return 0

    def cuDeviceGet(self, device, index):  # noqa: N802
        assert index < self.devices
        device._obj.value = 7
        return 0

    def cuDeviceGetAttribute(self, number, attribute, device):  # noqa: N802
        assert device.value == 7
        number._obj.value = self.attributes[attribute]
        return 0


@pytest.fixture
def machine(monkeypatch):
    """A function that makes this a machine with such a driver and such a CuPy."""

    def make(driver=None, cupy=None, headers="/usr/include"):
        def load(name):
            if driver is None:
                raise OSError(name)
            return driver

        monkeypatch.setattr(cuda_driver, "ctypes", SimpleNamespace(**vars(ctypes) | {"CDLL": load}))
        monkeypatch.setattr(cuda_driver, "find_spec", lambda _: cupy)
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        finder = ModuleType("cuda.pathfinder")
        finder.find_nvidia_header_directory = {"cudart": headers}.get
        monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
        monkeypatch.setitem(sys.modules, "cuda.pathfinder", finder)

    return make


def cupy_with(*, runtime=13000, count=lambda: 1, nvrtc=lambda: (13, 0)):
    cupy = ModuleType("cupy")
    cupy.cuda = SimpleNamespace(
        runtime=SimpleNamespace(runtimeGetVersion=lambda: runtime, getDeviceCount=count),
        nvrtc=SimpleNamespace(getVersion=nvrtc),
    )
    return cupy


def fails(error):
    def call():
        raise error

    return call


INSUFFICIENT = RuntimeError("cudaErrorInsufficientDriver")
NO_NVRTC = RuntimeError("libnvrtc.so.13 not found")
CASES = {
    "no driver": ({}, "there is no NVIDIA driver"),
    "no GPU": ({"driver": Library(devices=0)}, "the NVIDIA driver finds no GPU"),
    "no GPU, said by cuInit": ({"driver": Library(status=100)}, "the NVIDIA driver finds no GPU"),
    "a driver that does not start": ({"driver": Library(status=999)}, r"error 999\): reboot"),
    "no CuPy": ({"driver": Library()}, r"CuPy is not installed: pip install 'gpuae\[cuda13\]'"),
    "a driver too old for CuPy": (
        {
            "driver": Library(version=12020),
            "cupy": cupy_with(count=fails(INSUFFICIENT)),
        },
        r"is for CUDA 13 and the driver for CUDA 12\.2; update the driver or pip install",
    ),
    "no NVRTC": (
        {"driver": Library(), "cupy": cupy_with(nvrtc=fails(NO_NVRTC))},
        "NVRTC, which compiles the kernels, is not installed: pip install",
    ),
    "no headers": (
        {"driver": Library(), "cupy": cupy_with(), "headers": None},
        r"headers of CUDA, .* are not installed: pip install 'gpuae\[cuda13\]', or let CUDA_PATH",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_auto_takes_the_cpu_and_says_why(machine, name):
    given, says = CASES[name]
    machine(**given)
    device = resolve_device("auto")
    assert device.name == "cpu"
    assert re.search(says, device.reason)
    assert "\n" not in device.reason


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("asked", ["cuda", "cuda:0"])
def test_cuda_is_refused_with_the_reason(machine, name, asked):
    given, says = CASES[name]
    machine(**given)
    with pytest.raises(DeviceError, match=f"device={asked}: .*{says}") as error:
        resolve_device(asked)
    assert error.value.exit_code == 2
    assert "device=cpu" in str(error.value)


def test_a_gpu_that_is_there_is_taken(machine):
    machine(driver=Library(devices=2), cupy=cupy_with())
    assert resolve_device("auto").name == "cuda:0"
    assert resolve_device("cuda").name == "cuda:0"
    assert resolve_device("cuda:1").name == "cuda:1"


SHORT = Work(steps=2e4, flops=1e10, moved=1e6, double=False, busy=1)
LONG = Work(steps=2e4, flops=1e13, moved=1e8, double=False, busy=2)
DOUBLE = Work(steps=100, flops=2e12, moved=1e6, double=True, busy=8)


def test_auto_takes_the_cpu_where_training_ends_sooner_there(machine):
    machine(driver=Library(), cupy=cupy_with())
    device = resolve_device("auto", SHORT)
    assert (device.name, device.passes_gpu_by) == ("cpu", True)
    said = r"about 0\.27 s, and 2\.3 s on the GPU with its start, which device=cuda takes"
    assert re.fullmatch(said, device.reason)
    assert resolve_device("cuda", SHORT).name == "cuda:0"


def test_auto_takes_the_gpu_where_it_pays(machine):
    machine(driver=Library(), cupy=cupy_with())
    device = resolve_device("auto", LONG)
    said = r"the first GPU: about 2\.8 s with its start, and 1\.39 min on the CPU"
    assert device.name == "cuda:0"
    assert re.fullmatch(said, device.reason)
    assert resolve_device("cpu", LONG).name == "cpu"


def test_auto_knows_that_most_gpus_are_slow_in_float64(machine):
    machine(driver=Library(), cupy=cupy_with())
    assert resolve_device("auto", DOUBLE).name == "cuda:0"
    machine(driver=Library(attributes={16: 40, 87: 64}), cupy=cupy_with())
    assert resolve_device("auto", DOUBLE).name == "cpu"
    assert resolve_device("auto", replace(DOUBLE, double=False)).name == "cuda:0"


@pytest.mark.parametrize("name", CASES)
def test_work_changes_nothing_where_there_is_no_gpu(machine, name):
    machine(**CASES[name][0])
    assert resolve_device("auto", LONG) == resolve_device("auto")


@pytest.mark.parametrize(
    ("devices", "says"), [(1, "only cuda:0 is there"), (4, "cuda:0 to cuda:3 are there")]
)
def test_an_index_that_is_not_there_is_refused(machine, devices, says):
    machine(driver=Library(devices=devices), cupy=cupy_with())
    with pytest.raises(DeviceError, match=f"device=cuda:7: there is no GPU number 7, {says}"):
        resolve_device("cuda:7")


def test_cublas_that_is_missing_is_said(monkeypatch):
    from gpuae.backends import cublas

    def load(name):
        raise RuntimeError(f"Failure finding {name}")

    finder = ModuleType("cuda.pathfinder")
    finder.load_nvidia_dynamic_lib = load
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", finder)
    with pytest.raises(
        DeviceError, match=r"cuBLAS is not installed: pip install 'gpuae\[cuda13\]'"
    ):
        cublas.load(13)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_rounded_factors_need_a_gpu(device, precision):
    with pytest.raises(ConfigError, match=f"precision={precision}: only GPUs .* on {device}"):
        get_ops(resolve_device(device), precision)


def test_doctor_shows_the_gpus(machine, monkeypatch):
    from gpuae import diagnosis

    cupy = cupy_with(count=lambda: 2)
    cupy.__spec__ = ModuleSpec("cupy", None)
    one = {"name": b"NVIDIA A", "major": 9, "minor": 0, "totalGlobalMem": 140 << 30}
    cupy.cuda.runtime.getDeviceProperties = lambda index: one | {"name": b"NVIDIA %d" % index}
    machine(driver=Library(devices=2), cupy=cupy)
    found = diagnosis.diagnose()
    assert found["CUDA"] == "driver for CUDA 13.0, GPUs: 2"
    assert found["GPU"] == (
        "cuda:0 NVIDIA 0, compute capability 9.0, 140 GiB; "
        "cuda:1 NVIDIA 1, compute capability 9.0, 140 GiB"
    )
    assert found["would be used"].startswith("device=cuda:0: the first GPU, but the CPU for")


def test_doctor_says_what_is_missing(machine):
    from gpuae import diagnosis

    machine(driver=Library(version=12040))
    found = diagnosis.diagnose()
    assert found["CUDA"] == "driver for CUDA 12.4, GPUs: 1"
    assert found["GPU"].startswith("none to use: CuPy is not installed: pip install")


def test_doctor_names_headers_that_are_missing(machine):
    from gpuae import diagnosis

    cupy = cupy_with()
    cupy.__spec__ = ModuleSpec("cupy", None)
    machine(driver=Library(), cupy=cupy, headers=None)
    assert diagnosis.diagnose()["GPU"].startswith("none to use: the headers of CUDA")


def test_cublas_of_another_cuda_is_refused(monkeypatch):
    from gpuae.backends import cublas

    finder = ModuleType("cuda.pathfinder")
    path = "/site/nvidia/cu13/lib/libcublas.so.13"
    finder.load_nvidia_dynamic_lib = lambda name: SimpleNamespace(abs_path=path)
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", finder)
    with pytest.raises(DeviceError, match=r"is for CUDA 13 and CuPy for CUDA 12: uninstall"):
        cublas.load(12)


@pytest.mark.parametrize(
    ("driver", "there"),
    [
        (None, False),
        (Library(devices=0), False),
        (Library(status=cuda_driver.NO_DEVICE), False),
        (Library(), True),
        (Library(status=999), True),
    ],
)
def test_a_gpu_that_is_passed_by_is_told_of_where_there_is_one(machine, driver, there):
    machine(driver)
    device = resolve_device("auto")
    assert (device.name, device.passes_gpu_by) == ("cpu", there)
