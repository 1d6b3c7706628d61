"""python -m gpuae is the command gpuae."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command; until it can say so, Ctrl-C ends it without a word."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gpuae.cli import main as run

    run()


if __name__ == "__main__":
    main()
