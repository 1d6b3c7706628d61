"""Every backend offers the operations of the protocol, called in the same way."""

import inspect

import pytest

from gpuae.backends import Device, get_ops, resolve_device
from gpuae.backends.cupy_ops import CupyOps
from gpuae.backends.numba_ops import NumbaOps
from gpuae.backends.numpy_ops import NumpyOps
from gpuae.backends.ops import DeviceOps, Ops

OPERATIONS = [
    name for name, member in vars(Ops).items() if callable(member) and not name.startswith("_")
]


def parameters(operation):
    signature = inspect.signature(operation)
    return [(own.name, own.kind, own.default) for own in signature.parameters.values()]


@pytest.mark.parametrize("backend", [NumpyOps, NumbaOps, CupyOps])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_the_protocols_parameters_and_defaults(backend, name):
    assert parameters(getattr(backend, name)) == parameters(getattr(Ops, name))


@pytest.mark.parametrize("backend", [NumpyOps, NumbaOps, CupyOps])
def test_a_backend_has_no_public_operation_beyond_the_protocol(backend):
    public = {name for name in dir(backend) if not name.startswith("_")}
    more = {name for name in vars(DeviceOps) if not name.startswith("_")}
    assert public == {*OPERATIONS, "name", *(more if backend is CupyOps else ())}


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_device_is_given_its_own_operations(device):
    assert get_ops(resolve_device(device)).name == device


def test_auto_says_what_it_chose_and_why():
    device = resolve_device("auto")
    assert device.name in ("cpu", "cuda:0")
    assert device.reason


def test_the_definition_loads_nothing_of_the_compiled_backend(run_python):
    run_python(
        "import sys\n"
        "from gpuae.backends import get_ops, resolve_device\n"
        "get_ops(resolve_device('numpy'))\n"
        "assert 'numba' not in sys.modules, 'numba was imported'\n"
    )


def test_a_device_is_told_apart_by_its_name_alone():
    assert type(get_ops(Device("cpu", ""))) is NumbaOps
    assert type(get_ops(Device("numpy", ""))) is NumpyOps
