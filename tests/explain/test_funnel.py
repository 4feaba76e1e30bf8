"""The funnel adds up to the row."""

import json
from pathlib import Path

from adapt.explain.funnel import whole_funnel, whole_funnel_by_characters
from adapt.explain.outputs import Outputs
from tests.dataset.texts import prose
from tests.explain.conftest import make, rows


def totals(outputs: Outputs) -> dict[str, int]:
    """Starts and totals, after it was checked that they add up."""
    found: dict[str, int] = {}
    running = 0
    steps = whole_funnel(outputs)
    for step in steps:
        if step.kind == "lost":
            running -= step.count
        elif step.kind != "split":
            assert step.kind == "start" or step.count == running, step
            running = found[step.step] = step.count
    assert sum(step.count for step in steps if step.kind == "split") == running
    return found


def test_every_total_is_the_last_less_what_was_lost(built: Outputs) -> None:
    assert totals(built) == {"rows read": 26, "documents": 25, "records made": 25, "records kept": 22}


def test_it_adds_up_for_documents_with_several_parts_and_for_those_without_a_record(tmp_path: Path) -> None:
    sections = f"# T\n\n## A\n\n{prose('a', 30)}\n\n## B\n\n{prose('b', 30)}\n"
    turns = [{"role": role, "content": prose(role, 30)} for role in ("user", "assistant", "user")]
    pages = {"sections.md": sections, "note.txt": prose("alone", 30)}
    assert totals(make(tmp_path, [*rows()[:20], json.dumps({"messages": turns})], pages=pages)) == {
        "rows read": 23,
        "documents": 23,
        "documents with a record": 22,
        "parts of documents": 25,
        "records made": 23,
        "records kept": 23,
    }


def test_the_card_has_the_same_steps(built: Outputs) -> None:
    card = (built.dataset / "card.md").read_text(encoding="utf-8")
    assert "| near_duplicate | -1 |\n| records kept | 22 |\n" in card
    assert json.loads((built.dataset / "report.json").read_text(encoding="utf-8"))["form"] == "instruction"


def test_each_rule_that_took_a_row_is_named(built: Outputs) -> None:
    lost = {step.step: step.count for step in whole_funnel(built) if step.kind == "lost"}
    assert lost == {"invalid_json": 1, "too_short": 1, "exact_duplicate": 1, "near_duplicate": 1}


def test_characters_add_up_from_what_was_read_to_what_was_kept(tmp_path: Path) -> None:
    pages = {"sections.md": f"---\ntitle: T\n---\n# T\n\n## A\n\n{prose('a', 30)}\n", "note.txt": f"{prose('alone', 30)} Mail a@example.com."}
    outputs = make(tmp_path, rows(), pages=pages)
    steps = whole_funnel_by_characters(outputs)
    running = steps[0].count
    for step in steps[1:]:
        if step.kind == "lost":
            running -= step.count
        else:
            assert step.count == running, step
    assert steps[-1].step == "records kept"
    assert {step.step for step in steps} >= {"characters read", "drop_front_matter", "mask_email", "documents", "headings, context"}
