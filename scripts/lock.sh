#!/bin/sh
# Writes requirements/lock.txt: the newest versions that pyproject.toml allows, extras included, resolved in an empty environment.
# torch stays pinned: a looser range would bring another build of it, and several GB of CUDA packages, to machines without a GPU.
# triton stays out: torch's CUDA builds ask for the one that they were made with.
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT
"$python" -m venv "$aside/venv"
"$aside/venv/bin/python" -m pip --quiet --disable-pip-version-check install "torch==2.13.0" -e '.[dev,all]' editables
{
    echo "# Written by make lock; a pip constraints file. Core, development and extras, for every supported Python."
    "$aside/venv/bin/python" -m pip freeze --exclude-editable | sed 's/+cpu$//' | grep -v -e '^adapt-build' -e '^triton=='
} > "$aside/lock.txt"
cp "$aside/lock.txt" requirements/lock.txt
