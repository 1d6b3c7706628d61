"""What compress is worth: bits against error, beside PCA through the same code, and beside JPEG.

    python bench/compression.py TRAIN TEST FOLDER [--epochs N] [--sizes 8,16] [--plot FILE.png]

TRAIN and TEST are images (idx files, or what convert made of them). Models are fitted to TRAIN and
kept in FOLDER, where those that are there are taken as they are; all figures are of TEST. Needs
Pillow and matplotlib. Prints bits a pixel for the codes alone and for the whole file, and PSNR; for
JPEG (gray, optimized tables, no header counted twice) of all images tiled into one sheet, as they
are and padded to whole blocks of 8 × 8, and of each image as a file of its own.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from gpuae.compression.files import output_for, write_codes
from gpuae.compression.steps import Sample, Steps
from gpuae.config import Config
from gpuae.importers import open_data
from gpuae.model.model import Model
from gpuae.training.fitting import fit

PCA = {
    "activation": "identity",
    "code_activation": "identity",
    "output_activation": "identity",
    "init": "pca",
    "scale": "pooled",
    "epochs": 0,
}
BITS = (2, 3, 4, 5, 6, 8)
QUALITIES = (1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)


@dataclass(frozen=True)
class Point:
    """One way to store the images."""

    method: str
    setting: str
    bits: float
    """A pixel, without the decoder."""
    whole_bits: float
    """A pixel, of the whole file."""
    psnr: float


def model_of(path: Path, rows: NDArray[Any], settings: dict[str, Any]) -> Model:
    """Return a model that is kept, or fit and keep it."""
    if not path.exists():
        fit(rows, Config.parse(settings)).model.save(path)
    return Model.load(path)


def coded(method: str, model: Model, rows: NDArray[Any], peak: int, folder: Path) -> list[Point]:
    """Return what a model's codes take and lose, by bits of a value."""
    steps = Steps.of(model, Sample.of(model, rows))
    found = []
    for bits in BITS:
        path, grid = folder / "compressed.h5", steps.grid(bits)
        with output_for(path, model, rows, grid, steps.level_type(grid), force=True) as out:
            errors = write_codes(model, rows, grid, out)
        setting = f"{model.network.code_size} units, {bits} bits"
        taken = (8 * size / rows.size for size in (out.stored, path.stat().st_size))
        found.append(Point(method, setting, *taken, 20 * np.log10(peak / errors.rmse)))
    return found


def tiled(images: NDArray[np.uint8], pad: int) -> NDArray[np.uint8]:
    """Return images (n, h, w) as one sheet, each padded to multiples of `pad`."""
    n, height, width = images.shape
    across = int(np.ceil(np.sqrt(n)))
    grown = [(0, across * across - n), (0, -height % pad), (0, -width % pad)]
    cells = np.pad(images, grown)
    _, height, width = cells.shape
    rows = cells.reshape(across, across, height, width).swapaxes(1, 2)
    return rows.reshape(across * height, across * width)


def untiled(sheet: NDArray[np.uint8], shape: tuple[int, int, int], pad: int) -> NDArray[np.uint8]:
    """Invert `tiled`."""
    n, height, width = shape
    cell = (height + -height % pad, width + -width % pad)
    across = sheet.shape[0] // cell[0]
    cells = sheet.reshape(across, cell[0], across, cell[1]).swapaxes(1, 2)
    return cells.reshape(-1, *cell)[:n, :height, :width]


def jpeg(image: NDArray[np.uint8], quality: int) -> tuple[int, NDArray[np.uint8]]:
    """Return the size of an image as JPEG, and what comes back."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=True)
    return len(file.getvalue()), np.asarray(Image.open(file))


def jpegs(images: NDArray[np.uint8], peak: int) -> list[Point]:
    """Return what JPEG takes and loses."""

    def point(method: str, quality: int, size: int, back: NDArray[np.uint8]) -> Point:
        error = np.sqrt(((back.astype(float) - images) ** 2).mean())
        bits = 8 * size / images.size
        return Point(method, f"quality {quality}", bits, bits, 20 * np.log10(peak / error))

    found = []
    for quality in QUALITIES:
        for name, pad in (("JPEG, one sheet", 1), ("JPEG, one sheet, padded", 8)):
            size, back = jpeg(tiled(images, pad), quality)
            found.append(point(name, quality, size, untiled(back, images.shape, pad)))
        each = [jpeg(image, quality) for image in images]
        back = np.stack([image for _, image in each])
        found.append(point("JPEG, each image", quality, sum(size for size, _ in each), back))
    return found


def lower_hull(points: list[Point], whole: bool) -> list[Point]:
    """Return the points that none with as few bits is better than, by bits."""
    best: list[Point] = []
    for point in sorted(points, key=lambda own: own.whole_bits if whole else own.bits):
        if not best or point.psnr > best[-1].psnr:
            best.append(point)
    return best


def plot(points: list[Point], rows: int, path: Path) -> None:
    """Draw the best of each method: the codes alone, and whole files."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    titles = ("codes alone (the decoder is known)", f"whole files of {rows:,} images")
    for whole, (axes, title) in enumerate(zip(figure.subplots(1, 2), titles, strict=True)):
        for method in dict.fromkeys(point.method for point in points):
            own = lower_hull([one for one in points if one.method == method], bool(whole))
            bits = [one.whole_bits if whole else one.bits for one in own]
            axes.plot(bits, [one.psnr for one in own], "o-", markersize=3, label=method)
        axes.set(xscale="log", xlabel="bits a pixel", ylabel="PSNR, dB", title=title)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Fit, measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("train", "test"):
        parser.add_argument(name)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--sizes", default="8,16,32,64")
    parser.add_argument("--peak", type=int, default=255, help="the largest value of a pixel")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    train, test = (open_data(name) for name in (given.train, given.test))
    shape = test.image_shape or (round(test.x.shape[1] ** 0.5),) * 2
    rows, points = np.asarray(test.x), []
    for size in map(int, given.sizes.split(",")):
        ways = {"autoencoder": {"epochs": given.epochs, "patience": 0, "validation": 0}, "PCA": PCA}
        for method, settings in ways.items():
            path = given.folder / f"{method}-{size}.h5"
            model = model_of(path, train.x, {"hidden": [size], **settings})
            points += coded(method, model, rows, given.peak, given.folder)
    brighter = 255 // given.peak
    images = (rows * brighter).astype(np.uint8).reshape(-1, *shape[:2])
    points += jpegs(images, brighter * given.peak)
    for method in dict.fromkeys(point.method for point in points):
        for one in lower_hull([one for one in points if one.method == method], whole=False):
            print(
                f"{one.method:24s} {one.setting:20s} {one.bits:8.4f} bits a pixel, whole file "
                f"{one.whole_bits:8.4f}  {one.psnr:6.2f} dB"
            )
    if given.plot:
        plot(points, len(rows), given.plot)
        table = json.dumps([asdict(point) for point in points], indent=1)
        given.plot.with_suffix(".json").write_text(table)


if __name__ == "__main__":
    main()
