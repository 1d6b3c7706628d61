"""What the reference shows is documented: parameters, what is returned, and what is raised."""

import inspect
import re
from importlib import import_module

import pytest
from documents import ROOT

PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
SHOWN = [
    name
    for page in PAGES
    for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
]
NEVER_RAISE = {"gpuae.trust_size", "gpuae.allow_filters", "gpuae.filters.maximal_inputs"}


def found(name):
    home, _, own = name.rpartition(".")
    return getattr(import_module(home), own)


def methods(kind):
    """Yield the public methods of a class that gpuae itself defines."""
    for name in dir(kind):
        own = inspect.getattr_static(kind, name)
        function = getattr(own, "__func__", own)
        public = inspect.isfunction(function) and not name.startswith("_")
        if public and function.__module__.startswith("gpuae."):
            yield name, function


def callables():
    for name in SHOWN:
        thing = found(name)
        if not inspect.isclass(thing):
            yield name, thing
        else:
            yield from ((f"{name}.{own}", function) for own, function in methods(thing))


CALLABLES = dict(callables())


def section(doc, title):
    """Return the lines of a section of a docstring."""
    match = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[^\n]*\n---|\Z)", doc, re.MULTILINE | re.DOTALL)
    return match[1] if match else ""


def test_there_is_something_to_look_at():
    assert len(CALLABLES) > 30


@pytest.mark.parametrize("name", CALLABLES)
def test_a_function_says_what_it_takes_returns_and_raises(name):
    function = CALLABLES[name]
    doc, signature = inspect.getdoc(function) or "", inspect.signature(function)
    assert re.match(r"[A-Z][^\n]*[.:]\n|[A-Z][^\n]*\.$", doc)
    taken = {own for own in signature.parameters if own not in ("self", "cls")}
    described = re.findall(r"^(\w[\w, ]*)$", section(doc, "Parameters"), re.MULTILINE)
    assert {own for line in described for own in line.split(", ")} == taken
    assert bool(section(doc, "Returns")) == (signature.return_annotation != "None")
    assert bool(section(doc, "Raises")) == (name not in NEVER_RAISE)


@pytest.mark.parametrize("name", [name for name in SHOWN if inspect.isclass(found(name))])
def test_a_class_says_what_it_is(name):
    kind = found(name)
    assert kind.__doc__
    if "fit" in vars(kind):
        assert section(inspect.getdoc(kind), "Attributes")
        assert section(inspect.getdoc(kind), "Examples")
