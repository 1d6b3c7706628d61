"""The table of CUDA kernels: one row each, from which they are compiled, checked and launched."""

from __future__ import annotations

from itertools import product

from gpuae.backends.cuda_kernel import BLOCK, Kernel
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.losses import LOSSES

TILE_COLUMNS = 128
"""Columns of a tile of kernels that sum over rows."""
SUM_TILE = 4096
"""Elements of a tile of flat sums."""
MARKED = 2048
"""Units that a block marks the rows of."""
TURNED = 32
"""Units of a tile that is written transposed."""

REALS = (("float",), ("double",))
SHAPES = ("Wide", "Narrow")
"""C++ names of the tiles of small products."""
NOISES = {
    "gaussian": "Gaussian",
    "clipped_gaussian": "ClippedGaussian",
    "masking": "Masking",
    "salt_pepper": "SaltPepper",
}
"""C++ name of each kind of noise."""


def loss_type(loss: str, activation: str) -> str:
    """Return the C++ name of a loss with the output's activation."""
    own = LOSSES[loss]
    return own.struct if own.output else f"{own.struct}<{ACTIVATIONS[activation].struct}>"


_F = tuple(own.struct for own in ACTIVATIONS.values())
_ROW_LOSSES = tuple(own.struct for own in LOSSES.values() if own.compiled_row)
_LOSSES = tuple(
    dict.fromkeys(
        loss_type(name, activation)
        for (name, own), activation in product(LOSSES.items(), ACTIVATIONS)
        if not own.compiled_row
    )
)


