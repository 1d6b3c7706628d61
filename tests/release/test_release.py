"""A release: one version everywhere, nothing missing or stray in it, tested as it is installed."""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from documents import ROOT

from release import contents, installed, pythons
from release.source import HEADING, ReleaseError, check_tag, committed, project, supported

PROJECT = project()
VERSION = PROJECT["version"]
PARTS = PROJECT["optional-dependencies"]
NOT_IN_ALL = {"all", "bench", "cuda12", "cuda13", "dev", "docs", "release"}
"""What develops, writes or releases gpuae, and a GPU's, of which one has to be chosen."""
SOURCE = {"gpuae/__init__.py", "gpuae/py.typed", "kernels/rows.cu", "tests/test_rows.py"}
INFO = "gpuae-1.0.dist-info"


@pytest.fixture
def wheel(tmp_path):
    """A function that writes a wheel with these files and with what all wheels have."""

    def write(*names, name="gpuae-1.0-py3-none-any.whl"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for own in (*names, *(f"{INFO}/{own}" for own in contents.ADDED)):
                archive.writestr(own, own)
        return path

    return write


@pytest.fixture
def sdist(tmp_path):
    """A function that writes a source distribution with these files."""

    def write(*names):
        path = tmp_path / "gpuae-1.0.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for own in names:
                archive.addfile(tarfile.TarInfo(f"gpuae-1.0/{own}"), io.BytesIO())
        return path

    return write


@pytest.fixture
def checkout(tmp_path):
    """A checkout of one commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "a.txt").write_text("committed\n")
    for words in (["init"], ["add", "."], ["commit", "-m", "first"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)
    return folder


# One version


@pytest.mark.parametrize(
    ("page", "said"),
    [("CITATION.cff", r"^version: (.+)$"), ("recipe/recipe.yaml", r"^  version: (.+)$")],
)
def test_the_version_is_the_same_wherever_it_is_written(page, said):
    assert re.search(said, (ROOT / page).read_text("utf-8"), re.MULTILINE)[1] == VERSION


def test_the_changes_begin_with_the_version_that_is_being_made():
    assert HEADING.search((ROOT / "CHANGELOG.md").read_text("utf-8"))[1] == VERSION


@pytest.mark.parametrize(
    ("tag", "changes", "said"),
    [
        ("v1.3.0", "## 1.2.0 (2026-01-31)", "the tag is v1.3.0"),
        ("v1.2.0", "## 1.2.0 (not released)", "has to begin with"),
        ("v1.2.0", "## 1.3.0 (2026-01-31)", "has to begin with"),
    ],
)
def test_a_tag_has_to_be_of_a_version_with_a_date(tag, changes, said):
    with pytest.raises(ReleaseError, match=said):
        check_tag(tag, "1.2.0", changes)


def test_the_tag_of_a_version_with_a_date_is_accepted():
    check_tag("v1.2.0", "1.2.0", "# Changelog\n\n## 1.2.0 (2026-01-31)\n\n## 1.1.0 (2025-12-01)\n")


# What it offers


def test_the_recipe_needs_what_the_package_needs():
    recipe = (ROOT / "recipe" / "recipe.yaml").read_text("utf-8")
    (needed,) = re.findall(r"^  run:\n((?:    - .+\n)+)", recipe, re.MULTILINE)
    wanted = [f"python {PROJECT['requires-python']}"]
    wanted += [own.replace(">=", " >=") for own in PROJECT["dependencies"]]
    assert re.findall(r"- (.+)", needed) == wanted


def test_all_has_every_part_that_is_for_users():
    (parts,) = PARTS["all"]
    named = re.fullmatch(r"gpuae\[(.+)\]", parts)[1].split(",")
    assert sorted(named) == sorted(PARTS.keys() - NOT_IN_ALL)


def test_the_oldest_python_that_is_named_is_the_oldest_that_installs_it():
    assert PROJECT["requires-python"] == f">={supported(PROJECT['classifiers'])[0]}"


# What is in it


def test_a_wheel_has_the_package_and_its_kernels_and_nothing_else(wheel):
    good = wheel("gpuae/__init__.py", "gpuae/py.typed", "gpuae/kernels/rows.cu")
    assert contents.wheel_problems(good, SOURCE) == []


def test_a_wheel_that_lacks_a_file_or_has_a_stray_one_is_refused(wheel):
    bad = wheel("gpuae/__init__.py", "gpuae/py.typed", "gpuae/old.py")
    assert [problem.split(": ")[1] for problem in contents.wheel_problems(bad, SOURCE)] == [
        "lacks gpuae/kernels/rows.cu",
        "has gpuae/old.py, which is not meant",
    ]


def test_a_wheel_for_one_system_is_refused(wheel):
    name = "gpuae-1.0-cp311-cp311-linux_x86_64.whl"
    own = wheel("gpuae/__init__.py", "gpuae/py.typed", "gpuae/kernels/rows.cu", name=name)
    assert len(contents.wheel_problems(own, SOURCE)) == 1


def test_a_source_distribution_has_all_but_what_only_a_checkout_needs(sdist):
    good = sdist(*SOURCE, "PKG-INFO", "setup.cfg", "gpuae.egg-info/SOURCES.txt")
    assert contents.sdist_problems(good, SOURCE | {".gitignore", ".github/a.yml"}) == []


def test_a_source_distribution_without_its_tests_is_refused(sdist):
    bad = sdist("gpuae/__init__.py", "gpuae/py.typed", "kernels/rows.cu", "notes.txt")
    assert len(contents.sdist_problems(bad, SOURCE)) == 2


def test_wheels_differ_by_the_files_that_one_lacks_or_has_with_other_content(wheel, tmp_path):
    one = wheel("gpuae/__init__.py", "gpuae/a.py").rename(tmp_path / "one.whl")
    other = wheel("gpuae/__init__.py")
    assert contents.unlike(one, other) == ["gpuae/a.py"]
    assert contents.unlike(one, one) == []


# What it is made from


def test_what_is_released_is_the_last_commit_and_nothing_that_lies_beside(checkout, tmp_path):
    folder = committed(tmp_path / "copy", checkout)
    assert contents.files_of(folder) == {"a.txt"}


def test_changes_in_no_commit_are_refused(checkout, tmp_path):
    (checkout / "b.txt").write_text("new\n")
    with pytest.raises(ReleaseError, match=r"commit or stash:\n.*b\.txt"):
        committed(tmp_path / "copy", checkout)


# What tests it


def test_pythons_are_found_by_what_they_answer_and_not_by_their_names(tmp_path):
    own = ".".join(map(str, sys.version_info[:2]))
    false = tmp_path / "python3.99"
    false.write_text("#!/bin/sh\nexit 127\n")
    false.chmod(0o755)
    found, missing = pythons.find([own, "3.99"], [str(false), sys.executable])
    assert (found[own], missing) == (sys.executable, ["3.99"])


def test_the_tests_are_unpacked_without_the_package(sdist, tmp_path):
    tree = installed.unpack_tests(sdist(*SOURCE), tmp_path / "tree")
    assert contents.files_of(tree) == SOURCE - {"gpuae/__init__.py", "gpuae/py.typed"}


def test_tests_of_an_installed_package_refuse_another_one(tmp_path):
    command = [sys.executable, "-m", "pytest", "--collect-only", "tests/test_words.py"]
    environment = {**os.environ, installed.SITE: str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert f"and not from {tmp_path}" in done.stdout + done.stderr
