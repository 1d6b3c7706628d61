"""Read a dense autoencoder of another program and make a model of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpuae.errors import InputError
from gpuae.exchange import keras_file, safetensors_bytes, sparse_layout, state_dict, torch_archive
from gpuae.exchange.about import NAME as ABOUT
from gpuae.exchange.about import described
from gpuae.exchange.chain import Chain, Named, model_of
from gpuae.model.model import Model
from gpuae.storage.files.input_file import InputFile, check_unchanged
from gpuae.storage.files.limits import check_memory
from gpuae.storage.kinds.model_contents import first_problem
from gpuae.storage.provenance import lineage

if TYPE_CHECKING:
    from gpuae.estimator import Autoencoder

ROLE = "imported"
"""What the file is to the model, in its provenance."""


def _from_torch(file: InputFile) -> Chain:
    arrays, text = torch_archive.read(file.stream(), str(file))
    return described(state_dict.chain(arrays, str(file)), text, str(file))


def _from_safetensors(file: InputFile) -> Chain:
    source = str(file)
    check_memory(file.size, source, "give a smaller model")
    content = file.read(0, file.size)
    arrays = safetensors_bytes.unpacked(content, source)
    if set(arrays) == set(sparse_layout.NAMES):
        return sparse_layout.chain(arrays, file.path)
    found = state_dict.chain(state_dict.in_order(arrays), source)
    return described(found, safetensors_bytes.metadata(content, source).get(ABOUT), source)


FORMATS: Mapping[str, Callable[[InputFile], Chain]] = {
    ".keras": keras_file.from_archive,
    ".h5": keras_file.from_hdf5,
    ".hdf5": keras_file.from_hdf5,
    ".pt": _from_torch,
    ".pth": _from_torch,
    ".safetensors": _from_safetensors,
}
"""By the ending of the name."""


def import_model(
    path: str | Path,
    *,
    activation: str | None = None,
    code_activation: str | None = None,
    output_activation: str | None = None,
    k: int | None = None,
) -> Autoencoder:
    """Read a dense autoencoder that Keras or PyTorch saved.

    Nothing that the file says is ever executed.

    Parameters
    ----------
    path
        A whole model of Keras (.keras or .h5), a state dict of PyTorch (.pt or .pth), or
        safetensors.
    activation, code_activation, output_activation
        Of all hidden layers, of the code if that has another one, and of the output, where the
        file does not say; they win where it does.
    k
        How many of the largest units of a code stay, where the file does not say; None: all.

    Returns
    -------
    Autoencoder
        Fitted, with the weights of the file; `save` writes it as a model.

    Raises
    ------
    ConfigError
        Where the file does not say which activations it has and they are not given either.
    InputError
        For a file that cannot be read, and for a network that is no dense autoencoder.
    """
    from gpuae.estimator import _fitted

    named = Named(activation, code_activation, output_activation, k)
    return _fitted(imported(InputFile(Path(path)), named))


def imported(file: InputFile, named: Named) -> Model:
    """Return the model of another program's file; it says which file that was."""
    read = FORMATS.get(file.path.suffix.lower())
    if read is None:
        raise InputError(
            f"{file}: the ending of the name says the format, and is one of {', '.join(FORMATS)}"
        )
    model = model_of(read(file), named, str(file))
    source = lineage.source_file(ROLE, file, str(file))
    check_unchanged(file)
    made = replace(model, attributes=lineage.attributes("import", [source]))
    if problem := first_problem(made.contents()):
        raise InputError(f"{file}: makes no model, for its {problem}; save it again")
    return made
