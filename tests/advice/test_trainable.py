"""`adapt validate`, `plan` and `build` refuse trainings that could not run, before anything is built."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from gguf import GGUFReader

from adapt.base.bundled import BUNDLED_LAYERS, BUNDLED_LINEAR, BUNDLED_NARROWEST, bundled_modules, find_gguf
from adapt.cli.main import adapt
from adapt.errors import AdaptError
from tests.tiny import tiny_base
from tests.workspace import tiny_workspace

GGUF_NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_workspace(tmp_path_factory.mktemp("trainable") / "w", ("alpha",), exports=False)


@pytest.fixture
def workspace(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def refusal(workspace: Path, spec: str, command: str) -> str:
    path = workspace / "specs" / "alpha.yaml"
    before = path.read_text()
    path.write_text(spec)
    try:
        result = CliRunner().invoke(adapt, [command, "alpha"])
    finally:
        path.write_text(before)
    assert isinstance(result.exception, AdaptError), (result.output, result.exception)
    assert not (workspace / "data" / "corpus").exists()
    return str(result.exception)


@pytest.mark.parametrize("command", ["validate", "plan", "build"])
def test_an_export_that_llama_cpp_would_compute_otherwise_is_refused(workspace: Path, command: str) -> None:
    config = workspace / "models" / "tiny" / "config.json"
    before = config.read_text()
    config.write_text(before.replace('"silu"', '"gelu"'))
    spec = "base: {kind: path, path: models/tiny}\nserving: {enabled: false}\nexport: {laptop: {format: gguf, type: f32}}\n"
    try:
        problem = refusal(workspace, spec, command)
    finally:
        config.write_text(before)
    assert "specs/alpha.yaml: export.laptop: the base's hidden_act is gelu, and llama.cpp's llama computes silu alone" in problem
    assert problem.endswith("hint: export it as merged or onnx")


@pytest.mark.parametrize("command", ["validate", "plan", "build"])
@pytest.mark.parametrize("base", ["{kind: bundled}", "{kind: path, path: models/tiny}"])
def test_a_module_that_the_base_does_not_have_is_refused_with_the_nearest_name(workspace: Path, base: str, command: str) -> None:
    found = refusal(workspace, f"base: {base}\nlora: {{target_modules: [q_porj]}}\nserving: {{enabled: false}}\n", command)
    assert "specs/alpha.yaml: lora.target_modules: 'q_porj' names no linear module of the base model; choose from: down_proj" in found
    assert found.endswith("hint: did you mean 'q_proj'?")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("base: {kind: bundled}\ntrain: {method: bitfit}", "train.method bitfit needs biases, and the bundled base has none"),
        ("base: {kind: bundled}\ntrain: {method: moe_lora}", "train.method moe_lora needs experts"),
        ("base: {kind: bundled}\ntrain: {method: freeze, layers: 31}", "train.layers is 31, and the base has 30 layers"),
        ("base: {kind: bundled}\ntrain: {method: freeze, modules: [lm_head]}", "'lm_head' names no module"),
        ("base: {kind: bundled}\ntrain: {method: pissa}\nlora: {r: 200}", "the smallest of the base's adapted matrices has rank 192"),
        ("train: {method: bitfit}", "train.method bitfit trains biases, and LlamaForCausalLM has none"),
        ("train: {dtype: float16}", "train.dtype is float16, and training runs on a CPU"),
        ("train: {kernels: liger}", "train.kernels is liger, which runs on CUDA alone"),
        ("train: {parameter_groups: [{pattern: nowhere}]}", "train.parameter_groups: 'nowhere' takes no weight"),
        ("steps: {first: {train: {method: bitfit}}}\ntrain: {start_from: first, method: bitfit}", "steps.first.train.method bitfit"),
    ],
)
def test_what_the_base_or_the_device_does_not_have_is_refused(workspace: Path, spec: str, said: str) -> None:
    assert said in refusal(workspace, f"{spec}\nserving: {{enabled: false}}\n", "validate")


def test_a_base_that_cannot_be_trained_is_refused_before_its_data_are_made(workspace: Path) -> None:
    tiny_base(workspace / "models" / "mamba", kind="mamba")
    found = refusal(workspace, "base: {kind: path, path: models/mamba}\nserving: {enabled: false}\n", "build")
    assert "cannot put LORA on MambaForCausalLM" in found
    assert "docs/how-to/use-your-own-base-model.md" in found


def test_validate_asks_a_base_once_and_loads_no_torch_for_what_it_knows(workspace: Path) -> None:
    command = "import sys; from adapt.cli.main import adapt; adapt(['validate'], standalone_mode=False); print('torch' in sys.modules)"
    loaded = [subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert loaded[1].splitlines()[-1] == "False", "the second time it is remembered"
    (workspace / "specs" / "alpha.yaml").write_text("base: {kind: bundled}\nlora: {target_modules: [q_proj]}\nserving: {enabled: false}\n")
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert found.splitlines()[-1] == "False"


def test_what_is_known_of_the_bundled_base_is_what_its_file_says() -> None:
    reader = GGUFReader(find_gguf())
    assert int(reader.fields["llama.block_count"].contents()) == BUNDLED_LAYERS
    names, narrowest = {"model.embed_tokens", "model.norm"}, []
    for tensor in reader.tensors:
        parts = tensor.name.split(".")
        if parts[0] == "blk":
            names.add(f"model.layers.{parts[1]}.{GGUF_NAMES[parts[2]]}")
            narrowest += [min(map(int, tensor.shape))] if len(tensor.shape) == 2 else []
        assert parts[-1] == "weight", "no biases"
    assert min(narrowest) == BUNDLED_NARROWEST
    assert {name.rpartition(".")[2] for name in names if name.endswith("_proj")} == set(BUNDLED_LINEAR)
    leaves = {name for name in bundled_modules() if not any(other.startswith(f"{name}.") for other in bundled_modules())}
    assert leaves == names
