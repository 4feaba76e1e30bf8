"""Files for those who run servers: docker compose, Kubernetes, KServe, the Gateway API and systemd, from the same data as serve.yaml.

Enters: the server's settings, the base and the adapters. Leaves: the folder `deploy/`. Every file starts the same `start.sh` on the same two folders:
the rendered configuration, which is only read, and the live folder, which `adapt deploy` changes. Private keys are in neither.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from adapt.serving.options import Offer
from adapt.spec.serving import ServerSpec

ROOT = "/srv/adapt"
"""Where the workspace's parts lie inside a container or on a server; the paths between them are those of the workspace."""
CONFIGURATION, LIVE = f"{ROOT}/dist/vllm", f"{ROOT}/.adapt/serving"
NAME = "adapt-vllm"
_USER = 10001
_START_SECONDS = 600
_HEADER = "# Rendered by `adapt` from the same settings as serve.yaml; docs/how-to/serve.md says how it is used.\n"


def write_platform_files(folder: Path, server: ServerSpec, *, model: str, variables: dict[str, str], offers: Sequence[Offer]) -> None:
    """Write the files into `folder`, which is made. `model` is the base as vLLM is told, `variables` what server.env sets."""
    folder.mkdir()
    files = {
        "compose.yaml": [compose(server, model=model)],
        "kubernetes.yaml": kubernetes(server, variables=variables),
        "kserve.yaml": [inference_service(server, model=model)],
        "gateway.yaml": [model_rewrite(offers)] if offers else [],
    }
    for name, documents in files.items():
        if documents:
            text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=150)
            (folder / name).write_text(_HEADER + text, encoding="utf-8", newline="\n")
    (folder / "adapt-vllm.service").write_text(systemd(server), encoding="utf-8", newline="\n")


def compose(server: ServerSpec, *, model: str) -> dict[str, Any]:
    """A compose file that lies in dist/vllm/deploy; the port is open on this machine alone."""
    mounts = [f"..:{CONFIGURATION}:ro", f"../../../.adapt/serving:{LIVE}:ro"]
    if (base := _base_folder(model)) is not None:
        mounts.append(f"../{model}:{base}:ro" if model.startswith("..") else f"{base}:{base}:ro")
    service = {
        "image": server.image,
        "entrypoint": [f"{CONFIGURATION}/start.sh"],
        "command": ["--host", "0.0.0.0", "--port", str(server.port)],
        "environment": {"VLLM_PYTHON": "python3", "ADAPT_LIVE": LIVE, "ADAPT_WITHOUT_KEYS": "1"},  # the port below is this machine's
        "volumes": mounts,
        "ports": [f"127.0.0.1:{server.port}:{server.port}"],
        "ipc": "host",
        "read_only": True,
        "tmpfs": ["/tmp", "/root/.cache"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "stop_grace_period": f"{server.shutdown_timeout_seconds + 15}s",
        "healthcheck": {
            "test": ["CMD", "python3", "-c", f"import urllib.request as r; r.urlopen('http://127.0.0.1:{server.port}/health', timeout=5)"],
            "interval": "10s",
            "start_period": f"{_START_SECONDS}s",
        },
        "deploy": {"resources": {"reservations": {"devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]}}},
    }
    return {"services": {"vllm": service}}


def kubernetes(server: ServerSpec, *, variables: dict[str, str]) -> list[dict[str, Any]]:
    """ConfigMap, Deployment and Service. Two claims hold the folders: `adapt-configuration` and `adapt-live`."""
    labels = {"app.kubernetes.io/name": NAME}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "labels": labels}, "data": variables}
    pod = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "fsGroup": _USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": server.shutdown_timeout_seconds + 15,
        "containers": [_container(server)],
        "volumes": _volumes(),
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": server.port, "targetPort": "http"}]},
    }
    return [config, deployment, service]


def inference_service(server: ServerSpec, *, model: str) -> dict[str, Any]:
    """KServe's LLMInferenceService: KServe routes and scales, the container is the same."""
    base = _base_folder(model)
    uri = f"hf://{model}" if base is None else f"pvc://adapt-configuration/{base.removeprefix(ROOT).lstrip('/')}"
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "LLMInferenceService",
        "metadata": {"name": NAME},
        "spec": {
            "model": {"name": "base", "uri": uri},
            "replicas": 1,
            "router": {"gateway": {}, "route": {}, "scheduler": {}},
            "template": {"containers": [{**_container(server), "name": "main"}], "volumes": _volumes()},
        },
    }


def model_rewrite(offers: Sequence[Offer]) -> dict[str, Any]:
    """The Gateway API's InferenceModelRewrite: stable names to versions, for those who shift traffic at the gateway and not at the server's door."""
    rules = [
        {
            "matches": [{"model": {"type": "Exact", "value": offer.name}}],
            "targets": [{"modelRewrite": offer.served_name, "weight": 100}],
        }
        for offer in offers
    ]
    return {
        "apiVersion": "inference.networking.x-k8s.io/v1alpha2",
        "kind": "InferenceModelRewrite",
        "metadata": {"name": NAME},
        "spec": {"poolRef": {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": NAME}, "rules": rules},
    }


def systemd(server: ServerSpec) -> str:
    """A unit for a workspace under /srv/adapt and a user called adapt."""
    return f"""{_HEADER}[Unit]
Description=vLLM with the adapters of this workspace
After=network-online.target
Wants=network-online.target

[Service]
User=adapt
WorkingDirectory={CONFIGURATION}
Environment=VLLM_PYTHON={ROOT}/.venv-serving/bin/python
Environment=ADAPT_LIVE={LIVE}
ExecStart={CONFIGURATION}/start.sh
Restart=on-failure
TimeoutStopSec={server.shutdown_timeout_seconds + 15}
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=strict
ProtectHome=true
CacheDirectory=adapt-vllm
Environment=XDG_CACHE_HOME=%C/adapt-vllm
InaccessiblePaths=-{ROOT}/.adapt/keys

[Install]
WantedBy=multi-user.target
"""


def _container(server: ServerSpec) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/health", "port": "http"}}
    mounts = [
        {"name": "configuration", "mountPath": ROOT, "readOnly": True},
        {"name": "live", "mountPath": LIVE, "readOnly": True},
        {"name": "scratch", "mountPath": "/tmp"},
        {"name": "shared", "mountPath": "/dev/shm"},
    ]
    environment = {"VLLM_PYTHON": "python3", "ADAPT_LIVE": LIVE, "HOME": "/tmp"}
    return {
        "name": "vllm",
        "image": server.image,
        "command": [f"{CONFIGURATION}/start.sh"],
        "args": ["--host", "0.0.0.0", "--port", str(server.port)],
        "envFrom": [{"configMapRef": {"name": NAME}}],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [{"name": "http", "containerPort": server.port}],
        "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": _START_SECONDS // 5},
        "readinessProbe": {**probe, "periodSeconds": 5},
        "livenessProbe": {**probe, "periodSeconds": 30},
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": mounts,
    }


def _volumes() -> list[dict[str, Any]]:
    return [
        {"name": "configuration", "persistentVolumeClaim": {"claimName": "adapt-configuration", "readOnly": True}},
        {"name": "live", "persistentVolumeClaim": {"claimName": "adapt-live", "readOnly": True}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "shared", "emptyDir": {"medium": "Memory"}},
    ]


def _base_folder(model: str) -> str | None:
    """Where the base lies in a container: beside the configuration as in the workspace, or at its absolute path; None for a hub model."""
    if model.startswith("/"):
        return model
    if model.startswith("../../"):
        return f"{ROOT}/{model.removeprefix('../../')}"
    return None
