import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from adapt.artifact.digest import digest_file, digest_folder
from adapt.artifact.manifest import verify
from adapt.errors import InputError
from adapt.serving.declared import served_model
from adapt.serving.keys import add_client
from adapt.serving.options import option_problems
from adapt.spec.base import BundledBase, HubBase, PathBase
from tests.serving.adapters import TEMPLATE, Scene, adapter_config, base_folder, lora_tensors

HUB = HubBase(kind="hub", model="Qwen/Qwen3-0.6B", revision="a" * 40)


def serve_options(scene: Scene) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((scene.out / "serve.yaml").read_text(encoding="utf-8"))
    return found


def test_passing_adapters_are_served_under_names_of_their_content(scene: Scene) -> None:
    digests = {name: digest_folder(scene.add(name)) for name in ("finance", "legal")}
    report = scene.render(base_folder=base_folder(scene.root / "base"))
    names = [f"{name}@{digests[name][:12]}" for name in ("finance", "legal")]
    assert [offer.served_name for offer in report.served] == names
    assert (report.left_out, report.max_loras, report.max_lora_rank, report.shapes_checked) == ({}, 3, 8, True)
    options = serve_options(scene)
    assert (options["enable-lora"], options["max-loras"]) == (True, 3)
    assert [path.name for path in sorted((scene.out / "adapters").iterdir())] == names
    assert option_problems((scene.out / "serve.yaml").read_text(encoding="utf-8")) == []
    verify(scene.out)


def test_copies_are_those_that_were_trained_with_what_they_were_trained_on(scene: Scene) -> None:
    folder = scene.add("finance")
    base = base_folder(scene.root / "base")
    (base / "tokenizer.json").write_text("{}")
    (offer,) = scene.render(base_folder=base).served
    copies = {path.name: path.read_bytes() for path in (scene.out / offer.path).iterdir()}
    about = json.loads(copies.pop("adapter.json"))
    assert copies == {name: (folder / name).read_bytes() for name in ("adapter_config.json", "adapter_model.safetensors", "manifest.json")}
    assert (about["name"], about["digest"], about["rank"]) == ("finance", offer.digest, 4)
    assert about["base"] == {"digest": "b" * 64, "revision": None}
    assert (about["tokenizer"], about["template"]) == (digest_file(base / "tokenizer.json"), digest_file(folder / "chat_template.jinja"))


def test_server_facts_name_the_base_its_files_and_its_limits(scene: Scene) -> None:
    scene.add("finance")
    base = base_folder(scene.root / "base")
    scene.render(base_folder=base, max_body_mib=2)
    facts = json.loads((scene.out / "server.json").read_bytes())
    assert facts["base"]["files"] == {name: digest_file(base / name) for name in ("config.json", "model-0.safetensors", "model-1.safetensors")}
    assert (facts["base"]["digest"], facts["base"]["model"], facts["max_lora_rank"], facts["max_body_bytes"]) == ("b" * 64, "../../base", 8, 2 << 20)
    assert facts["modules"]["model.layers.0.self_attn.q_proj"] == [8, 6]
    assert facts["template"] == digest_file(scene.out / "chat_template.jinja")


