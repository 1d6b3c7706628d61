"""What MkDocs does with these pages beside its own work: `make docs`.

The pages are written so that they can be read in the repository. For the site

- README.md becomes the home page,
- a link to a file outside docs/ leads to a page that shows this file,
- a pattern in the navigation stands for the pages that match it, in the order of their names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOME = "index.md"
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[#)])")
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LANGUAGES = {".py": "python", ".cu": "cuda", ".cuh": "cuda", ".toml": "toml"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace patterns in the navigation by pages."""
    assert config.nav is not None
    config.nav = [_expanded(entry) for entry in config.nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the home page, and a page for each file outside docs/ that a page links to."""
    files.append(File.generated(config, HOME, content=_text(ROOT / "README.md")))
    pages = [_path(file.src_uri) for file in files.documentation_pages()]
    for path in _linked_from(pages):
        page = File.generated(
            config, _uri(path), content=_shown(path), inclusion=InclusionLevel.NOT_IN_NAV
        )
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to pages of the site."""
    path = _path(page.file.src_uri)
    parts = FENCED.split(markdown)
    parts[::2] = [LINK.sub(lambda found: _link(path, found[1]), part) for part in parts[::2]]
    return "".join(parts)


def _expanded(entry: Any) -> Any:
    """Return an entry of the navigation in which no pattern is left."""
    if not isinstance(entry, dict):
        return entry
    ((title, value),) = entry.items()
    if isinstance(value, list):
        return {title: [_expanded(own) for own in value]}
    if "*" in value:
        paths = sorted(DOCS.glob(value), key=lambda path: (path.stem != "README", path.name))
        return {title: [path.relative_to(DOCS).as_posix() for path in paths]}
    return entry


def _linked_from(pages: list[Path]) -> list[Path]:
    """Return the files outside docs/ that pages link to, and those that these link to."""
    found: dict[Path, None] = {}
    waiting = list(pages)
    while waiting:
        for path in _targets(waiting.pop()):
            if _is_outside(path) and path not in found:
                found[path] = None
                waiting.append(path)
    return list(found)


def _targets(page: Path) -> Iterator[Path]:
    """Yield the files that a page links to."""
    if page.suffix != ".md":
        return
    for part in FENCED.split(_text(page))[::2]:
        for link in LINK.findall(part):
            if "://" not in link:
                yield _target(page, link)


def _target(page: Path, link: str) -> Path:
    """Return the file that a link in a page leads to; of a folder its README.md."""
    path = Path(os.path.normpath(page.parent / link))
    return path / "README.md" if path.is_dir() else path


def _is_outside(path: Path) -> bool:
    return path.is_file() and not path.is_relative_to(DOCS) and path != ROOT / "README.md"


def _link(page: Path, link: str) -> str:
    """Return a link of a page as the site has it."""
    if "://" in link:
        return link
    here = PurePosixPath(_uri(page)).parent
    return Path(os.path.relpath(_uri(_target(page, link)), here)).as_posix()


def _uri(path: Path) -> str:
    """Return where the site has a file of the repository."""
    if path == ROOT / "README.md":
        return HOME
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    name = path.relative_to(ROOT).as_posix()
    return f"source/{name}" if path.suffix == ".md" else f"source/{name}.md"


def _path(uri: str) -> Path:
    """Invert `_uri`."""
    if uri == HOME:
        return ROOT / "README.md"
    if not uri.startswith("source/"):
        return DOCS / uri
    name = ROOT / uri.removeprefix("source/")
    return name if name.is_file() else name.with_suffix("")


def _shown(path: Path) -> str:
    """Return a page that shows a file; the search leaves it out."""
    head = "---\nsearch:\n  exclude: true\n---\n\n"
    if path.suffix == ".md":
        return f"{head}{_text(path)}"
    name = path.relative_to(ROOT).as_posix()
    return f"{head}# {name}\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{_text(path)}````\n"


def _text(path: Path) -> str:
    return path.read_text("utf-8")
