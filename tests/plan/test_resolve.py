"""Which stages' sections change when a field does: all that may read it, and no other."""

from pathlib import Path
from typing import Any

import pytest

from adapt.errors import SpecError
from adapt.plan.resolve import plain, resolve, write_resolved
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec, Params
from adapt.spec.corpus import Fields
from adapt.spec.engine import LocalEngine
from adapt.spec.load import BUILT_IN, merge
from adapt.spec.objectives import OBJECTIVES
from adapt.spec.pii import PII_KINDS
from adapt.spec.quality import Quality
from adapt.spec.trackers import TrackersSpec
from tests.base.embeddings import write_embedding_model
from tests.tiny import tiny_base

SECTIONS = {
    "corpus": {"corpus"},
    "dataset": {"dataset"},
    "lora": {"train"},
    "train": {"train"},
    "steps": {"steps"},
    "evaluate": {"evaluate"},
    "prompt": {"train", "serving"},
    "base": {"dataset", "train", "evaluate", "export", "serving"},
    "seed": {"dataset", "train"},
    "serving": {"serving"},
    "server": {"serving"},
    "rollout": set(),
    "engine": set(),
    "trackers": set(),
}
CHANGES: list[tuple[str, Any]] = [
    ("corpus.path", "data/raw/other"),
    ("corpus.sources", [{"glob": "*.csv"}]),
    ("corpus.sources", [{"glob": "**/*", "reader": "text"}]),
    ("corpus.sources", [{"glob": "**/*", "as_of": "May"}]),
    ("corpus.sources", [{"glob": "**/*", "columns": ["question", "answer"]}]),
    ("corpus.sources", [{"glob": "**/*", "licence": "MIT"}]),
    ("corpus.sources", [{"glob": "**/*", "encoding": "koi8-r"}]),
    *(("corpus.sources", [{"glob": "**/*", "fields": {field: "q"}}]) for field in Fields.model_fields if field != "roles"),
    ("corpus.sources", [{"glob": "**/*", "fields": {"messages": "q", "roles": {"Client": "user"}}}]),
    ("corpus.sources", [{"glob": "**/*", "fields": {"input": {"join": ["a", "b"]}}}]),
    ("corpus.sources", [{"glob": "**/*", "fields": {"input": {"join": ["a", "b"], "separator": ", "}}}]),
    ("corpus.sources", [{"glob": "**/*", "fields": {"input": {"constant": "c"}}}]),
    ("corpus.sources", [{"kind": "sql", "url": "sqlite:///a.db", "query": "select 1"}]),
    ("corpus.sources", [{"kind": "hub", "dataset": "a/b", "revision": "1" * 40, "config": "c", "split": "test"}]),
    ("corpus.sources", [{"kind": "python_docs", "package": "pydantic", "private": True}]),
    *((f"corpus.pii.{kind}", "drop") for kind in PII_KINDS if kind not in ("person", "address")),
    ("corpus.pii.ip", "mask"),
    ("corpus.pii", {"names": {"models": {"en": "m"}}, "person": "mask"}),
    ("corpus.pii", {"names": {"min_score": 0.9}, "address": "mask"}),
    ("corpus.pii", {"email": "pseudonym", "pseudonym_key": "KEY"}),
    ("corpus.limits.max_file_mib", 3),
    ("corpus.limits.max_record_mib", 3),
    ("corpus.limits.max_expansion", 3),
    ("corpus.limits.max_members", 3),
    ("corpus.boilerplate", None),
    ("corpus.boilerplate.min_files", 4),
    ("corpus.boilerplate.min_share", 0.5),
    ("corpus.adverts", "keep"),
    ("corpus.language", "zh"),
    ("dataset.headings.en", "{heading}?"),
    ("dataset.headings.zh", "{heading}?"),
    ("dataset.chat_turns", "last"),
    ("dataset.form", "text"),
    ("dataset.chat_history", "flatten"),
    ("dataset.languages.allow", ["en"]),
    ("dataset.languages.min_confidence", 0.5),
    ("dataset.licences.allow", ["MIT"]),
    ("dataset.licences.refuse", ["CC-BY-NC*"]),
    ("dataset.licences.unknown", "drop"),
    ("dataset.quality.kinds", ["chat"]),
    *((f"dataset.quality.{field}", 1) for field in Quality.model_fields if field != "kinds"),
    ("dataset.lengths.min_output_words", 3),
    ("dataset.lengths.max_record_tokens", 99),
    ("dataset.near_duplicates", None),
    ("dataset.near_duplicates.threshold", 0.9),
    ("dataset.near_duplicates.recall", 0.9),
    ("dataset.near_duplicates.shingle_words", 7),
    ("dataset.near_duplicates.shingle_characters", 9),
    ("dataset.near_duplicates.permutations", 32),
    ("dataset.passages", {"min_words": 9, "min_characters": 19, "action": "cut", "max_share": 0.9}),
    ("dataset.semantic_duplicates", {"threshold": 0.9}),
    ("dataset.semantic_duplicates", {"model": "some/model", "revision": "a" * 40}),
    ("dataset.prefer", ["length"]),
    ("dataset.decontamination.against", ["t.jinja"]),
    ("dataset.decontamination.test_split", False),
    ("dataset.decontamination.ngram_words", 9),
    ("dataset.decontamination.ngram_characters", 9),
    ("dataset.decontamination.min_share", 0.9),
    ("dataset.split.validation", 0.2),
    ("dataset.split.test", 0.2),
    ("dataset.split.by", "time"),
    ("dataset.split.stratify", "none"),
    ("dataset.mixing", {"by": "label", "weights": {"a": 2}, "cap": 3, "max_repeats": 2, "size": 9}),
    ("dataset", {"teacher": {"kind": "base"}, "synthesis": {}}),
    ("dataset", {"teacher": {"kind": "openai", "url": "http://x/v1", "model": "m"}, "synthesis": {"template": "t.jinja"}}),
    ("dataset.augmentation", [{"method": "noise"}]),
    ("dataset.teacher", {"kind": "openai", "url": "http://x/v1", "model": "m"}),
    ("dataset.min_records", 5),
    ("lora.r", 3),
    ("lora.lora_alpha", 3),
    ("lora.lora_dropout", 0.3),
    ("lora.target_modules", ["q_proj"]),
    ("lora.use_rslora", True),
    ("train.method", "qlora"),
    ("train.objective", "pretrain"),
    ("train.start_from", "sft"),
    ("steps", {"first": {"train": {"method": "lora"}}}),
    ("train.epochs", 9),
    ("train.learning_rate", 0.5),
    ("train.optimizer", "lion"),
    ("train.optimizer", {"kind": "adamw", "beta1": 0.5}),
    ("train.optimizer", {"kind": "adamw", "beta2": 0.5}),
    ("train.optimizer", {"kind": "adamw", "epsilon": 0.1}),
    ("train.optimizer", {"kind": "adamw_8bit"}),
    ("train.parameter_groups", [{"pattern": "*lora_A*", "rate_factor": 2}]),
    ("train.schedule", "linear"),
    ("train.packing", "padded"),
    ("train.label_smoothing", 0.1),
    ("train.neftune_alpha", 5),
    ("train.ema_decay", 0.9),
    ("train.offload_activations", True),
    ("train.cotraining", "fused"),
    ("train.warmup_ratio", 0.5),
    ("train.batch_tokens", 99),
    ("train.accumulate", 3),
    ("train.max_length_tokens", 99),
    ("train.weight_decay", 0.1),
    ("train.max_grad_norm", 9),
    ("train.evaluate_every_steps", 3),
    ("train.patience", None),
    ("train.checkpoint_every_steps", 3),
    ("train.gradient_checkpointing", True),
    ("train.compile", True),
    ("train.kernels", "liger"),
    ("train.attention", "flex"),
    ("train.dtype", "float32"),
    ("train.device", "cpu"),
    ("train.distributed", {"strategy": "ddp", "processes": 2}),
    ("train.distributed", {"strategy": "fsdp2", "processes": 2}),
    ("train.distributed", {"strategy": "zero2", "processes": 2}),
    ("train.distributed", {"strategy": "zero3", "processes": 2}),
    ("evaluate.generate_records", 3),
    ("evaluate.max_new_tokens", 3),
    ("evaluate.batch_tokens", 99),
    ("evaluate.checks", [{"prompt": "x", "must_contain": ["y"]}]),
    ("prompt.system", "Be brief."),
    ("prompt.date", "2030-01-02"),
    ("prompt.system_without_place", "merge"),
    ("prompt", {"kind": "alpaca"}),
    ("prompt", {"kind": "file", "path": "t.jinja"}),
    ("base", {"kind": "hub", "model": "a/b", "revision": "1" * 40}),
    ("seed", 5),
    ("serving.enabled", False),
    ("engine.workers", 3),
    ("engine", {"kind": "ray", "address": "ray://a:1"}),
    ("trackers.use", ["tensorboard"]),
    ("trackers.project", "p"),
    ("server.host", "0.0.0.0"),
    ("server.port", 1),
    ("server.dtype", "float32"),
    ("server.max_model_len", 128),
    ("server.max_num_seqs", 2),
    ("server.gpu_memory_utilization", 0.5),
    ("server.cpu_kv_cache_gib", 2),
    ("server.enforce_eager", True),
    ("server.shutdown_timeout_seconds", 3),
    ("server.max_body_mib", 3),
    ("server.max_choices", 3),
    ("server.image", "own/vllm:1"),
    ("rollout.replicas", [{"name": "a", "url": "http://a:1", "folder": "b"}]),
    ("rollout.min_agreement", 0.1),
    ("rollout.watch_seconds", 3),
    ("rollout.max_error_rate", 0.1),
    ("rollout.min_failures", 5),
    ("rollout.significance", 0.05),
    ("rollout.max_latency_ratio", 9),
    ("rollout.drain_seconds", 3),
    ("rollout.keep_versions", 3),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("resolve")
    tiny_base(root / "tiny")
    (root / "t.jinja").write_text("{{ messages }}", encoding="utf-8")
    return root


def sections(root: Path, change: dict[str, Any] | None = None) -> dict[str, Any]:
    """Every stage's section of one adapter, and the server's."""
    data = merge({**BUILT_IN, "base": {"kind": "path", "path": "tiny"}, "export": {"m": {"format": "merged"}}}, change or {})
    params = Params.model_validate(data)
    spec = AdapterSpec.model_validate({key: value for key, value in data.items() if key not in ("server", "rollout", "engine", "trackers")})
    adapters, serving = resolve(Workspace(root), {"a": spec}, params)
    return {**plain(adapters["a"]), "serving": plain(serving)}


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    content: dict[str, Any] = value
    return content


@pytest.mark.parametrize(("path", "value"), CHANGES, ids=[f"{path}={value}" for path, value in CHANGES])
def test_a_field_changes_the_sections_that_may_read_it(root: Path, path: str, value: Any) -> None:
    before, after = sections(root), sections(root, nested(path, value))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == SECTIONS[path.partition(".")[0]]


def test_another_content_of_the_embedding_model_changes_the_data_set_alone(root: Path) -> None:
    write_embedding_model(root / "own")
    change = nested("dataset.semantic_duplicates", {"model": "own"})
    before = sections(root, change)
    (root / "own/model.safetensors").write_bytes(b"weights of another training")
    after = sections(root, change)
    assert {name for name in before if before[name] != after[name]} == {"dataset"}


def test_every_field_is_in_the_table(root: Path) -> None:
    """Exports, gates and what is measured have tests of their own below; a tag is changed by the value that carries it."""
    listed = {path for path, _ in CHANGES}
    aside = {
        "description",
        "strict",
        "corpus.measure_quality",
        "train.method",
        "train.decay_ratio",
        "base.kind",
        "prompt.kind",
        "engine.kind",
        "export",
        "evaluate.gates",
    }
    known = set(_leaves(plain(Params()))) - aside
    assert {path for path in known if not any(path == one or path.startswith(f"{one}.") or one.startswith(f"{path}.") for one in listed)} == set()


def test_quality_that_nothing_reads_need_not_be_measured(root: Path) -> None:
    unread = {"dataset": {"quality": {"kinds": []}}}
    before, after = sections(root, unread), sections(root, {**unread, "corpus": {"measure_quality": False}})
    assert {name for name in before if before[name] != after[name]} == {"corpus"}


def test_the_fall_of_a_wsd_schedule_changes_the_training_alone(root: Path) -> None:
    before, after = (sections(root, {"train": {"schedule": "wsd", "decay_ratio": ratio}}) for ratio in (0.2, 0.5))
    assert {name for name in before if before[name] != after[name]} == {"train"}


@pytest.mark.parametrize("fields", [{"description": "new"}, {"strict": True}])
def test_what_no_stage_reads_changes_nothing(root: Path, fields: dict[str, Any]) -> None:
    assert sections(root) == sections(root, fields)


@pytest.mark.parametrize("kind", [kind for kind, known in OBJECTIVES.items() if known.metrics[0] != "perplexity"])
def test_an_objective_changes_the_training_and_the_gate_that_is_its_own(root: Path, kind: str) -> None:
    reward = {"reward": {"functions": [{"kind": "json_valid"}]}} if OBJECTIVES[kind].family == "rollout" else {}
    before, after = sections(root), sections(root, {"train": {"objective": {"kind": kind, **reward}}})
    assert {name for name in before if before[name] != after[name]} == {"train", "gate"}
    assert after["gate"]["gates"][0]["metric"] == OBJECTIVES[kind].metrics[0]


def test_a_step_changes_itself_alone(root: Path) -> None:
    def chained(r: int, epochs: int) -> dict[str, Any]:
        first, second = {"train": {"method": "lora"}}, {"train": {"method": "lora", "epochs": epochs}, "lora": {"r": r}}
        return sections(root, {"steps": {"first": first, "second": second}})

    before = chained(4, 1)
    for after in (chained(8, 1), chained(4, 2)):
        assert {name for name in before if before[name] != after[name]} == {"steps"}
        assert before["steps"]["first"] == after["steps"]["first"]
        assert before["steps"]["second"] != after["steps"]["second"]


def test_a_gate_changes_the_gate_alone(root: Path) -> None:
    before, after = sections(root), sections(root, {"evaluate": {"gates": [{"metric": "bleu", "minimum": 1}]}})
    assert {name for name in before if before[name] != after[name]} == {"gate"}


@pytest.mark.parametrize(
    "export",
    [{"format": "merged", "dtype": "float32"}, {"format": "merged", "max_shard_size": "1GB"}, {"format": "quantized", "scheme": "int8"},
     {"format": "onnx", "precision": "fp32"}, {"format": "merged", "parity": {"prompts": 2, "min_top1_agreement": 0.5, "max_mean_kl": 1}},
     {"format": "merged", "parity": {"max_worst_kl": 1, "max_perplexity_increase": 1}}, {"format": "adapter"},
     {"format": "quantized", "scheme": "gptq", "calibration_records": 3}, {"format": "onnx_adapters"}, {"format": "gguf", "type": "f16"},
     {"format": "gguf_adapter"}, {"format": "gguf", "checked_by": "llama.cpp"}],
)  # fmt: skip
def test_an_export_changes_itself_alone(root: Path, export: dict[str, Any]) -> None:
    two = {"n": {"format": "onnx", "precision": "int4"}}
    before, after = sections(root, {"export": two}), sections(root, {"export": {**two, "m": export}})
    assert before["export"]["n"] == after["export"]["n"]
    assert before["export"]["m"] != after["export"]["m"]
    assert {name for name in before if before[name] != after[name]} == {"export"}


def test_a_merge_into_the_dequantized_base_knows_how_training_quantized_it(root: Path) -> None:
    exports = {"full": {"format": "merged"}, "seen": {"format": "merged", "onto": "dequantized"}}
    before = sections(root, {"export": exports, "train": {"method": "qlora"}})
    after = sections(root, {"export": exports, "train": {"method": "qlora", "quantization_type": "int8"}})
    assert before["export"]["seen"]["trained_on"] == {"quantization_type": "nf4", "double_quantization": True, "dtype": "auto"}
    assert after["export"]["seen"]["trained_on"] == {"quantization_type": "int8", "double_quantization": False, "dtype": "auto"}
    assert before["export"]["full"] == after["export"]["full"]
    assert before["export"]["full"]["trained_on"] is None


def test_the_base_is_pinned_by_content(root: Path, tmp_path: Path) -> None:
    copy = tiny_base(tmp_path / "copy")
    same = sections(root, {"base": {"kind": "path", "path": str(copy)}})
    assert same["train"]["base"]["digest"] == sections(root)["train"]["base"]["digest"]
    config = copy / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05'), encoding="utf-8")
    assert sections(root, {"base": {"kind": "path", "path": str(copy)}})["train"]["base"]["digest"] != same["train"]["base"]["digest"]


def test_a_template_is_pinned_by_content(root: Path) -> None:
    change = {"prompt": {"kind": "file", "path": "t.jinja"}}
    before = sections(root, change)["train"]["prompt"]
    (root / "t.jinja").write_text("{{ messages }}!", encoding="utf-8")
    assert sections(root, change)["train"]["prompt"] != before


def test_what_cannot_be_pinned_is_named_with_its_spec(root: Path) -> None:
    spec = AdapterSpec.model_validate({"base": {"kind": "path", "path": "nowhere"}})
    template = AdapterSpec.model_validate({"base": {"kind": "path", "path": "tiny"}, "prompt": {"kind": "file", "path": "no.jinja"}})
    with pytest.raises(SpecError) as caught:
        resolve(Workspace(root), {"a": spec, "b": template}, Params())
    assert "specs/a.yaml: base.path: nowhere is not a folder" in str(caught.value)
    assert "specs/b.yaml: prompt.path: no.jinja does not exist" in str(caught.value)


def test_resolved_files_are_the_same_bytes_each_time(root: Path, tmp_path: Path) -> None:
    spec = AdapterSpec.model_validate({"base": {"kind": "path", "path": "tiny"}})
    for name in ("x", "y"):
        write_resolved(tmp_path / name, *resolve(Workspace(root), {"a": spec}, Params(base=spec.base)), LocalEngine(), TrackersSpec())
    assert (tmp_path / "x" / "a.yaml").read_bytes() == (tmp_path / "y" / "a.yaml").read_bytes()
    assert (tmp_path / "x" / "_serving.yaml").read_bytes() == (tmp_path / "y" / "_serving.yaml").read_bytes()


def _leaves(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}" if path else key)]
    return [path]