def test_plugin_is_found_by_its_entry_point_and_needs_nothing_of_adapt(scene: Scene) -> None:
    scene.render()
    code = (
        "import sys; from importlib.metadata import entry_points; sys.modules['adapt'] = None;"
        "(found,) = entry_points(group='vllm.general_plugins'); found.load(); import adapt_serving.gate; print(found.name)"
    )
    environment = os.environ | {"PYTHONPATH": str(scene.out / "plugin")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("adapt\n", "")


def test_relative_model_is_named_as_seen_from_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / ".adapt" / "cache" / "base"
    assert served_model(BundledBase(), folder=folder, root=tmp_path) == "../../.adapt/cache/base"
    assert served_model(PathBase(kind="path", path="/models/a"), folder=Path("/models/a"), root=tmp_path) == "/models/a"
    assert served_model(HUB, folder=None, root=tmp_path) == "Qwen/Qwen3-0.6B"


def test_served_template_is_that_of_training_byte_for_byte(scene: Scene) -> None:
    scene.add("finance", template=TEMPLATE + "\r\n ")
    scene.render()
    assert (scene.out / "chat_template.jinja").read_bytes() == (TEMPLATE + "\r\n ").encode()
    assert serve_options(scene)["chat-template"] == "chat_template.jinja"


def test_answers_end_at_the_tokens_that_ended_them_in_training(scene: Scene) -> None:
    scene.add("finance", training='{"end_token_ids": [2, 7]}')
    scene.render()
    assert json.loads((scene.out / "generation_config.json").read_text()) == {"eos_token_id": [2, 7]}
    assert serve_options(scene)["generation-config"] == "."


def test_answers_end_as_the_base_says_when_training_names_no_tokens(scene: Scene) -> None:
    scene.add("finance")
    scene.render()
    assert not (scene.out / "generation_config.json").exists()
    assert serve_options(scene)["generation-config"] == "vllm"


def test_base_alone_is_served_when_no_adapter_passes(scene: Scene) -> None:
    scene.add("finance", enabled=False)
    report = scene.render()
    assert report.served == ()
    assert report.left_out == {"finance": "serving.enabled is false in its spec"}
    assert not {"enable-lora", "max-loras", "chat-template"} & serve_options(scene).keys()
    assert not (scene.out / "chat_template.jinja").exists()
    assert not (scene.out / "adapters").exists()


def test_build_that_missed_its_gate_leaves_room_for_the_version_before(scene: Scene) -> None:
    scene.add("finance", passed=False, tensors=lora_tensors(12), config=adapter_config(12))
    report = scene.render()
    assert (report.served, report.max_loras, report.max_lora_rank) == ((), 2, 16)
    assert (scene.out / "chat_template.jinja").read_text(encoding="utf-8") == TEMPLATE
    assert not (scene.out / "adapters").exists()


def test_models_file_leads_from_stable_names_to_served_ones(scene: Scene) -> None:
    digest = digest_folder(scene.add("finance"))
    scene.add("legal", enabled=False)
    (offer,) = scene.render().served
    models = json.loads((scene.out / "models.json").read_text(encoding="utf-8"))
    assert models == {
        "base": {"served_name": "base", "digest": "b" * 64},
        "adapters": {"finance": {"served_name": offer.served_name, "path": offer.path, "rank": 4, "digest": digest, "base_digest": "b" * 64}},
        "left_out": {"legal": "serving.enabled is false in its spec"},
        "disabled": ["legal"],
    }


def test_retrained_adapter_gets_another_name_and_folder(scene: Scene) -> None:
    scene.add("finance")
    (before,) = scene.render().served
    scene.add("finance", tensors=lora_tensors(b=0.25))
    (after,) = scene.render().served
    assert before.served_name != after.served_name
    assert [path.name for path in (scene.out / "adapters").iterdir()] == [after.served_name]


def test_same_inputs_give_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    scenes = [Scene(tmp_path / place) for place in ("one", "two/three")]
    for scene, names in zip(scenes, (("a", "b", "c"), ("c", "a", "b")), strict=True):
        for name in names:
            scene.add(name, passed=name != "c")
        (scene.adapters / "b" / "manifest.json").unlink()
        scene.render(base_folder=base_folder(scene.root / "base"))
    assert digest_folder(scenes[0].out) == digest_folder(scenes[1].out)
    for path in scenes[0].out.rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path


def test_hub_base_is_pinned_and_not_looked_for_on_disk(scene: Scene) -> None:
    scene.add("finance")
    scene.render(base=HUB.model, source=HUB)
    assert (serve_options(scene)["model"], serve_options(scene)["revision"]) == (HUB.model, HUB.revision)
    assert "HF_HUB_OFFLINE=0" in (scene.out / "server.env").read_text()
    assert "\nbase='' " in (scene.out / "start.sh").read_text()


def test_hub_base_that_lies_on_disk_is_served_from_there(scene: Scene) -> None:
    scene.render(base="../../.adapt/cache/hub", source=HUB)
    assert serve_options(scene)["model"] == "../../.adapt/cache/hub"
    assert "revision" not in serve_options(scene)
    assert "HF_HUB_OFFLINE=1" in (scene.out / "server.env").read_text()


def test_length_beyond_the_base_is_refused(scene: Scene) -> None:
    folder = base_folder(scene.root / "base", positions=512)
    with pytest.raises(
        InputError, match=r"server\.max_model_len is 2048, and the base model has 512 positions\nhint: set server.max_model_len to 512 or less"
    ):
        scene.render(base_folder=folder)
    assert not scene.out.exists()
    scene.render(base_folder=folder, max_model_len=512)


def test_missing_gates_folder_is_refused(scene: Scene) -> None:
    scene.gates.rmdir()
    with pytest.raises(InputError, match=r"gates: .* does not exist"):
        scene.render()


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("example.org", True)])
def test_address_open_to_others_is_warned_about(scene: Scene, caplog: pytest.LogCaptureFixture, host: str, warned: bool) -> None:
    with caplog.at_level(logging.WARNING):
        scene.render(host=host)
    assert ("adapt keys client NAME" in caplog.text) is warned


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "http://127.0.0.1:8123/v1"), ("0.0.0.0", "http://127.0.0.1:8123/v1"), ("::", "http://[::1]:8123/v1")]
)
def test_readme_requests_go_to_the_server_and_name_an_adapter(scene: Scene, host: str, address: str) -> None:
    scene.add("finance")
    (offer,) = scene.render(host=host, port=8123).served
    text = (scene.out / "README.md").read_text(encoding="utf-8")
    assert text.count(f"curl {address}") == 3
    assert f'"model": "{offer.name}"' in text
    assert "@ADDRESS@" not in text
    assert "@MODEL@" not in text


