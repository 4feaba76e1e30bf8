"""The files around serve.yaml: start.sh, server.env and README.md, for the person or the service manager that runs the server."""

import ipaddress
import json
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources

from adapt.serving.options import BASE_NAME, Offer
from adapt.spec.serving import ServerSpec


def start_script(base: str | None) -> str:
    """The POSIX shell script that starts the server; `base` is the folder of the base model, None for one from the hub."""
    script = resources.files(__package__).joinpath("start.sh").read_text(encoding="utf-8")
    return script.replace("@BASE@", shlex.quote(base or ""))


def environment(server: ServerSpec, *, offline: bool) -> str:
    """server.env: the variables that start.sh sets, also readable as an `EnvironmentFile` or by `docker --env-file`."""
    return "".join(f"# {reason}\n{name}={value}\n" for name, value, reason in _variables(server, offline=offline))


def variables(server: ServerSpec, *, offline: bool) -> dict[str, str]:
    """The same variables without their reasons."""
    return {name: value for name, value, _ in _variables(server, offline=offline)}


def _variables(server: ServerSpec, *, offline: bool) -> list[tuple[str, str, str]]:
    cores = "Leave the choice of cores to the system, so that the server runs beside others and in containers. Not read on a GPU."
    hub = "Read models from disk only; a missing file is an error, not a download." if offline else "The base model comes from the model hub."
    routes = "Ask the plugin for adapters. It also opens routes that load any folder; the middleware closes them."
    return [
        ("VLLM_CPU_KVCACHE_SPACE", str(server.cpu_kv_cache_gib), "Memory for the key-value cache on a CPU, in GiB (server.cpu_kv_cache_gib)."),
        ("VLLM_CPU_OMP_THREADS_BIND", "nobind", cores),
        ("HF_HUB_OFFLINE", str(int(offline)), hub),
        ("VLLM_NO_USAGE_STATS", "1", "Send nobody reports about use."),
        ("DO_NOT_TRACK", "1", "The same, for libraries that go by this name."),
        ("HF_HUB_DISABLE_TELEMETRY", "1", "The same, for the model hub's library."),
        ("VLLM_PLUGINS", "adapt", "Of plugins, load ours alone: it decides which adapters are loaded."),
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "1", routes),
    ]


def models_file(
    offers: Sequence[Offer],
    left_out: Mapping[str, str],
    disabled: Sequence[str],
    *,
    base_digest: str,
) -> str:
    """models.json: from each adapter's stable name to what the server calls it now, and why the others are
    not served.

    `disabled` are those whose spec says so: their names are taken away, while others keep the version that
    served last.
    """
    adapters = {
        offer.name: {"served_name": offer.served_name, "path": offer.path, "rank": offer.rank, "digest": offer.digest, "base_digest": base_digest}
        for offer in offers
    }
    content = {
        "base": {"served_name": BASE_NAME, "digest": base_digest},
        "adapters": adapters,
        "left_out": dict(left_out),
        "disabled": sorted(disabled),
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def readme(server: ServerSpec, offers: Sequence[Offer]) -> str:
    """README.md, with requests that work as they stand."""
    address = f"http://{reachable(server.host)}:{server.port}"
    chosen = offers[0].name if offers else BASE_NAME
    listed = "".join(f"- `{offer.name}`: adapter, built as `{offer.served_name}`\n" for offer in offers)
    text = resources.files(__package__).joinpath("readme.md").read_text(encoding="utf-8")
    return text.replace("@ADDRESS@", address).replace("@MODEL@", chosen).replace("@BASE@", BASE_NAME).replace("@ADAPTERS@", listed)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reachable(host: str) -> str:
    """An address to send requests to: a server that listens everywhere is asked on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