def _with(kinds: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((real, kind) for (real,), kind in product(REALS, kinds))


_SOURCES = {
    "float": ("unsigned char", "unsigned short", "signed char", "short", "float"),
    "double": ("unsigned", "unsigned long long", "int", "Index", "double"),
}
"""Types of data that may be scaled in float32 for a float32 network, and those that are not."""
_GATHERS = (
    *((source, "float", "float") for source in _SOURCES["float"]),
    *(
        (source, "double", real)
        for (real,) in REALS
        for sources in _SOURCES.values()
        for source in sources
    ),
)
_COLUMN_BYTES = 8 * TILE_COLUMNS * 8
_BLOCK_SUM_BYTES = 8 * 8
_PRODUCT_BYTES = 4 * 32 * 64 * 4
_COUNT_BYTES = 8 * 256 * 4
_ENTRIES = ("Index rows", "Index k")
_BATCH = ("Index rows", "Index columns")
_ROW_WEIGHTS = "const Real*? row_weights (rows)"
_SCALING = (
    "const Source* source (*)",
    "const Number* center (columns)",
    "const Number* factor (columns)",
    "Number low",
    "Number high",
)
_PLACES = ("const Index* places (*)", "const Index* counters (*)", "Index first")
_NUMBERS = ("const Index* numbers (*)", "const Index* counters (*)", "Index first")
_DROPOUT = (
    *_NUMBERS,
    "unsigned long long seed",
    "unsigned stream",
    "unsigned long long threshold",
    "Real kept",
)

_PRODUCT = (
    "const float* a (rows, inner)",
    "bool a_transposed",
    "const float* b (inner, columns)",
    "bool b_transposed",
    "Index splits",
    "float*? partials (*)",
    "unsigned*? arrivals (*)",
)
_PRODUCT_SIZES = ("Index rows", "Index inner", "Index columns")
_MOVING = ("Real decay", "Index decayed", "double*? squares (*)", "Index tile", "Index count")

KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel(
            "gather",
            "rows.cu",
            ("Source", "Number", "Real"),
            _GATHERS,
            (*_PLACES, *_SCALING, "Real* out (rows, columns)", *_BATCH),
        ),
        Kernel(
            "corrupt",
            "rows.cu",
            ("Real", "Kind"),
            _with(tuple(NOISES.values())),
            (
                *_NUMBERS,
                "unsigned long long seed",
                "Real level",
                "unsigned long long threshold",
                "const Real* low (columns)",
                "const Real* high (columns)",
                "const Real* x (rows, columns)",
                "Real* noisy (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "gather_corrupt",
            "rows.cu",
            ("Source", "Number", "Real", "Kind"),
            tuple((*own, kind) for own in _GATHERS for kind in NOISES.values()),
            (
                "const Index* places (*)",
                *_NUMBERS,
                *_SCALING,
                "unsigned long long seed",
                "Real level",
                "unsigned long long threshold",
                "const Real* lowest (columns)",
                "const Real* highest (columns)",
                "Real* out (rows, columns)",
                "Real* noisy (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "dropout_mask",
            "rows.cu",
            ("Real",),
            REALS,
            (*_DROPOUT, "bool combine", "Real* mask (rows, columns)", *_BATCH),
        ),
        Kernel(
            "unscale",
            "rows.cu",
            ("Real", "Number"),
            (("float", "float"), ("float", "double"), ("double", "double")),
            (
                "const Real* x (rows, columns)",
                "const Number* center (columns)",
                "const Number* factor (columns)",
                "Number* out (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "normalize_rows",
            "counts.cu",
            ("Real",),
            REALS,
            ("Real* x (rows, columns)", "double total", *_BATCH),
        ),
        Kernel(
            "log1p_less",
            "counts.cu",
            ("Real",),
            REALS,
            (
                "const Real* x (rows, columns)",
                "const Real* center (columns)",
                "Real* out (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "bias_activation",
            "forward.cu",
            ("Real", "F"),
            _with(_F),
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "Real*? preactivation (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "bias_activation_dropout",
            "forward.cu",
            ("Real", "F"),
            _with(_F),
            (
                *_DROPOUT,
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "Real*? preactivation (rows, columns)",
                "Real* mask (rows, columns)",
                "Real* out (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "multiply",
            "forward.cu",
            ("Real",),
            REALS,
            (
                "const Real* a (count)",
                "const Real* mask (count)",
                "Real* out (count)",
                "Index count",
            ),
        ),
        Kernel(
            "copy_columns",
            "forward.cu",
            ("Real",),
            REALS,
            (
                "const Real* source (rows, width)",
                "Index width",
                "Index first",
                "Real* out (rows, out_width)",
                "Index out_width",
                "Index out_first",
                *_BATCH,
            ),
        ),
        Kernel(
            "row_errors",
            "forward.cu",
            ("Real",),
            REALS,
            (
                "const Real* output (rows, columns)",
                "const Real* target (rows, columns)",
                "double* errors (rows)",
                *_BATCH,
            ),
        ),
        Kernel(
            "topk_mask",
            "sparse.cu",
            ("Real",),
            REALS,
            ("const Real* a (rows, columns)", "Index k", "Real* mask (rows, columns)", *_BATCH),
            shared=_COUNT_BYTES,
        ),
        Kernel(
            "topk",
            "sparse.cu",
            ("Real",),
            REALS,
            (
                "const Real* a (rows, columns)",
                "Index k",
                "int* indices (rows, k)",
                "Real* values (rows, k)",
                *_BATCH,
            ),
            shared=_COUNT_BYTES,
        ),
        Kernel(
            "sparse_product",
            "sparse.cu",
            ("Real",),
            REALS,
            (
                "const int* indices (rows, k)",
                "const Real* values (rows, k)",
                "const Real* w (*)",
                "Real* out (rows, columns)",
                *_ENTRIES,
                "Index columns",
            ),
        ),
        Kernel(
            "sparse_delta",
            "sparse.cu",
            ("Real",),
            REALS,
            (
                "const int* indices (rows, k)",
                "const Real* delta_next (rows, columns)",
                "const Real* w (*)",
                "Real* out (rows, k)",
                *_ENTRIES,
                "Index columns",
            ),
        ),
        Kernel(
            "mark_rows",
            "sparse.cu",
            (),
            ((),),
            (
                "const int* indices (rows, k)",
                "unsigned* marks (*)",
                *_ENTRIES,
                "Index units",
            ),
            shared=4 * MARKED,
        ),
        Kernel(
            "sparse_hidden_delta",
            "sparse.cu",
            ("Real", "F"),
            _with(_F),
            (
                "Real* delta (rows, k)",
                "const Real* a (rows, k)",
                "const int* indices (rows, k)",
                "const unsigned* marks (*)",
                "Real* bias_gradient (units)",
                "bool accumulate",
                *_ENTRIES,
                "Index units",
            ),
        ),
        Kernel(
            "sparse_outer_rows",
            "sparse.cu",
            ("Real",),
            REALS,
            (
                "const int* indices (rows, k)",
                "const Real* values (rows, k)",
                "const Real* delta_next (rows, columns)",
                "const unsigned* marks (*)",
                "Index first",
                "Index count",
                "Real* out (count, columns)",
                "bool accumulate",
                *_ENTRIES,
                "Index columns",
                "Index units",
            ),
        ),
        Kernel(
            "sparse_outer_columns",
            "sparse.cu",
            ("Real",),
            REALS,
            (
                "const Real* inputs (rows, columns)",
                "const int* indices (rows, k)",
                "const Real* delta (rows, k)",
                "const unsigned* marks (*)",
                "Index first",
                "Index count",
                "Real* out (count, units)",
                "bool accumulate",
                *_ENTRIES,
                "Index columns",
                "Index units",
            ),
            shared=TURNED * (TILE_COLUMNS + 1) * 8,
        ),
        Kernel(
            "output_loss",
            "backward.cu",
            ("Real", "Loss"),
            _with(_LOSSES),
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "const Real* target (rows, columns)",
                _ROW_WEIGHTS,
                "Real parameter",
                "Index strip",
                "double* losses (*)",
                *_BATCH,
            ),
            shared=_BLOCK_SUM_BYTES,
        ),
        Kernel(
            "output_delta",
            "backward.cu",
            ("Real", "Loss"),
            _with(_LOSSES),
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "const Real* target (rows, columns)",
                _ROW_WEIGHTS,
                "Real factor",
                "Real parameter",
                "Index strip",
                "double* losses (*)",
                "Real* column_sums (*)",
                *_BATCH,
            ),
            shared=_COLUMN_BYTES,
        ),
        Kernel(
            "row_loss",
            "backward.cu",
            ("Real", "F", "Loss"),
            tuple((real, f, loss) for (real,), f, loss in product(REALS, _F, _ROW_LOSSES)),
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "const Real* target (rows, columns)",
                _ROW_WEIGHTS,
                "Real parameter",
                "bool finished",
                "double* losses (rows)",
                "double* of_target (rows)",
                "double* of_output (rows)",
                *_BATCH,
            ),
        ),
        Kernel(
            "row_delta",
            "backward.cu",
            ("Real", "F"),
            _with(_F),
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "const Real* target (rows, columns)",
                "const double* of_target (rows)",
                "const double* of_output (rows)",
                "Real factor",
                "Index strip",
                "Real* column_sums (*)",
                *_BATCH,
            ),
            shared=_COLUMN_BYTES,
        ),
        Kernel(
            "softmax_rows",
            "softmax.cu",
            ("Real",),
            REALS,
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "const Real*? target (rows, columns)",
                _ROW_WEIGHTS,
                "bool finished",
                "double* losses (rows)",
                "Real* top (rows)",
                "double* share (rows)",
                *_BATCH,
            ),
        ),
        Kernel(
            "softmax_delta",
            "softmax.cu",
            ("Real",),
            REALS,
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "const Real* target (rows, columns)",
                _ROW_WEIGHTS,
                "const Real* top (rows)",
                "const double* share (rows)",
                "double factor",
                "Index strip",
                "Real* column_sums (*)",
                *_BATCH,
            ),
            shared=_COLUMN_BYTES,
        ),
        Kernel(
            "hidden_delta",
            "backward.cu",
            ("Real", "F"),
            _with(_F),
            (
                "Real* delta (rows, columns)",
                "const Real* z (rows, columns)",
                "const Real* a (rows, columns)",
                "const Real*? mask (rows, columns)",
                "const Real*? slope (columns)",
                _ROW_WEIGHTS,
                "Real l1",
                "Index strip",
                "Real* column_sums (*)",
                *_BATCH,
            ),
            shared=_COLUMN_BYTES,
        ),
        Kernel(
            "product",
            "products.cu",
            ("Shape",),
            tuple((shape,) for shape in SHAPES),
            (*_PRODUCT, "float* out (rows, columns)", "bool add_to_out", *_PRODUCT_SIZES),
            shared=_PRODUCT_BYTES,
        ),
        Kernel(
            "product_activation",
            "products.cu",
            ("Shape", "F"),
            tuple(product(SHAPES, _F)),
            (
                *_PRODUCT,
                "const float* bias (columns)",
                "float*? preactivation (rows, columns)",
                "float* z (rows, columns)",
                *_PRODUCT_SIZES,
            ),
            shared=_PRODUCT_BYTES,
        ),
        Kernel(
            "product_output_delta",
            "products.cu",
            ("Shape", "Loss"),
            tuple(product(SHAPES, _LOSSES)),
            (
                *_PRODUCT,
                "const float* bias (columns)",
                "const float* target (rows, columns)",
                "const float*? row_weights (rows)",
                "float factor",
                "float parameter",
                "double* losses (*)",
                "float* column_sums (*)",
                "float* z (rows, columns)",
                *_PRODUCT_SIZES,
            ),
            shared=_PRODUCT_BYTES,
        ),
        Kernel(
            "product_hidden_delta",
            "products.cu",
            ("Shape", "F"),
            tuple(product(SHAPES, _F)),
            (
                *_PRODUCT,
                "const float* z (rows, columns)",
                "const float* activations (rows, columns)",
                "const float*? mask (rows, columns)",
                "const float*? slope (columns)",
                "const float*? row_weights (rows)",
                "float l1",
                "float* column_sums (*)",
                "float* delta (rows, columns)",
                *_PRODUCT_SIZES,
            ),
            shared=_PRODUCT_BYTES,
        ),
        Kernel(
            "kl_slope",
            "backward.cu",
            ("Real",),
            REALS,
            (
                "const double*? partials (*)",
                "Index strips",
                "bool add_to_sums",
                "double* sums (columns)",
                "double rows",
                "const double*? weight_sum (*)",
                "double rho",
                "double beta",
                "bool signed_units",
                "Real* slope (columns)",
                "double* total (*)",
                "Index columns",
            ),
            shared=_BLOCK_SUM_BYTES,
        ),
        Kernel(
            "column_sums",
            "sums.cu",
            ("Real",),
            REALS,
            (
                "const Real* a (rows, columns)",
                _ROW_WEIGHTS,
                "Index strip",
                "double* partials (*)",
                *_BATCH,
            ),
            shared=_COLUMN_BYTES,
        ),
        Kernel(
            "sum_of",
            "sums.cu",
            ("Real", "Term"),
            _with(("Absolute", "Square", "Product")),
            (
                "const Real* x (count)",
                "const Real* y (count)",
                "const Real*? row_weights (*)",
                "double* partials (*)",
                "Index count",
                "Index columns",
            ),
            shared=_BLOCK_SUM_BYTES,
        ),
        Kernel(
            "finish_columns",
            "sums.cu",
            ("T",),
            REALS,
            (
                "const T* columns (*)",
                "Index strips",
                "Index stride",
                "T* out (width)",
                "bool add_to_out",
                "Index width",
            ),
            shared=BLOCK * 8,
        ),
        Kernel(
            "finish_total",
            "sums.cu",
            (),
            ((),),
            (
                "const double* partials (tiles)",
                "Index tiles",
                "double factor",
                "double* total (*)",
                "bool add_to_total",
            ),
            shared=_BLOCK_SUM_BYTES,
        ),
        Kernel(
            "finish_all",
            "sums.cu",
            (),
            ((),),
            ("const Index* table (*)", "Index works", "Index groups"),
            shared=BLOCK * 8,
        ),
        Kernel(
            "adam",
            "parameters.cu",
            ("Real",),
            REALS,
            (
                "Real* w (count)",
                "const Real* g (count)",
                "Real* first (count)",
                "Real* second (count)",
                "const Index* counters (*)",
                "const double* rate (*)",
                "const double* known (*)",
                *_MOVING,
            ),
            shared=_BLOCK_SUM_BYTES + 2 * 8,
        ),
        Kernel(
            "sgd",
            "parameters.cu",
            ("Real",),
            REALS,
            (
                "Real* w (count)",
                "const Real* g (count)",
                "Real* velocity (count)",
                "const double* rate (*)",
                "Real momentum",
                *_MOVING,
            ),
            shared=_BLOCK_SUM_BYTES,
        ),
        Kernel(
            "axpby",
            "parameters.cu",
            ("Real",),
            REALS,
            ("Real alpha", "const Real* x (count)", "Real beta", "Real* y (count)", "Index count"),
        ),
        Kernel(
            "to_bfloat16",
            "parameters.cu",
            (),
            ((),),
            ("const float* x (count)", "unsigned short* y (count)", "Index count"),
        ),
        Kernel(
            "fill",
            "parameters.cu",
            ("Real",),
            REALS,
            ("Real* x (count)", "Real value", "Index count"),
        ),
        Kernel(
            "start_epoch",
            "parameters.cu",
            (),
            ((),),
            (
                "Index* counters (*)",
                "double* rate (*)",
                "Index epoch",
                "Index row_base",
                "double new_rate",
            ),
        ),
        Kernel(
            "advance",
            "parameters.cu",
            (),
            ((),),
            ("Index* counters (*)", "Index rows", "double* corrections (*)"),
        ),
    )
}
"""All kernels by name."""