def test_memory_for_the_cache_reaches_the_environment(scene: Scene) -> None:
    scene.render(cpu_kv_cache_gib=7)
    assert "\nVLLM_CPU_KVCACHE_SPACE=7\n" in (scene.out / "server.env").read_text()


def started(scene: Scene, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """start.sh run from another folder, with a Python that tells what it was given and no graphics driver on the path."""
    fake = scene.root / "bin" / "python"
    fake.parent.mkdir(exist_ok=True)
    live = scene.root / ".adapt" / "serving"
    live.mkdir(parents=True, exist_ok=True)
    if not (live / "access.json").exists():
        (live / "access.json").write_text('{"admin": [], "clients": {}}')
    told = 'printf "$$ kv=$VLLM_CPU_KVCACHE_SPACE bind=$VLLM_CPU_OMP_THREADS_BIND offline=$HF_HUB_OFFLINE "\n'
    told += 'echo "plugins=$VLLM_PLUGINS live=$ADAPT_LIVE path=$PYTHONPATH"'
    fake.write_text(f'#!/bin/sh\npwd\n{told}\nfor a in "$@"; do echo "[$a]"; done\n')
    fake.chmod(0o755)
    variables = {"PATH": "/usr/bin:/bin", "VLLM_PYTHON": "bin/python"} | environment
    return subprocess.run([str(scene.out / "start.sh"), *arguments], cwd=scene.root, env=variables, capture_output=True, text=True, check=False)


def test_start_script_runs_the_server_in_its_own_folder(scene: Scene) -> None:
    base_folder(scene.root / "base")
    scene.add("finance")
    scene.render()
    done = started(scene, "--port", "81", "with space")
    assert done.returncode == 0, done.stderr
    where, environment, *arguments = done.stdout.splitlines()
    assert Path(where).samefile(scene.out)
    given = dict(part.split("=", 1) for part in environment.partition(" ")[2].replace("work space", "work").split(" "))
    assert (given["kv"], given["bind"], given["offline"], given["plugins"]) == ("1", "nobind", "1", "adapt")
    assert (given["live"].endswith("/dist/vllm/../../.adapt/serving"), given["path"].endswith("/dist/vllm/plugin")) == (True, True)
    module = ["[-m]", "[vllm.entrypoints.openai.api_server]", "[--config]", "[serve.yaml]"]
    assert arguments == [*module, "[--enforce-eager]", "[--port]", "[81]", "[with space]"]


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ("--host=0.0.0.0",), ("--hos", "::"), ("--port", "81", "--host", "example.org")])
def test_start_script_listens_beyond_this_machine_only_with_a_key(scene: Scene, arguments: tuple[str, ...]) -> None:
    base_folder(scene.root / "base")
    scene.render()
    done = started(scene, *arguments)
    assert (done.returncode, "there is no API key" in done.stderr) == (1, True)
    assert started(scene, *arguments, ADAPT_WITHOUT_KEYS="1").returncode == 0
    add_client(scene.root / ".adapt" / "serving", "mobile")
    assert started(scene, *arguments).returncode == 0


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.5", 0), ("::1", 0), ("localhost", 0), ("0.0.0.0", 1), ("::", 1), ("10.0.0.1", 1), ("127.example.org", 1)]
)
def test_start_script_looks_at_the_rendered_address_too(scene: Scene, host: str, status: int) -> None:
    base_folder(scene.root / "base")
    scene.render(host=host)
    assert started(scene).returncode == status
    assert started(scene, "--host", "127.0.0.1").returncode == 0


