from pathlib import Path

import pytest

from adapt.errors import SpecError
from adapt.spec.load import load_params, load_specs


def load(root: Path, params: str, **specs: str) -> dict[str, object]:
    (root / "specs").mkdir(exist_ok=True)
    (root / "params.yaml").write_text(params, encoding="utf-8")
    for name, text in specs.items():
        (root / "specs" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return dict(load_specs(root, [root / "specs" / f"{name}.yaml" for name in specs]))


def test_spec_overrides_params_field_by_field(tmp_path: Path) -> None:
    specs = load(tmp_path, "lora: {r: 8, lora_dropout: 0.1}\nseed: 3", a="lora: {r: 32}", b="")
    assert (specs["a"].lora.r, specs["a"].lora.lora_dropout, specs["a"].seed) == (32, 0.1, 3)
    assert specs["b"].lora.r == 8


def test_lists_are_replaced_whole(tmp_path: Path) -> None:
    specs = load(tmp_path, "dataset: {prefer: [quality, length]}", a="dataset: {prefer: [recency]}")
    assert specs["a"].dataset.prefer == ("recency",)


def test_another_kind_of_base_drops_the_default_fields(tmp_path: Path) -> None:
    params = "base: {kind: hub, model: a/b, revision: '" + "0" * 40 + "'}"
    specs = load(tmp_path, params, a="base: {kind: bundled}", b="base: {kind: path, path: models/x}")
    assert specs["a"].base.kind == "bundled"
    assert specs["b"].base.path == "models/x"


def test_another_method_keeps_what_all_methods_share(tmp_path: Path) -> None:
    specs = load(tmp_path, "train: {method: qlora, quantization_type: fp4, epochs: 7}", a="train: {method: lora}")
    assert (specs["a"].train.method, specs["a"].train.epochs) == ("lora", 7)


def test_method_defaults_to_lora(tmp_path: Path) -> None:
    assert load(tmp_path, "", a="train: {epochs: 1}")["a"].train.method == "lora"


def test_an_export_may_be_called_format_and_null_takes_one_away(tmp_path: Path) -> None:
    params = "export: {merged: {format: merged}, onnx: {format: onnx}}"
    specs = load(tmp_path, params, a="export: {format: {format: merged}}", b="export: {merged: null}")
    assert set(specs["a"].export) == {"merged", "onnx", "format"}
    assert set(specs["b"].export) == {"onnx"}


def test_alpha_follows_the_rank_unless_set(tmp_path: Path) -> None:
    specs = load(tmp_path, "", a="lora: {r: 12}", b="lora: {r: 12, lora_alpha: 5}")
    assert (specs["a"].lora.alpha, specs["b"].lora.alpha) == (24, 5)


def test_name_that_a_server_gives_to_the_base_is_no_adapters(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"specs/base.yaml: a server calls the base model 'base', so no adapter can have that name\nhint: rename the file"
    ):
        load(tmp_path, "", base="")


def test_all_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, "seed: -1", a="lora: {r: 0}\ntrain: {epochs: 0}", b="colour: red")
    text = str(caught.value)
    for part in ("params.yaml: seed", "specs/a.yaml: lora.r", "specs/a.yaml: train.epochs", "specs/b.yaml: colour"):
        assert part in text
    assert text.count("params.yaml: seed") == 1, "a problem of params.yaml is not repeated for every spec"


def test_problem_inherited_from_params_is_laid_at_params(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^params\.yaml: lora\.r: 0: must be 1 or more$"):
        load(tmp_path, "lora: {r: 0}", a="lora: {lora_dropout: 0.1}")


def test_server_belongs_to_params_only(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"server: unknown field 'server'.*\nhint: the server is one for all adapters; set it in params\.yaml"):
        load(tmp_path, "", a="server: {port: 1}")
    (tmp_path / "params.yaml").write_text("server: {port: 9000}", encoding="utf-8")
    assert load_params(tmp_path).server.port == 9000


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Finance", "lower-case"), ("a--b", "single hyphens"), ("1a", "beginning with a letter"), ("finance_us", "hyphens")],
)
def test_names_that_dvc_or_vllm_would_trip_over_are_refused(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(SpecError, match=f"cannot be an adapter's name\nhint: .*{hint}"):
        load(tmp_path, "", **{name: ""})


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            "corpus: {measure_quality: false}",
            "dataset.quality bounds max_mean_word_length, max_symbols_per_word and 9 more, .*set dataset.quality.kinds",
        ),
        ("{corpus: {measure_quality: false}, dataset: {quality: {kinds: []}, prefer: [quality]}}", "dataset.prefer compares quality, and"),
        ("{corpus: {language: zh}, dataset: {languages: {allow: [en]}}}", "corpus.language is zh, which dataset.languages.allow leaves out"),
        ("corpus: {language: chinese}", "corpus.language: 'chinese'"),
    ],
)
def test_what_is_read_must_be_measured(tmp_path: Path, spec: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        load(tmp_path, "", a=spec)


def test_a_corpus_of_one_language_without_bounds_needs_no_measures(tmp_path: Path) -> None:
    text = "{corpus: {language: zh, measure_quality: false}, dataset: {quality: {kinds: []}, languages: {allow: [zh]}}}"
    spec = load(tmp_path, "", a=text)["a"]
    assert (spec.corpus.language, spec.corpus.measure_quality) == ("zh", False)
