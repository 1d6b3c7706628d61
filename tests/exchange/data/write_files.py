"""Writes the files of this folder: KERAS_BACKEND=torch python tests/exchange/data/write_files.py.

Written by Keras 3.15.1 and PyTorch 2.13.0.
"""

import zipfile
from pathlib import Path

import keras
import numpy as np
import torch
from keras import layers

FOLDER = Path(__file__).parent
ROWS = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)


def sequential():
    """Return a network with layers that are folded or left out."""
    return keras.Sequential(
        [
            layers.Input((6,)),
            layers.GaussianNoise(0.1),
            layers.Dense(4, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.BatchNormalization(scale=False),
            layers.Dropout(0.1),
            layers.Dense(2, activation="tanh", name="code"),
            layers.Dense(4),
            layers.LeakyReLU(negative_slope=0.01),
            layers.Dense(6, activation="sigmoid"),
        ]
    )


def functional():
    """Return a graph whose layers have not the order of their making."""
    output, after = layers.Dense(6), layers.Dense(4, activation="gelu")
    rows = layers.Input((6,))
    code = layers.Dense(2, activation="swish")(layers.Dense(4, activation="elu")(rows))
    return keras.Model(rows, output(after(code)))


def nested():
    """Return a model of an encoder and a decoder."""
    encoder = [layers.Input((6,)), layers.Dense(4, activation="relu"), layers.Dense(2)]
    decoder = [layers.Input((2,)), layers.Dense(4, activation="relu"), layers.Dense(6)]
    parts = [keras.Sequential(own) for own in (encoder, decoder)]
    return keras.Sequential([layers.Input((6,)), *parts])


def branched():
    """Return a graph that is no chain."""
    rows = layers.Input((6,))
    first = layers.Dense(6)(rows)
    return keras.Model(rows, layers.Add()([rows, first]))


class Autoencoder(torch.nn.Module):
    """An encoder and a decoder, as people write them."""

    def __init__(self):
        super().__init__()
        linear, relu = torch.nn.Linear, torch.nn.ReLU
        self.encoder = torch.nn.Sequential(linear(6, 4), relu(), linear(4, 2))
        self.decoder = torch.nn.Sequential(linear(2, 4), relu(), linear(4, 6), torch.nn.Sigmoid())

    def forward(self, rows):
        """Return the reconstruction."""
        return self.decoder(self.encoder(rows))


def write_keras(made):
    """Write models of Keras, with numbers of normalisation as training leaves them."""
    random = np.random.default_rng(1)
    for make in (sequential, functional, nested, branched):
        model = make()
        sizes = [np.exp(0.5 * random.normal(size=own.shape)) for own in model.get_weights()]
        signs = [random.choice([-1, 1], own.shape) if own.ndim > 1 else 1 for own in sizes]
        model.set_weights([size * sign for size, sign in zip(sizes, signs, strict=True)])
        model.save(FOLDER / f"{make.__name__}.keras")
        if make in (functional, nested):
            model.save(FOLDER / f"{make.__name__}.h5")
        made[make.__name__] = model.predict(ROWS, verbose=0)
    pack(FOLDER / "sequential.keras")


def pack(path):
    """Compress an archive that would be larger than what a test should need."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_torch(made):
    """Write what PyTorch saves of a module."""
    torch.manual_seed(0)
    model = Autoencoder()
    with torch.no_grad():
        made["torch"] = model(torch.from_numpy(ROWS)).numpy()
    torch.save(model.state_dict(), FOLDER / "state_dict.pt")
    torch.save({"epoch": 3, "model": model.state_dict()}, FOLDER / "checkpoint.pt")
    torch.save(model, FOLDER / "whole_module.pt")


if __name__ == "__main__":
    made = {"rows": ROWS}
    write_keras(made)
    write_torch(made)
    np.savez_compressed(FOLDER / "outputs.npz", **made)
