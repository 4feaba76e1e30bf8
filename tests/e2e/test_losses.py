"""A source that was lost is named on the screen and, where a build is strict, by its exit status; what was built stands."""

import json
from pathlib import Path

from tests.workspace import questions, run, tiny_workspace


def test_a_source_that_was_rejected_in_full_ends_a_strict_build_after_it(tmp_path: Path) -> None:
    root = tiny_workspace(tmp_path / "w", ("alpha",), exports=False)
    raw = root / "data" / "raw" / "alpha"
    (raw / "turns.json").write_text(json.dumps([{"history": ["[Client] May I?", "[Lawyer] You may."]} for _ in range(6)]))
    (raw / "other.jsonl").write_text(questions("other", 30) + '{"instruction": "What?"}\n' * 12, encoding="utf-8")
    spec = root / "specs" / "alpha.yaml"
    told = ["other.jsonl: 12 of 42 rows (29%) went as missing_field", "turns.json: all 6 rows went as missing_field"]

    easy = run(root, "adapt", "build", "--to", "dataset", env={"CI": ""})
    for sentence in told:
        assert f"alpha: {sentence}" in easy.stdout
    strict = run(root, "adapt", "build", "--to", "dataset", "--json", env={"CI": "true"}, check=False)
    answer = json.loads(strict.stdout)
    assert (strict.returncode, {stage["outcome"] for stage in answer["stages"]}) == (1, {"unchanged"})
    assert answer["error"] == f"a quarter or more was lost to one rule: alpha: {told[0]}; alpha: {told[1]}"
    assert (root / "data" / "dataset" / "alpha" / "train.jsonl").is_file()
    report = json.loads((root / "data" / "corpus" / "alpha" / "report.json").read_bytes())
    assert [loss["source"] for loss in report["losses"]] == ["other.jsonl", "turns.json"]

    spec.write_text(spec.read_text(encoding="utf-8") + "strict: false\n", encoding="utf-8")
    assert run(root, "adapt", "build", "--to", "dataset", env={"CI": "true"}).returncode == 0
    spec.write_text(spec.read_text(encoding="utf-8").replace("strict: false", "strict: true"), encoding="utf-8")
    assert run(root, "adapt", "build", "--to", "dataset", env={"CI": ""}, check=False).returncode == 1
