#!/usr/bin/env bash
# Checks gpuae on a machine with a GPU and leaves everything it finds in a folder.
#
#     bench/gpu_check.sh OUTDIR
#
# Needs no network: this checkout is installed as it is, with the wheels in wheels/ beside it, for
# packages that the machine lacks, setuptools 77 among them (GPUAE_WHEELS names another folder).
# PYTHON chooses the interpreter.
set -euo pipefail
if [ $# -ne 1 ]; then
    echo "usage: bench/gpu_check.sh OUTDIR" >&2
    exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
wheels=${GPUAE_WHEELS:-wheels}
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT

install=("$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps
    --no-build-isolation --target "$site")
if compgen -G "$wheels/*.whl" >/dev/null; then
    "${install[@]}" "$wheels"/*.whl
fi
export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
"${install[@]}" .
"$python" -P bench/gpu_check.py "$out"
