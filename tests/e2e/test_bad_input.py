"""Bad specs and bad corpora: each gives its documented error and exit code 1, without a traceback, and touches no output."""

from pathlib import Path

import pytest

from adapt.artifact.digest import digest_files
from adapt.cli.main import main
from tests.tiny import tiny_base
from tests.workspace import ROOT, questions

BAD_SPECS: dict[str, tuple[str | bytes, str]] = {
    "unknown section": ("trian: {epochs: 1}", "specs/a.yaml: trian: unknown field 'trian'; allowed: base, corpus"),
    "unknown section hint": ("trian: {epochs: 1}", "hint: did you mean 'train'?"),
    "unknown field": (
        "lora: {rank: 8}",
        "specs/a.yaml: lora.rank: unknown field 'rank'; allowed: lora_alpha, lora_dropout, r, target_modules, use_rslora",
    ),
    "unknown method": (
        "train: {method: lorra}",
        "specs/a.yaml: train.method: 'lorra' is not a method; choose from: lora, rslora, dora",
    ),
    "unread field": (
        "train: {method: full}\nlora: {r: 8}",
        "specs/a.yaml: lora.r: train.method full does not read it; it reads nothing of section lora\nhint: take the line out",
    ),
    "export of what cannot be merged": (
        "train: {method: p_tuning}\nexport: {m: {format: merged}}",
        "specs/a.yaml: export.m: format merged folds the adapter into the base, and p_tuning cannot be merged\nhint: set export.m to null",
    ),
    "unknown base kind": ("base: {kind: hubb}", "specs/a.yaml: base.kind: 'hubb' is not a kind; choose from: bundled, path, hub"),
    "unknown export format": (
        "export: {m: {format: merge}}",
        "specs/a.yaml: export.m.format: 'merge' is not a format; choose from: adapter, merged, quantized, onnx, onnx_adapters, gguf, gguf_adapter",
    ),
    "export without format": (
        "export: {m: {dtype: float32}}",
        "specs/a.yaml: export.m: format is required; choose from: adapter, merged, quantized, onnx, onnx_adapters, gguf, gguf_adapter",
    ),
    "bad export name": ("export: {My-Model: {format: merged}}", "specs/a.yaml: export.My-Model: 'My-Model': a name of lower-case letters"),
    "rank zero": ("lora: {r: 0}", "specs/a.yaml: lora.r: 0: must be 1 or more"),
    "rank too large": ("lora: {r: 1024}", "specs/a.yaml: lora.r: 1024: must be 512 or less"),
    "rank as text": ("lora: {r: high}", "specs/a.yaml: lora.r: 'high': a whole number is expected"),
    "negative learning rate": ("train: {learning_rate: -1}", "specs/a.yaml: train.learning_rate: -1: must be greater than 0"),
    "infinite learning rate": ("train: {learning_rate: .inf}", "specs/a.yaml: train.learning_rate: inf: "),
    "field of another method": ("train: {method: lora, double_quantization: true}", "train.double_quantization: unknown field 'double_quantization'"),
    "unpinned revision": (
        "base: {kind: hub, model: a/b, revision: main}",
        "specs/a.yaml: base.revision: 'main': a full commit of 40 hex digits is expected\nhint: a branch or tag can move",
    ),
    "hub without revision": ("base: {kind: hub, model: a/b}", "specs/a.yaml: base.revision: is required"),
    "section as text": ("train: fast", "specs/a.yaml: train: 'fast': a mapping of fields is expected"),
    "list for a mapping": ("lora: [8]", "specs/a.yaml: lora: [8]: a mapping of fields is expected"),
    "targets as number": ("lora: {target_modules: 3}", "specs/a.yaml: lora.target_modules: 3: 'all-linear' or a list of text is expected"),
    "empty sources": ("corpus: {sources: []}", "specs/a.yaml: corpus.sources: []: needs 1 entry or more"),
    "unknown reader": (
        "corpus: {sources: [{glob: '*', reader: word}]}",
        "specs/a.yaml: corpus.sources.0.reader: 'word' is not a reader; choose from: auto, html",
    ),
    "unknown policy": ("corpus: {pii: {email: msk}}", "choose from: mask, pseudonym, drop, allow\nhint: did you mean 'mask'?"),
    "unknown kind of data": ("corpus: {pii: {fax: mask}}", "specs/a.yaml: corpus.pii.fax: unknown field 'fax'; allowed: address, bank_card"),
    "unknown kind of source": (
        "corpus: {sources: [{kind: sqll}]}",
        "specs/a.yaml: corpus.sources.0.kind: 'sqll' is not a kind; choose from: files, sql",
    ),
    "field of no form": (
        "corpus: {sources: [{glob: x, fields: {input: {joined: [a]}}}]}",
        "corpus.sources.0.fields.input: text or a mapping with join",
    ),
    "password in a spec": ("corpus: {sources: [{kind: sql, url: 'pg://me:pw@h/d', query: q}]}", "corpus.sources.0: a password stands in sources.url"),
    "pseudonyms without a key": ("corpus: {pii: {email: pseudonym}}", "specs/a.yaml: corpus.pii: the policy pseudonym needs pii.pseudonym_key"),
    "synthesis without a teacher": ("dataset: {synthesis: {}}", "specs/a.yaml: dataset: synthesis needs a teacher: set dataset.teacher"),
    "missing evaluation set": ("dataset: {decontamination: {against: [no.jsonl]}}", "dataset.decontamination.against: no.jsonl is not a file"),
    "engine in a spec": ("engine: {kind: local}", "hint: the engine is one for all adapters; set it in params.yaml"),
    "split too large": (
        "dataset: {split: {validation: 0.4, test: 0.4}}",
        "dataset.split: validation and test together leave less than 0.4 for training",
    ),
    "gate without bound": ("evaluate: {gates: [{metric: bleu}]}", "specs/a.yaml: evaluate.gates.0: set beats_base, minimum or maximum"),
    "impossible gate": ("evaluate: {gates: [{metric: bleu, minimum: 2, maximum: 1}]}", "minimum is above maximum, so nothing passes"),
    "truth for a number": ("lora: {r: true}", "specs/a.yaml: lora: r is true, and a number is expected"),
    "gate that cannot be judged": ("evaluate: {gates: [{metric: checks_passed, minimum: 1}]}", "evaluate: a gate on checks_passed needs checks"),
    "gate without answers": (
        "evaluate: {generate_records: 0, gates: [{metric: f1, minimum: 0.5}]}",
        "evaluate: a gate on f1 needs generated answers",
    ),
    "gate out of range": ("evaluate: {gates: [{metric: f1, minimum: 20}]}", "evaluate: a gate on f1 asks for 20, and the metric runs from 0 to 1"),
    "no targets": ("lora: {target_modules: []}", "specs/a.yaml: lora.target_modules: []: 'all-linear' or a list of text is expected"),
    "check of nothing": ("evaluate: {checks: [{prompt: hi}]}", "specs/a.yaml: evaluate.checks.0: set must_contain or must_not_contain"),
    "heading without place": ("dataset: {headings: {en: Explain.}}", "dataset.headings.en: 'Explain.': a text that contains {heading} is expected"),
    "server in a spec": ("server: {port: 1}", "hint: the server is one for all adapters; set it in params.yaml"),
    "duplicate key": ("seed: 1\nseed: 2", "specs/a.yaml: line 2, column 1: duplicate key 'seed'"),
    "anchor": ("lora: &x {r: 1}\ntrain: *x", "specs/a.yaml: line 1, column 7: anchors and aliases are not allowed (found 'x')"),
    "not utf-8": (b"description: caf\xe9", "specs/a.yaml: line 1: byte 0xe9 is not UTF-8\nhint: save the file as UTF-8"),
    "broken yaml": ("lora: {r: 1", "specs/a.yaml: line "),
    "missing base": ("base: {kind: path, path: nowhere}", "specs/a.yaml: base.path: nowhere is not a folder"),
    "missing template": ("prompt: {kind: file, path: no.jinja}", "specs/a.yaml: prompt.path: no.jinja does not exist"),
    "seed too large": ("seed: 99999999999", "specs/a.yaml: seed: 99999999999: must be less than 2147483648"),
}
ONE_DOCUMENT = b"# Title\n\n" + b"".join(b"## Part %d?\n\nThis part number %d says quite a lot of words about it.\n\n" % (i, i) for i in range(9))
BAD_CORPORA: dict[str, tuple[dict[str, bytes], str, str, str]] = {
    "no folder": ({}, "", "corpus", "does not exist\nhint: put the raw files there, or set corpus.path in the spec"),
    "empty folder": ({".keep": b""}, "", "corpus", "holds no files\nhint: "),
    "nothing matches": ({"a.txt": b"x"}, "corpus: {sources: [{glob: '*.csv'}]}", "corpus", "no usable document"),
    "only binary": ({"a.txt": bytes(range(256)) * 4}, "", "corpus", "no usable document; "),
    "only broken rows": ({"a.jsonl": b'{"instruction": \n[1]\n'}, "", "corpus", "no usable document; "),
    "empty files": ({"a.md": b"", "b.csv": b""}, "", "corpus", "no usable document; "),
    "missing column": (
        {"a.csv": b"q,a\n1,2\n"},
        "corpus: {sources: [{glob: '*.csv', fields: {instruction: ask}}]}",
        "corpus",
        "corpus.sources.0.fields.instruction: a.csv has no column 'ask'\nhint: its columns are q, a",
    ),
    "too few records": ({"a.jsonl": questions("a", 5).encode()}, "", "dataset", "5 usable records, and dataset.min_records asks for 16"),
    "one record": ({"a.jsonl": questions("a", 1).encode()}, "dataset: {min_records: 3}", "dataset", "1 usable records, and dataset.min_records asks"),
    "all too short": ({"a.jsonl": b'{"instruction": "Q?", "output": "Yes."}\n' * 30}, "", "dataset", "0 usable records"),
    "one document": ({"a.md": ONE_DOCUMENT}, "dataset: {min_records: 3, near_duplicates: null, quality: {kinds: []}}", "dataset", "must stay whole"),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def workspace(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "params.yaml").write_text(f"base: {{kind: path, path: '{base}'}}\n", encoding="utf-8")
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    outputs = tmp_path / "data" / "corpus" / "a"
    outputs.mkdir(parents=True)
    (outputs / "documents.parquet").write_text("an older output", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("adapt.cli.stage.die_with_parent", lambda: None)  # this process is the test runner's
    return tmp_path


def adapt(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    return int(stopped.value.code or 0), capsys.readouterr().err


INDEX = """# Written by `adapt sync`; do not edit.
adapters:
  a:
    raw: data/raw/a
    reward: data/dataset/a/validation.jsonl
    rewarded_by: data/dataset/a/test.jsonl
    start: data/dataset/a/train.jsonl
exports: {}
steps: {}
"""


@pytest.mark.parametrize(("content", "message"), BAD_SPECS.values(), ids=BAD_SPECS)
def test_bad_spec(workspace: Path, capsys: pytest.CaptureFixture[str], content: str | bytes, message: str) -> None:
    (workspace / "specs" / "_index.yaml").write_text(INDEX)
    (workspace / "specs" / "a.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = digests_of(workspace)
    code, err = adapt(capsys, "stage", "resolve")
    assert code == 1
    assert message in err
    assert "Traceback" not in err
    assert digests_of(workspace) == before


def digests_of(workspace: Path) -> dict[str, str]:
    """Of everything but the memory of digests, which is none of the workspace's content."""
    return {path: digest for path, digest in digest_files(workspace).items() if not path.startswith(".adapt/digests.sqlite")}


@pytest.mark.parametrize(("files", "spec", "stage", "message"), BAD_CORPORA.values(), ids=BAD_CORPORA)
def test_bad_corpus(workspace: Path, capsys: pytest.CaptureFixture[str], files: dict[str, bytes], spec: str, stage: str, message: str) -> None:
    (workspace / "specs" / "a.yaml").write_text(spec, encoding="utf-8")
    for name, content in files.items():
        path = workspace / "data" / "raw" / "a" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert adapt(capsys, "sync")[0] == 0
    assert adapt(capsys, "stage", "resolve")[0] == 0
    if stage == "dataset":
        assert adapt(capsys, "stage", "corpus", "a")[0] == 0
    before = digest_files(workspace / "data")
    code, err = adapt(capsys, "stage", stage, "a")
    assert code == 1
    assert message in err
    assert "Traceback" not in err
    assert {path: digest for path, digest in digest_files(workspace / "data").items() if not path.endswith(".lock")} == {
        path: digest for path, digest in before.items() if not path.endswith(".lock")
    }
