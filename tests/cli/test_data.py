"""`adapt data` through the real command line, on a data set that is built."""

import json
import shutil
from pathlib import Path

import pytest

from adapt.artifact.manifest import provenance_path
from adapt.explain.outputs import Outputs
from tests.cli.test_commands import adapt, spec, workspace
from tests.explain.conftest import make, rows

__all__ = ["workspace"]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """A set with rules on names; one row is a copy of another."""
    lines = rows()
    lines[21] = lines[20]
    return make(tmp_path_factory.mktemp("data") / "a", lines, languages={"allow": ["en"]}, licences={"refuse": ["CC-BY-NC*"]})


@pytest.fixture
def placed(workspace: Path, named: Outputs) -> Path:
    """A workspace that holds the set twice, as `faq` and as `again`."""
    for name in ("faq", "again"):
        spec(workspace, name)
        shutil.copytree(named.corpus, workspace / "data" / "corpus" / name)
        shutil.copytree(named.dataset, workspace / "data" / "dataset" / name)
        for made, kind in ((named.corpus, "corpus"), (named.dataset, "dataset")):
            shutil.copyfile(provenance_path(made), provenance_path(workspace / "data" / kind / name))
        (workspace / "build" / "resolved").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(named.resolved, workspace / "build" / "resolved" / f"{name}.yaml")
    return workspace


def test_why_shows_names_beside_figures(capsys: pytest.CaptureFixture[str], placed: Path) -> None:
    code, out, _ = adapt(capsys, "data", "why", "faq.jsonl:line 1", "--spec", "faq")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    [language] = [line for line in lines if line[:1] == ["language"]]
    [licence] = [line for line in lines if line[:1] == ["licence"]]
    assert (language[1], language[-3:]) == ("en", ["allow", "en", "passed"])
    assert licence[1:3] == ["(not", "known)"]
    assert "instruction: What of" in out


def test_why_names_the_place_of_an_equal_winner_in_every_set(capsys: pytest.CaptureFixture[str], placed: Path) -> None:
    code, out, _ = adapt(capsys, "data", "why", "faq.jsonl:line 22")
    assert (code, out.count("faq.jsonl, line 21")) == (0, 4)
    assert out.splitlines()[0] == "again"
    assert "rules were not asked, since it was out already" in out
    code, out, _ = adapt(capsys, "data", "why", "faq.jsonl:line 22", "--spec", "faq", "--json")
    [told] = json.loads(out)
    assert told["records"][0]["winner_place"] == "faq.jsonl, line 21"


def test_the_funnel_and_samples_are_shown(capsys: pytest.CaptureFixture[str], placed: Path) -> None:
    code, out, _ = adapt(capsys, "data", "funnel", "faq")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines() if not line.startswith(" ")] == [
        "rows read", "documents", "records made", "records kept",
    ]  # fmt: skip
    code, out, _ = adapt(capsys, "data", "sample", "faq", "--dropped-by", "exact_duplicate")
    assert code == 0
    assert "kept instead: " in out


def test_texts_that_cannot_be_made_again_are_owned_up_to(capsys: pytest.CaptureFixture[str], placed: Path) -> None:
    (placed / "build" / "resolved" / "faq.yaml").unlink()
    _, out, _ = adapt(capsys, "data", "sample", "faq", "--dropped-by", "too_short")
    assert "texts of records that were dropped cannot be shown" in out
    _, out, _ = adapt(capsys, "data", "why", "faq.jsonl:line 1", "--spec", "faq")
    assert "cannot be shown" not in out


def test_a_folder_is_compared_with_one_set_only(capsys: pytest.CaptureFixture[str], placed: Path, named: Outputs) -> None:
    code, _, err = adapt(capsys, "data", "diff", str(named.dataset))
    assert code == 1
    assert "holds one data set, and 2 are compared" in err
    assert "hint: say which with --spec NAME" in err
    code, out, _ = adapt(capsys, "data", "diff", str(named.dataset), "--spec", "faq")
    assert (code, out) == (0, "faq: no difference\n")
