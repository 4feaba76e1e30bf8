import numpy as np
import pyarrow as pa

from adapt.artifact.lines import ledger_schema
from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.pieces import drafts, finished, ledger, lost, moved, note, to_batch, waiting
from adapt.records import LedgerRow, Signals

EDIT = Edit("mask_email", "1 e-mail address in the text was replaced by [EMAIL].", 1, "text", ((3, 10),))
TEXT = Draft(source="a.md", locator="", kind="text", title="T", text="At [EMAIL].", licence="MIT", wrapped=True, edits=(EDIT,))
CHAT = Draft(source="c.jsonl", locator="line 2", kind="chat", messages=(("user", "Hi?"), ("assistant", "Hello \ufffd.")), label="x")


def test_a_waiting_draft_comes_back_with_its_lines_and_what_was_done_to_it() -> None:
    batch = to_batch([waiting(TEXT, [5, 1 << 63])])
    ((draft, rows, lines),) = drafts(batch)
    assert draft == Draft(source="a.md", locator="", kind="text", title="T", text="At [EMAIL].", licence="MIT", wrapped=True)
    assert lines == [5, 1 << 63]
    assert [row.model_dump() for row in rows_of(to_batch([finished(draft, "en", rows)]))] == [
        row.model_dump() for row in rows_of(to_batch([finished(TEXT, "en")]))
    ]


def test_ledger_rows_name_documents_by_id_and_the_lost_by_their_place() -> None:
    about = LedgerRow(record="f.csv:", source="f.csv", locator="", action="edited", rule="repair_encoding", reason="Read as gb18030.")
    batch = to_batch([finished(TEXT, "en"), lost("f.csv", Rejected("line 3", "missing_field", "There is no answer.")), note(about)])
    assert [(row.record, row.rule, row.score, row.spans) for row in rows_of(batch)] == [
        (TEXT.identity(), "mask_email", 1, ((3, 10),)),
        ("f.csv:line 3", "missing_field", None, ()),
        ("f.csv:", "repair_encoding", None, ()),
    ]


def test_a_document_that_moved_has_the_id_of_its_new_place() -> None:
    batch = to_batch([finished(CHAT, "en"), lost("c.jsonl", Rejected("line 3", "invalid_json", "The line is not valid JSON."))])
    there = moved(batch, pa.array(["line 7", "line 8"]))
    assert there.column("id").to_pylist() == [Draft(source="c.jsonl", locator="line 7", kind="chat", messages=CHAT.messages).identity(), ""]
    assert moved(there, pa.array(["line 2", "line 3"])).equals(batch)
    assert next(row.record for row in rows_of(there)) == "c.jsonl:line 8"


def test_what_was_measured_stands_in_the_rows_of_the_documents() -> None:
    about = {"words": np.array([7.0, 8.5]), "mean_word_length": np.array([4.0, np.nan]), "stop_words": np.array([2.0, 0.0])}
    batch = to_batch([finished(TEXT, "en"), lost("c.jsonl", Rejected("", "invalid_json", "No.")), finished(CHAT, "en")], about)
    told = [Signals.model_validate(row) for row in batch.column("signals").to_pylist()]
    assert told == [Signals(words=7, mean_word_length=4, stop_words=2), Signals(), Signals(words=8.5)]


def rows_of(batch: pa.RecordBatch) -> list[LedgerRow]:
    rows = ledger(batch)
    assert rows.schema == ledger_schema()
    return [LedgerRow.model_validate(row) for row in rows.to_pylist()]
