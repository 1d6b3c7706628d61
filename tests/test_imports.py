"""Imports go one way, from the commands down to the settings; read from the sources."""

import ast
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(find_spec("gpuae").origin).parent
MODULES = {
    ".".join(("gpuae", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

LAYERS = [
    {"errors", "functions", "printable", "steps", "words"},
    {"config", "defaults", "durations", "finetune_config", "machine", "memory", "presets"},
    {"backends", "kernels", "storage"},
    {"model"},
    {"training", "conveyor", "encoding", "outliers"},
    {
        "array_kinds",
        "callbacks",
        "estimator",
        "exchange",
        "model_estimator",
        "outlier_detector",
        "classification",
        "category_figures",
        "classifier",
        "evaluation",
        "filters",
        "verdict",
        "neighbors",
        "dimensions",
        "foretelling",
        "sweeps",
        "tables",
        "importers",
        "compression",
        "diagnosis",
        "demonstration",
        "progress",
        "benchmark",
    },
    {"pictures"},
    {"plots"},
    {"live", "records", "report"},
    {"cli"},
    {"__main__"},
]
"""From the lowest to the highest; a part may import those of its own layer and of lower ones."""

ROOMS = ["files", "file_format", "rows", "hdf5", "content_hash", "outputs", "kinds", "provenance"]
"""Of the storage, from the ground up; a room imports itself and those before it."""

TOP = {"gpuae"}
"""The package itself, which imports the estimator when it is asked for it."""


def imported(path, *, when_loaded=False):
    """Return the modules of gpuae that a file imports, anywhere or only when it is loaded."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = _loaded_nodes(tree) if when_loaded else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in names if name in MODULES} or {node.module}
    return {name for name in found if name.split(".")[0] == "gpuae"}


def _loaded_nodes(node):
    """Walk what runs when a module is loaded: no functions, nothing for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _loaded_nodes(child)


def part(module):
    """Return the part of the house that a module belongs to."""
    return module.split(".")[1] if "." in module else module


def layer(module):
    return next((i for i, parts in enumerate(LAYERS) if part(module) in parts), None)


def test_there_are_modules_to_look_at():
    assert len(MODULES) > 40
    assert imported(MODULES["gpuae.model.feed"]) >= {"gpuae.config", "gpuae.backends.ops"}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - TOP))
def test_every_module_has_a_place_in_the_order(module):
    assert layer(module) is not None, f"say in LAYERS where {part(module)} belongs"


@pytest.mark.parametrize("module", sorted(MODULES.keys() - TOP))
def test_a_lower_layer_never_imports_a_higher_one(module):
    higher = {
        other
        for other in imported(MODULES[module])
        if other in TOP or layer(other) is None or layer(other) > layer(module)
    }
    assert not higher


@pytest.mark.parametrize(
    "module", [name for name in sorted(MODULES) if name.startswith("gpuae.storage.")]
)
def test_a_room_of_the_storage_imports_only_those_before_it(module):
    own = ROOMS.index(module.split(".")[2])
    others = {name for name in imported(MODULES[module]) if name.startswith("gpuae.storage.")}
    assert {name for name in others if ROOMS.index(name.split(".")[2]) > own} == set()


def test_errors_and_settings_import_nothing_else_of_the_package():
    assert imported(MODULES["gpuae.errors"]) == set()
    assert {part(name) for name in imported(MODULES["gpuae.config"])} == {"errors", "functions"}


def test_settings_are_known_before_anything_that_computes(run_python):
    run_python(
        "import sys, gpuae.config\n"
        "loaded = {'numba', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )


@pytest.mark.parametrize(
    "module", [name for name in sorted(MODULES) if part(name) in ("backends", "storage")]
)
def test_backends_and_storage_know_nothing_of_each_other(module):
    other = {"backends": "storage", "storage": "backends"}[part(module)]
    assert not {name for name in imported(MODULES[module]) if part(name) == other}


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in sorted(MODULES)
        if part(name) not in ("backends", "benchmark", "cli", "diagnosis")
    ],
)
def test_only_the_backends_know_a_backend_by_name(module):
    """Of the backends others import the protocol, Philox and what a device is chosen by."""
    allowed = {"gpuae.backends", "gpuae.backends.ops", "gpuae.backends.philox"}
    allowed |= {"gpuae.backends.weighing"}
    backends = {name for name in imported(MODULES[module]) if part(name) == "backends"}
    assert backends <= allowed
    names = {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8")))
        if isinstance(node, ast.Name | ast.Attribute)
    }
    assert names.isdisjoint({"NumpyOps", "NumbaOps", "CupyOps"})


@pytest.mark.parametrize(
    "module", [name for name in sorted(MODULES) if part(name) in ("model", "training")]
)
def test_the_mathematics_does_not_reach_for_a_library_that_computes(module):
    """What runs on a device goes through the operations; the host's part is plain NumPy."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add(node.module.split(".")[0])
    assert roots.isdisjoint({"numba", "cupy", "scipy", "sklearn", "threadpoolctl", "h5py"})


def test_no_imports_go_round_in_a_circle():
    graph = {name: imported(path, when_loaded=True) for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def test_importing_the_package_is_cheap(run_python):
    run_python(
        "import sys, gpuae\n"
        "assert 'Autoencoder' in dir(gpuae) and gpuae.__version__\n"
        "loaded = {'sklearn', 'numba', 'scipy', 'numpy', 'h5py'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )


def test_the_package_gives_the_estimator_when_it_is_asked_for():
    import gpuae
    from gpuae.estimator import Autoencoder, load

    assert gpuae.Autoencoder is Autoencoder
    assert gpuae.load is load
    with pytest.raises(AttributeError, match="nothing"):
        _ = gpuae.nothing