@pytest.mark.parametrize("argument", ["--middleware=a", "--midd", "--config", "--lora_modules=a", "--lora-mod", "--ssl-keyfile"])
def test_start_script_passes_on_nothing_that_goes_around_the_door(scene: Scene, argument: str) -> None:
    base_folder(scene.root / "base")
    scene.render()
    done = started(scene, argument, "a")
    assert (done.returncode, done.stdout) == (1, "")
    assert argument.partition("=")[0].replace("_", "-") in done.stderr


def test_start_script_records_cuda_graphs_where_there_is_a_gpu(scene: Scene) -> None:
    base_folder(scene.root / "base")
    scene.render()
    driver = scene.root / "driver" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho 'GPU 0: a card'\n")
    driver.chmod(0o755)
    assert "[--enforce-eager]" not in started(scene, PATH=f"{driver.parent}:/usr/bin:/bin").stdout


def test_start_script_becomes_the_server_so_that_signals_arrive(scene: Scene) -> None:
    base_folder(scene.root / "base")
    scene.render()
    process = subprocess.Popen(["sh", "-c", f'echo "$$"; exec "{scene.out}/start.sh"'], env=_fake_python(scene), stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=20)
    shell, _, server = output.splitlines()[:3]
    assert shell == server.split()[0]


def _fake_python(scene: Scene) -> dict[str, str]:
    started(scene)
    return _python(scene)


def _python(scene: Scene) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "VLLM_PYTHON": str(scene.root / "bin" / "python")}


def test_start_script_says_that_nothing_is_signed(scene: Scene) -> None:
    base_folder(scene.root / "base")
    scene.render()
    started(scene)
    (scene.root / ".adapt" / "serving" / "access.json").unlink()
    done = subprocess.run([str(scene.out / "start.sh")], env=_python(scene), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "there are no signed adapters, aliases and keys" in done.stderr
    assert "adapt serve --prepare" in done.stderr


def test_start_script_says_where_the_base_should_be(scene: Scene) -> None:
    scene.render(base="../../models/o'base")
    done = started(scene)
    assert done.returncode == 1
    assert f"the base model is not at '../../models/o'base', as seen from {scene.out}" in done.stderr
    assert "adapt build" in done.stderr


def test_start_script_says_that_python_is_missing(scene: Scene) -> None:
    base_folder(scene.root / "base")
    scene.render()
    done = started(scene, VLLM_PYTHON="no-such-python")
    assert done.returncode == 1
    assert "there is no Python interpreter 'no-such-python'" in done.stderr
    assert "adapt env serving" in done.stderr


def test_room_loads_no_heavy_library() -> None:
    code = "import sys, adapt.serving.render; print(sorted({'torch', 'transformers', 'vllm', 'numpy', 'peft', 'dvc'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_many_adapters_are_rendered_with_a_slot_each(scene: Scene) -> None:
    for number in range(60):
        scene.add(f"a{number}", config=adapter_config(), tensors=lora_tensors(b=number + 1.0))
    report = scene.render(base_folder=base_folder(scene.root / "base"))
    assert (len(report.served), report.max_loras) == (60, 61)
    assert len({offer.path for offer in report.served}) == 60
