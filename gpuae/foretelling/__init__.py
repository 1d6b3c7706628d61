"""What a command will take, foretold before it is begun: time, memory, and the size of its output.

All that a command does is done, but for the bulk of its work: no step is taken that changes a
weight, and only some rows are encoded. What that bulk takes is measured on a part of it. Nothing is
written that stays.
"""

from gpuae.foretelling.codes import CodesTask, foretell_encode
from gpuae.foretelling.foretold import Foretold
from gpuae.foretelling.training import foretell_fit

__all__ = ["CodesTask", "Foretold", "foretell_encode", "foretell_fit"]
