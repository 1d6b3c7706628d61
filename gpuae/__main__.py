"""python -m gpuae is the command gpuae."""

from gpuae.cli import main

main()
