"""Published results, brought about by the commands of gpuae: see bench/README.md."""
