"""gpuae doctor: what would this machine compute with?"""

from __future__ import annotations

from gpuae.cli.base import declare, json_option, print_json
from gpuae.cli.tables import print_table


@declare
@json_option
def command(as_json: bool) -> None:
    """Show CPU, BLAS and its kernel, threads, Numba, CUDA and CuPy: what is used, and why.

    \b
    Example:
      gpuae doctor
    """
    from gpuae.diagnosis import diagnose

    findings = diagnose()
    if as_json:
        print_json(findings)
    else:
        print_table("gpuae on this machine", list(findings.items()))
