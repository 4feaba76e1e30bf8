"""The files for docker, Kubernetes and systemd, held against schemas and tools that know them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.spec.base import HubBase
from tests.serving.adapters import Scene, base_folder

HUB = HubBase(kind="hub", model="Qwen/Qwen3-0.6B", revision="a" * 40)


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def rendered(scene: Scene, **options: Any) -> Path:
    scene.add("finance")
    base_folder(scene.root / "base")
    scene.render(**options)
    return scene.out / "deploy"


def test_compose_file_is_one_by_the_schema_of_compose(scene: Scene) -> None:
    path = rendered(scene) / "compose.yaml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_mounts_exist_and_never_hold_private_keys(scene: Scene) -> None:
    folder = rendered(scene)
    (document,) = documents(folder / "compose.yaml")
    service = document["services"]["vllm"]
    sources = {mount.split(":")[1]: (folder / mount.split(":")[0]).resolve() for mount in service["volumes"]}
    assert sources == {
        "/srv/adapt/dist/vllm": scene.out.resolve(),
        "/srv/adapt/.adapt/serving": (scene.root / ".adapt" / "serving").resolve(),
        "/srv/adapt/base": (scene.root / "base").resolve(),
    }
    assert all(mount.endswith(":ro") for mount in service["volumes"])
    assert service["ports"] == ["127.0.0.1:8000:8000"], "so that start.sh may do without keys"
    assert service["environment"]["ADAPT_WITHOUT_KEYS"] == "1"
    assert "ADAPT_WITHOUT_KEYS" not in (folder / "kubernetes.yaml").read_text(), "inside a cluster the port is open"


@pytest.mark.parametrize("source", [None, HUB])
def test_kubernetes_manifests_are_valid(scene: Scene, source: HubBase | None) -> None:
    import kubernetes_validate

    path = rendered(scene, **({"base": HUB.model, "source": HUB} if source else {})) / "kubernetes.yaml"
    found = documents(path)
    assert [document["kind"] for document in found] == ["ConfigMap", "Deployment", "Service"]
    for document in found:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_kubernetes_environment_is_that_of_the_server(scene: Scene) -> None:
    folder = rendered(scene)
    config = documents(folder / "kubernetes.yaml")[0]["data"]
    lines = (scene.out / "server.env").read_text().splitlines()
    assert config == dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_settings_reach_every_file(scene: Scene) -> None:
    folder = rendered(scene, port=8123, image="own/vllm:1", shutdown_timeout_seconds=60)
    for name in ("compose.yaml", "kubernetes.yaml", "kserve.yaml"):
        text = (folder / name).read_text()
        assert "own/vllm:1" in text, name
        assert "8123" in text, name
    assert "TimeoutStopSec=75" in (folder / "adapt-vllm.service").read_text()


def test_gateway_leads_stable_names_to_versions(scene: Scene) -> None:
    folder = rendered(scene)
    version = json.loads((scene.out / "models.json").read_bytes())["adapters"]["finance"]["served_name"]
    (document,) = documents(folder / "gateway.yaml")
    assert (document["apiVersion"], document["kind"]) == ("inference.networking.x-k8s.io/v1alpha2", "InferenceModelRewrite")
    assert document["spec"]["rules"] == [
        {"matches": [{"model": {"type": "Exact", "value": "finance"}}], "targets": [{"modelRewrite": version, "weight": 100}]}
    ]


def test_kserve_names_the_base_where_it_lies(scene: Scene, tmp_path: Path) -> None:
    (own,) = documents(rendered(scene) / "kserve.yaml")
    assert (own["kind"], own["spec"]["model"]["uri"]) == ("LLMInferenceService", "pvc://adapt-configuration/base")
    other = Scene(tmp_path / "other")
    (hub,) = documents(rendered(other, base=HUB.model, source=HUB) / "kserve.yaml")
    assert hub["spec"]["model"]["uri"] == "hf://Qwen/Qwen3-0.6B"


DOCUMENTED: dict[str, Any] = {
    "LLMInferenceService": {
        "model": {"uri": str, "name": str},
        "replicas": int,
        "router": {"gateway": {}, "route": {}, "scheduler": {}},
        "template": dict,
    },
    "InferenceModelRewrite": {
        "poolRef": {"group": str, "kind": str, "name": str},
        "rules": [{"matches": [{"model": {"type": str, "value": str}}], "targets": [{"modelRewrite": str, "weight": int}]}],
    },
}
"""What we use of the `spec` of these kinds, by KServe's Go types (v1alpha1) and the inference extension's CRD (v1.4). No package carries them:
kserve's has classes without the `spec`."""


def strange(value: Any, form: Any, where: str) -> list[str]:
    """Parts of `value` that `form` does not have, or has as something else."""
    if isinstance(form, type):
        return [] if isinstance(value, form) else [where]
    if isinstance(form, list):
        return [part for number, item in enumerate(value) for part in strange(item, form[0], f"{where}[{number}]")]
    missing = [f"{where}.{key} is missing" for key in form if key not in value]
    return missing + [
        part for key, item in value.items() for part in (strange(item, form[key], f"{where}.{key}") if key in form else [f"{where}.{key}"])
    ]


@pytest.mark.parametrize("file", ["kserve.yaml", "gateway.yaml"])
def test_custom_resources_hold_documented_fields_alone(scene: Scene, file: str) -> None:
    (document,) = documents(rendered(scene) / file)
    assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
    assert strange(document["spec"], DOCUMENTED[document["kind"]], "spec") == []


def test_pod_that_kserve_is_given_is_one_by_the_schema_of_kubernetes(scene: Scene) -> None:
    import kubernetes_validate

    (document,) = documents(rendered(scene) / "kserve.yaml")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": document["spec"]["template"]}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    assert [container["name"] for container in pod["spec"]["containers"]] == ["main"], "KServe puts its own settings into the container of this name"


def test_gateway_file_is_left_out_without_adapters(scene: Scene) -> None:
    scene.render()
    assert sorted(path.name for path in (scene.out / "deploy").iterdir()) == ["adapt-vllm.service", "compose.yaml", "kserve.yaml", "kubernetes.yaml"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here to check units with")
def test_unit_is_understood_by_systemd(scene: Scene, tmp_path: Path) -> None:
    text = (rendered(scene) / "adapt-vllm.service").read_text()
    unit = tmp_path / "adapt-vllm.service"
    unit.write_text(text.replace("ExecStart=/srv/adapt/dist/vllm/start.sh", "ExecStart=/bin/true"))  # the program must exist here
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []
