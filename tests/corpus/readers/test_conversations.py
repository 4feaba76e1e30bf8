"""Conversations as public data sets write them: who says what, what is not to be learned, and what cannot be read without something else.

Every sample is written by hand in the shape that the data set or trainer documents; the truth stands beside it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from adapt.corpus.draft import Draft, Rejected
from tests.corpus.readers.reads import Piece, read

Turns = list[tuple[str, str]]


def one(tmp_path: Path, row: Any, **settings: Any) -> Piece:
    (piece,) = (each for each in read(tmp_path / "a.jsonl", json.dumps(row, ensure_ascii=False) + "\n", **settings))
    return piece


def turns_of(piece: Piece) -> Turns:
    """What a draft says, whatever its kind."""
    assert isinstance(piece, Draft), piece
    if piece.kind == "chat":
        return list(piece.messages)
    asked = f"{piece.instruction}\n\n{piece.input}" if piece.input else piece.instruction
    answered = [("worse", piece.rejected)] if piece.kind == "preference" else []
    return [*piece.messages, ("user", asked), ("assistant", piece.output), *answered]


Q, A, R, B = "How is valve seven opened?", "Turn it to the left.", "No, properly.", "Close the inlet first."
PLAIN = [("user", Q), ("assistant", A)]
LONG = [*PLAIN, ("user", R), ("assistant", B)]
TOLD = [("system", "Be brief."), *PLAIN]


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]}, PLAIN),
        ({"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": Q}, {"role": "assistant", "content": A}]}, TOLD),
        ({"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": Q}, {"from": "gpt", "value": A}]}, TOLD),
        ({"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}], "system": "Be brief."}, TOLD),
        ({"conversation": [{"human": Q, "assistant": A}, {"human": R, "assistant": B}]}, LONG),
        ({"conversation": [{"system": "Be brief.", "input": None, "human": Q, "assistant": A}]}, TOLD),
        ({"messages": [{"speaker": "Customer", "text": Q}, {"speaker": "Agent", "text": A}]}, PLAIN),
        ({"messages": [{"role": "USER", "content": [{"type": "text", "text": Q}]}, {"role": "model", "parts": [{"text": A}]}]}, PLAIN),
        ({"messages": [{"role": "用户", "content": Q}, {"role": "助手", "content": A}]}, PLAIN),
        ({"messages": [{"role": "ユーザー", "content": Q}, {"role": "アシスタント", "content": A}]}, PLAIN),
        ({"messages": [{"role": "사용자", "content": Q}, {"role": "도우미", "content": A}]}, PLAIN),
        ({"messages": [{"role": "usuario", "content": Q}, {"role": "asistente", "content": A}]}, PLAIN),
        ({"messages": [{"role": "Nutzer", "content": Q}, {"role": "Assistent", "content": A}]}, PLAIN),
        ({"messages": [{"role": "utilisateur", "content": Q}, {"role": "Assistant", "content": A}]}, PLAIN),
        ({"messages": [["user", Q], ["assistant", A]]}, PLAIN),
        ({"messages": json.dumps([{"role": "user", "content": Q}, {"role": "assistant", "content": A}])}, PLAIN),
        ({"messages": {"role": ["user", "assistant"], "content": [Q, A]}}, PLAIN),
        ({"messages": [{"type": "human", "data": {"content": Q}}, {"type": "ai", "data": {"content": A}}]}, PLAIN),
        ({"prompt": [{"role": "user", "content": Q}], "completion": [{"role": "assistant", "content": A}]}, PLAIN),
        ({"prompt": Q, "completion": A}, PLAIN),
        ({"instruction": Q, "input": "", "output": A, "system": "Be brief."}, TOLD),
        ({"instruction": R, "output": B, "history": [[Q, A]]}, LONG),
        ({"instruction": R, "output": B, "history": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]}, LONG),
        ({"instruction": R, "output": B, "history": [Q, A]}, LONG),
        ({"instruction": R, "output": B, "history": [{"user": Q, "assistant": A}]}, LONG),
        ({"instruction": R, "output": B, "history": [{"question": Q, "answer": A}]}, LONG),
        ({"instruction": R, "output": B, "history": [{"prompt": Q, "response": A}]}, LONG),
        ({"instruction": R, "output": B, "history": json.dumps([[Q, A]])}, LONG),
        ({"instruction": R, "output": B, "history": f"User: {Q}\nAssistant: {A}"}, LONG),
        ({"instruction": Q, "output": A, "history": []}, PLAIN),
        ({"instruction": Q, "output": A, "history": None}, PLAIN),
        ({"instruction": Q, "output": A, "history": ""}, PLAIN),
    ],
)
def test_who_says_what(tmp_path: Path, row: dict[str, Any], turns: Turns) -> None:
    assert turns_of(one(tmp_path, row)) == turns


@pytest.mark.parametrize(
    "marks",
    [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"training": False}, {"loss": False}, {"loss": 0}, {"trainable": "false"}, {"masked": True}],
)
@pytest.mark.parametrize("form", ["openai", "sharegpt"])
def test_answers_that_are_marked_are_context_alone(tmp_path: Path, marks: dict[str, Any], form: str) -> None:
    role, content = ("role", "content") if form == "openai" else ("from", "value")
    names = ("user", "assistant") if form == "openai" else ("human", "gpt")
    turns = [{role: names[0], content: Q}, {role: names[1], content: A, **marks}, {role: names[0], content: R}, {role: names[1], content: B}]
    key = "messages" if form == "openai" else "conversations"
    assert turns_of(one(tmp_path, {key: turns})) == [("user", Q), ("unlearned", A), ("user", R), ("assistant", B)]


@pytest.mark.parametrize("marks", [{"weight": 1}, {"train": True}, {"train": None}, {"masked": False}, {"loss_weight": 0.5}])
def test_other_marks_leave_an_answer_to_be_learned(tmp_path: Path, marks: dict[str, Any]) -> None:
    row = {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": A, **marks}]}
    assert turns_of(one(tmp_path, row)) == PLAIN


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": Q}]}, {"role": "assistant", "content": A}]}, "needs_image"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "AAAA"}}, {"type": "text", "text": Q}]},
                    {"role": "assistant", "content": A},
                ]
            },
            "needs_image",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA"}}, {"type": "text", "text": Q}]},
                    {"role": "assistant", "content": A},
                ]
            },
            "needs_audio",
        ),
        ({"conversations": [{"from": "human", "value": f"<image>\n{Q}"}, {"from": "gpt", "value": A}], "image": "w.jpg"}, "needs_image"),
        ({"instruction": f"<image>{Q}", "output": A, "images": ["a.png"]}, "needs_image"),
        ({"instruction": f"<audio>{Q}", "output": A, "audios": ["a.wav"]}, "needs_audio"),
        ({"instruction": f"<video>{Q}", "output": A, "videos": ["a.mp4"]}, "needs_video"),
        ({"instruction": Q, "output": A, "image": {"bytes": "AAAA", "path": "a.png"}}, "needs_image"),
        (
            {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}]},
            "needs_tools",
        ),
        ({"messages": [{"role": "user", "content": Q}, {"role": "tool", "content": "4"}, {"role": "assistant", "content": A}]}, "needs_tools"),
        ({"messages": [{"role": "user", "content": Q}, {"role": "narrator", "content": A}]}, "unknown_role"),
        ({"instruction": R, "output": B, "history": [Q, A, R]}, "unknown_history"),
        ({"instruction": R, "output": B, "history": "we spoke of the valve"}, "unknown_history"),
        ({"message_id": "1", "parent_id": None, "role": "prompter", "text": Q}, "lone_turn"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_a_rule_of_its_own(tmp_path: Path, row: dict[str, Any], rule: str) -> None:
    piece = one(tmp_path, row)
    assert isinstance(piece, Rejected), piece
    assert piece.rule == rule
    assert Q not in piece.reason


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Which tag shows a picture in HTML?", "output": "The tag <image> is an alias of <img>, which shows one."},
        {"instruction": Q, "output": A, "image": None},
        {"instruction": Q, "output": A, "images": []},
        {"instruction": Q, "output": A, "tools": "[]"},
        {"instruction": Q, "output": A, "label": "valves"},
        {"instruction": Q, "output": A, "label": 0},
    ],
)
def test_what_only_resembles_it_is_read(tmp_path: Path, row: dict[str, Any]) -> None:
    assert turns_of(one(tmp_path, row)) == [("user", row["instruction"]), ("assistant", row["output"])]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": Q, "completion": A, "label": False},
        {"prompt": [{"role": "user", "content": Q}], "completion": [{"role": "assistant", "content": A}], "label": False},
        {"prompt": Q, "completion": A, "label": 0},
        {"instruction": Q, "output": A, "kto_tag": False},
        {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}], "label": False},
    ],
)
def test_an_answer_that_is_called_bad_is_a_worse_one(tmp_path: Path, row: dict[str, Any]) -> None:
    piece = one(tmp_path, row)
    assert isinstance(piece, Draft)
    assert (piece.kind, piece.instruction, piece.output, piece.rejected) == ("preference", Q, "", A)


@pytest.mark.parametrize("label", [True, 1])
def test_one_that_is_called_good_is_an_answer(tmp_path: Path, label: object) -> None:
    assert turns_of(one(tmp_path, {"prompt": Q, "completion": A, "label": label})) == PLAIN


PAIR = [("user", Q), ("assistant", A), ("worse", B)]


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"prompt": Q, "chosen": A, "rejected": B}, PAIR),
        (
            {
                "prompt": [{"role": "user", "content": Q}],
                "chosen": [{"role": "assistant", "content": A}],
                "rejected": [{"role": "assistant", "content": B}],
            },
            PAIR,
        ),
        (
            {
                "chosen": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}],
                "rejected": [{"role": "user", "content": Q}, {"role": "assistant", "content": B}],
            },
            PAIR,
        ),
        (
            {"conversations": [{"from": "human", "value": Q}], "chosen": {"from": "gpt", "value": A}, "rejected": {"from": "gpt", "value": B}},
            PAIR,
        ),
        ({"chosen": f"\n\nHuman: {Q}\n\nAssistant: {A}", "rejected": f"\n\nHuman: {Q}\n\nAssistant: {B}"}, PAIR),
        ({"instruction": Q, "input": "", "chosen": A, "rejected": B, "system": "Be brief."}, [("system", "Be brief."), *PAIR]),
    ],
)
def test_pairs(tmp_path: Path, row: dict[str, Any], turns: Turns) -> None:
    assert turns_of(one(tmp_path, row)) == turns


def test_reasoning_beside_an_answer_is_left_out_with_a_note_and_inside_it_stays(tmp_path: Path) -> None:
    apart = one(tmp_path, {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "reasoning_content": "left it is", "content": A}]})
    assert isinstance(apart, Draft)
    assert [edit.rule for edit in apart.edits] == ["drop_reasoning"]
    assert turns_of(apart) == PLAIN
    inside = one(tmp_path, {"instruction": Q, "output": f"<think>left it is</think>{A}"})
    assert turns_of(inside)[1] == ("assistant", f"<think>left it is</think>{A}")


@pytest.mark.parametrize(
    "text", [f"User: {Q}\nAssistant: {A}", f"Human: {Q}\n\nAssistant: {A}", f"问：{Q}\n答：{A}", f"### User:\n{Q}\n\n### Assistant:\n{A}"]
)
def test_turns_as_text_are_read_where_the_spec_names_them(tmp_path: Path, text: str) -> None:
    assert turns_of(one(tmp_path, {"dialogue": text}, fields={"messages": "dialogue"})) == PLAIN


def test_names_of_speakers_are_the_specs_to_give(tmp_path: Path) -> None:
    row = {"history": [f"[Client] {Q}", f"[Lawyer] {A}"]}
    refused = one(tmp_path, row, fields={"messages": "history"})
    assert isinstance(refused, Rejected)
    assert refused.rule == "unknown_role"
    assert "Lawyer" in refused.reason
    given = one(tmp_path, row, fields={"messages": "history", "roles": {"Client": "user", "Lawyer": "assistant"}})
    assert turns_of(given) == PLAIN
