#!/bin/sh
# Makes the environment that GPTQ, AWQ, W8A8 and FP8 exports run in, .venv-quantize: llm-compressor, apart from the core environment because the two
# need different libraries. Does nothing when the environment is already what the requirements say.
#
#   PYTHON          interpreter to build on (default: python3)
#   QUANTIZE_KIND   cpu or gpu (default: gpu when nvidia-smi lists one)
#   QUANTIZE_VENV   where to make it (default: .venv-quantize beside this folder)
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=${QUANTIZE_VENV:-$root/.venv-quantize}
python=${PYTHON:-python3}

if [ -n "${QUANTIZE_KIND:-}" ]; then
    kind=$QUANTIZE_KIND
elif command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then
    kind=gpu
else
    kind=cpu
fi
requirements=$root/requirements/quantize-$kind.txt
if [ ! -f "$requirements" ]; then
    echo "quantize-env: QUANTIZE_KIND is '$kind'; choose from: cpu, gpu" >&2
    exit 1
fi

# Written last, so it is there only when everything before it went well.
stamp=$venv/.requirements
digest="$kind $(cksum <"$requirements")"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ]; then
    echo "quantize-env: $venv is up to date ($kind)" >&2
    exit 0
fi
echo "quantize-env: making $venv ($kind); this takes a few minutes" >&2
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
"$venv/bin/python" -c 'from importlib.metadata import version; print("quantize-env: llm-compressor", version("llmcompressor"))' >&2
echo "$digest" >"$stamp"
