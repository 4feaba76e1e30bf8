#!/bin/sh
# Makes the serving environment, .venv-serving: vLLM for this machine, apart from the core environment because the two need different libraries.
# Does nothing when the environment is already what the requirements say.
#
#   PYTHON          interpreter to build on (default: python3); 3.11 is what the CPU pins were made on
#   SERVING_KIND    cpu or gpu (default: gpu when nvidia-smi lists one)
#   SERVING_VENV    where to make it (default: .venv-serving beside this folder)
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=${SERVING_VENV:-$root/.venv-serving}
python=${PYTHON:-python3}

if [ -n "${SERVING_KIND:-}" ]; then
    kind=$SERVING_KIND
elif command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then
    kind=gpu
else
    kind=cpu
fi
requirements=$root/requirements/serving-$kind.txt
if [ ! -f "$requirements" ]; then
    echo "serving-env: SERVING_KIND is '$kind'; choose from: cpu, gpu" >&2
    exit 1
fi

# Written last, so it is there only when everything before it went well.
stamp=$venv/.requirements
digest="$kind $(cksum <"$requirements")"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ]; then
    echo "serving-env: $venv is up to date ($kind)" >&2
    exit 0
fi

if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'; then
    echo "serving-env: vLLM needs Python 3.11 to 3.14, and '$python' is another; set PYTHON" >&2
    exit 1
fi
echo "serving-env: making $venv ($kind); this takes a few minutes" >&2
"$python" -m venv --clear "$venv"
if [ "$kind" = cpu ]; then
    # The list is complete. Resolving dependencies would bring in CUDA builds of torchvision, torchaudio, torchcodec and triton, which do not load here.
    "$venv/bin/python" -m pip install --quiet --no-deps -r "$requirements"
else
    "$venv/bin/python" -m pip install --quiet -r "$requirements"
fi
"$venv/bin/python" -c 'import vllm; print("serving-env: vLLM", vllm.__version__)' >&2
echo "$digest" >"$stamp"
