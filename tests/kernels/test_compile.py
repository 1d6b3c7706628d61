"""Every kernel compiles for every architecture, without a warning or a spilled register."""

import re
from dataclasses import dataclass
from functools import partial

import pytest

from gpuae.backends.cuda_kernel import DTYPES
from gpuae.backends.cuda_kernels import KERNELS
from gpuae.backends.cuda_module import OPTIONS, unit

OLDEST, NEWEST = "sm_75", "sm_120"
BETWEEN = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100"]
BYTES = {"bool": 1} | {
    c_type: int(re.sub(r"\D", "", dtype) or 8) // 8 for c_type, dtype in DTYPES.items()
}
WORDS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "f32": 4, "f64": 8, "s8": 1, "b8": 1}
each_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda own: own.name)


@dataclass
class Compiled:
    """Machine code and PTX, the names of the instances in them, and what the compiler said."""

    code: bytes
    ptx: bytes
    names: dict[str, str]
    said: str


@pytest.fixture
def nvrtc(missing):
    """A function that compiles all instances of a kernel with NVRTC."""
    try:
        from cuda.bindings import nvrtc

        status, *_ = nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError) as error:
        missing(f"NVRTC (cuda-bindings, nvidia-cuda-nvrtc) is not installed: {error}")
    assert int(status) == 0
    return partial(_compile, nvrtc)


def covering(instances):
    """Return those of the instances that have an argument which none before them has."""
    seen, chosen = set(), []
    for instance in instances:
        arguments = set(enumerate(instance))
        if not instance or arguments - seen:
            chosen.append(instance)
        seen |= arguments
    return chosen


def _compile(nvrtc, kernel, architecture, instances, more=""):
    def call(name, *arguments):
        status, *results = getattr(nvrtc, f"nvrtc{name}")(*arguments)
        assert int(status) == 0 or name == "CompileProgram", name
        return results[0] if results else int(status) == 0

    def text(name):
        size = call(f"Get{name}Size", program)
        buffer = bytes(size + 1)  # not of one byte, which Python shares: it is written into
        call(f"Get{name}", program, buffer)
        return buffer[:size]

    source = (unit(kernel, instances) + more).encode()
    program = call("CreateProgram", source, b"unit.cu", 0, [], [])
    expressions = [kernel.expression(own) for own in instances]
    for expression in expressions:
        call("AddNameExpression", program, expression.encode())
    options = [*OPTIONS, "-ftz=true", f"--gpu-architecture={architecture}"]  # CuPy flushes too
    options += [f"--ptxas-options={own}" for own in ("-warn-spills", "-warn-lmem-usage")]
    done = call("CompileProgram", program, len(options), [own.encode() for own in options])
    said = text("ProgramLog").decode().strip("\0 \n")
    assert done, said
    names = {own: call("GetLoweredName", program, own.encode()).decode() for own in expressions}
    return Compiled(text("CUBIN"), text("PTX"), names, said)


@each_kernel
def test_a_kernel_compiles_with_every_argument(nvrtc, kernel):
    """One half of them for the oldest architecture, one for the newest."""
    few = covering(kernel.instances)
    assert_compiles(nvrtc, kernel, OLDEST, few[::2])
    assert_compiles(nvrtc, kernel, NEWEST, few[1::2] or few)


@pytest.mark.long
@each_kernel
@pytest.mark.parametrize("architecture", [OLDEST, *BETWEEN, NEWEST])
def test_all_instances_of_a_kernel_compile(nvrtc, kernel, architecture):
    assert_compiles(nvrtc, kernel, architecture, kernel.instances)


def assert_compiles(nvrtc, kernel, architecture, instances):
    """Compile without a warning or a spilled register; what is taken is what the table says."""
    compiled = nvrtc(kernel, architecture, instances)
    assert len(compiled.code) > 0
    assert compiled.said == ""
    text = compiled.ptx.decode()
    for instance in instances:
        name = compiled.names[kernel.expression(instance)]
        entry = re.search(rf"\.entry {re.escape(name)}\((.*?)\)", text, re.DOTALL)[1]
        sizes = [WORDS[word] for word in re.findall(r"\.param \.(\w+)", entry)]
        expected = [
            8 if own.pointer else BYTES[kernel.c_type(own, instance)] for own in kernel.parameters
        ]
        assert sizes == expected, kernel.expression(instance)


@pytest.mark.parametrize(
    "name", ["adam", "bias_activation", "gather", "output_delta", "softmax_delta"]
)
def test_four_neighbours_move_by_one_instruction(nvrtc, name):
    kernel = KERNELS[name]
    in_float32 = next(own for own in kernel.instances if own[0] == "float")
    ptx = nvrtc(kernel, OLDEST, [in_float32]).ptx
    assert re.search(rb"ld\.global\.(nc\.)?v4", ptx)
    assert re.search(rb"st\.global\.v4", ptx)


def test_a_warning_would_be_seen(nvrtc):
    unused = 'extern "C" __global__ void f(int* x) { int never; *x = 1; }'
    assert "warning" in nvrtc(KERNELS["advance"], "sm_90", [()], more=unused).said


def test_a_spilled_register_would_be_seen(nvrtc):
    greedy = """
    extern "C" __global__ void __launch_bounds__(1024, 2) greedy(float* x) {
        float kept[200];
        for (int i = 0; i < 200; ++i) kept[i] = x[i * threadIdx.x];
        for (int j = 0; j < 200; ++j) x[j] = kept[j] * kept[(199 - j)] + kept[(j + 7) % 200];
    }"""
    assert "pill" in nvrtc(KERNELS["advance"], "sm_90", [()], more=greedy).said
