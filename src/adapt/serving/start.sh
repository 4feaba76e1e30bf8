#!/bin/sh
# Starts the vLLM server of this folder, in the foreground; arguments are passed on and win over serve.yaml.
#
#   VLLM_PYTHON   interpreter of the serving environment (default: python), such as /srv/adapt/.venv-serving/bin/python
#   ADAPT_LIVE    folder of signed adapters, aliases and keys (default: .adapt/serving of the workspace); `adapt serve --prepare` makes it
#   ADAPT_WITHOUT_KEYS   1: listen beyond this machine although there is no API key, for something else keeps others out
set -eu

live=${ADAPT_LIVE:-}
if [ -n "$live" ]; then
    live=$(CDPATH='' cd -- "$live" && pwd) # relative to the caller, not to this folder
fi

python=${VLLM_PYTHON:-python}
case $python in
*/*) python=$(CDPATH='' cd -- "$(dirname -- "$python")" && pwd)/${python##*/} ;; # relative to the caller, not to this folder
esac

# Every path in serve.yaml is relative to this folder.
CDPATH='' cd -- "$(dirname -- "$0")"

base=@BASE@ # empty: from the model hub
if [ -n "$base" ] && [ ! -f "$base/config.json" ]; then
    echo "start.sh: the base model is not at '$base', as seen from $(pwd)" >&2
    echo "hint: run \`adapt build\` in the workspace, or keep this folder at the place where it was built" >&2
    exit 1
fi
if ! command -v -- "$python" >/dev/null 2>&1; then
    echo "start.sh: there is no Python interpreter '$python'" >&2
    echo "hint: make the serving environment with \`adapt env serving\`, and set VLLM_PYTHON to .venv-serving/bin/python" >&2
    exit 1
fi

live=${live:-$(pwd)/../../.adapt/serving}
if [ ! -f "$live/access.json" ]; then
    echo "start.sh: there are no signed adapters, aliases and keys in '$live'" >&2
    echo "hint: run \`adapt serve --prepare\` in the workspace, or set ADAPT_LIVE" >&2
    exit 1
fi

# A version that serves although a newer build missed its gate may need what serve.yaml does not have.
if [ -f "$live/slots.json" ]; then
    slots=$(sed -n 's/.*"max_loras": \([0-9][0-9]*\).*/\1/p' "$live/slots.json")
    rank=$(sed -n 's/.*"max_lora_rank": \([0-9][0-9]*\).*/\1/p' "$live/slots.json")
    set -- --enable-lora --max-loras "$slots" --max-cpu-loras "$slots" --max-lora-rank "$rank" "$@"
fi

# vLLM's parser also takes an option by its beginning, with underscores, and with its value behind a =.
host=$(sed -n 's/^host: //p' serve.yaml | tr -d "\"'")
follows=
for argument in "$@"; do
    if [ -n "$follows" ]; then
        host=$argument
        follows=
        continue
    fi
    given=$(printf '%s' "${argument%%=*}" | tr _ -)
    case $given in
    --ssl*)
        echo "start.sh: $given: the server speaks plain HTTP" >&2
        echo "hint: put a proxy with TLS in front" >&2
        exit 1
        ;;
    --?*) ;;
    *) continue ;;
    esac
    for closed in --middleware --config --lora-modules --dtype --lora-dtype; do
        case $closed in
        "$given"*)
            echo "start.sh: $given cannot be given: $closed is set by this folder" >&2
            exit 1
            ;;
        esac
    done
    case --host in
    "$given"*)
        case $argument in
        *=*) host=${argument#*=} ;;
        *) follows=1 ;;
        esac
        ;;
    esac
done
case $host in
127.*[!0-9.]*) beyond=1 ;; # a name, not an address
127.* | localhost | ::1) beyond= ;;
*) beyond=1 ;;
esac
if [ -n "$beyond" ] && [ "${ADAPT_WITHOUT_KEYS:-}" != 1 ] && ! grep -q '"open": false' "$live/access.json"; then
    echo "start.sh: it would listen at $host, and there is no API key: anyone on the network could ask" >&2
    echo "hint: make one with \`adapt keys client NAME\`; ADAPT_WITHOUT_KEYS=1 where something else keeps others out" >&2
    exit 1
fi

set -a
ADAPT_LIVE=$live
ADAPT_CONFIGURATION=$(pwd)
PYTHONPATH=$(pwd)/plugin${PYTHONPATH:+:$PYTHONPATH}
. ./server.env
set +a

if ! { command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; }; then
    set -- --enforce-eager "$@" # no GPU, so no CUDA graphs to record
fi

# The shell becomes the server, so that it gets the signals itself: SIGTERM ends it and the processes that it started.
exec "$python" -m vllm.entrypoints.openai.api_server --config serve.yaml "$@"
