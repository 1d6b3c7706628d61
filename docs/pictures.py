"""Makes the pictures of README.md and of docs/: `make pictures`.

Everything in them comes from gpuae's own commands. MNIST is looked for where the environment
variable GPUAE_DATA says; without it the pictures of MNIST stay as they are. Pages are photographed
in Chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

IMAGES = Path(__file__).parent / "images"
TUTORIALS = Path(__file__).parent / "tutorials"
DATA = Path(os.environ.get("GPUAE_DATA", Path(__file__).parents[2] / "shared" / "data"))
COLOURS = 64
"""Of a picture that is stored: as many as can be told apart."""
WIDTH = 1100
"""Of a window that is photographed, in pixels."""
BLOCK = re.compile(r"^```(python|shell)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OF_TUTORIALS = {
    "spectra": {"faults.png": "spectra.png", "errors.png": "spectra-errors.png"},
    "counts": {"map.png": "counts.png"},
}
"""Pictures that tutorials make, and what they are called in docs/images."""


def main() -> None:
    """Make all of them in a folder that is removed, and put them into docs/images."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        of_photographs()
        of_digits()
        for name, pictures in OF_TUTORIALS.items():
            of_tutorial(name, pictures)
        if (DATA / "mnist").is_dir():
            of_mnist()
        else:
            print(f"no MNIST in {DATA}: its pictures stay as they are", file=sys.stderr)
        for path in sorted(Path().glob("*.png")):
            stored(path)


def of_photographs() -> None:
    """Edges, from patches of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images

    Path("photographs").mkdir()
    for number, image in enumerate(load_sample_images().images):
        Image.fromarray(image).save(f"photographs/{number}.png")
    scaled = "--grey --scale-rows standard --count 20000 --seed 0"
    gpuae(f"convert photographs patches.h5 --patches 10x10 {scaled}")
    gpuae("fit patches.h5 -o edges.h5 --preset edge-filters")
    gpuae("plot weights edges.h5 -o filters.png --alike")


def of_digits() -> None:
    """Reconstructions, units and the course of training, of a first model."""
    gpuae("fit digits -o first.h5 --hidden 8")
    gpuae("plot reconstructions first.h5 digits --count 10 -o first-rows.png")
    gpuae("plot onehot first.h5 -o onehot.png")
    gpuae("plot history first.h5 -o history.png")


def of_tutorial(name: str, pictures: dict[str, str]) -> None:
    """Do what a tutorial says, in a folder of its own, and take some of its pictures."""
    here = Path.cwd()
    Path(name).mkdir()
    os.chdir(name)
    names = {"__name__": "tutorial"}
    for kind, text in BLOCK.findall((TUTORIALS / f"{name}.md").read_text("utf-8")):
        if kind == "python":
            exec(compile(text, name, "exec"), names)
            continue
        for line in text.splitlines():
            gpuae(line.removeprefix("gpuae "))
    os.chdir(here)
    for own, stored_as in pictures.items():
        (here / name / own).rename(here / stored_as)


def of_mnist() -> None:
    """Reconstructions, a map of codes, a report and the live page, of handwritten digits."""
    for name, kind in (("train", "train"), ("test", "t10k")):
        images, labels = (unpacked(f"{kind}-{what}") for what in ("images-idx3", "labels-idx1"))
        gpuae(f"convert {images} {name}.h5 --labels {labels}")
    gpuae("fit train.h5 -o digits.h5 --hidden 16")
    gpuae("fit train.h5 -o denoiser.h5 --preset denoise --noise-level 1 --hidden 64")
    gpuae("plot reconstructions denoiser.h5 test.h5 --count 10 -o denoised.png")
    gpuae("plot map digits.h5 test.h5 --method tsne -o map.png")
    gpuae("report digits.h5 test.h5 -o report.html")
    with browser() as window:
        window.goto(Path("report.html").absolute().as_uri())
        window.screenshot(path="report.png")
        photograph_live(window, "fit train.h5 -o watched.h5 --hidden 16 --live")


def photograph_live(window: Any, command: str) -> None:
    """Take a picture of a run's page half of the way, and end the run."""
    words = [sys.executable, "-m", "gpuae", *command.split()]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        address = next(line.split()[-1] for line in run.stderr if "http://" in line)
        window.goto(address)
        window.get_by_text("5 of ").wait_for(timeout=120_000)
        window.wait_for_timeout(1500)
        window.screenshot(path="live.png")
        run.terminate()
        run.stderr.read()


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a page of a browser without a window."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        own = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield own.new_page(viewport={"width": WIDTH, "height": 900})
        own.close()


def gpuae(command: str) -> None:
    """Run a command, which is printed."""
    print(f"gpuae {command}", flush=True)
    subprocess.run([sys.executable, "-m", "gpuae", *command.split()], check=True)


def unpacked(name: str) -> Path:
    """Return one of MNIST's files, packed or not."""
    found = sorted((DATA / "mnist").glob(f"{name}*"))
    if not found:
        raise SystemExit(f"{DATA / 'mnist'}: has no {name}-ubyte")
    return found[0]


def stored(path: Path) -> None:
    """Put a picture into docs/images, of few colours, so that it is small."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(COLOURS).save(IMAGES / path.name, optimize=True)
    print(f"{path.name}: {(IMAGES / path.name).stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
