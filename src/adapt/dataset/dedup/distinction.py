"""Says what tells two similar texts apart: a template filled with other facts is no copy, however much of it is the same.

Enters: question and answer of two records. Leaves: nothing, or the kind of difference in words. Questions must agree but for fillers,
plurals, spelling and slips of the pen; answers may differ in plain words, but not in facts (`wording`), nor in a term that one of them
has wherever the other has another.
"""

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from adapt.dataset.dedup.wording import OPPOSITES, Token, is_in_capitals, read_tokens

_FILLER_WORDS = """
describe explain outline discuss a an the please kindly is are was were be do does did
请 问 吗 呢 啊 呀 吧 的 了 是 么 您 你
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_ASKS_THE_SAME = (("什么样", "什么"), ("怎么样", "如何"), ("怎样", "如何"), ("为何", "为什么"), ("哪些", "什么"))
_QUESTION = re.compile(r"[^.!?。！？\n]*[?？]")
_SENTENCE_END = re.compile(r"[.!?;]+(?=\s)|[。！？；\n]+")
_LOOSE_FROM = 120
"""Tokens from which a question is a text with a question in it: only what ends in a question mark must agree as a whole. Word
problems and cases of patients are shorter, and ask another thing with each word that differs."""
_SENTENCE = 5
"""Tokens of a run that counts as a sentence of its own when it was added, moved or left out."""
_AMERICAN = ((re.compile("our$"), "or"), (re.compile("is(e|es|ed|ing|ation)$"), r"iz\1"), (re.compile("ae|oe"), "e"))
_SLIP_LETTERS = 5
"""Letters from which a word can be told to be a slip of another."""


Sentence = tuple[Token, ...]


class Statement(NamedTuple):
    """What a record says, ready to be compared."""

    asked: tuple[str, ...]
    """Content words of the question, in order; none where nothing asks."""
    premise: tuple[Sentence, ...]
    """Sentences of what a long question tells before it asks."""
    answer: tuple[Sentence, ...]
    """Sentences of what is given and answered."""
    capitals: bool
    """Whether question or answer is written in capitals."""


def read_statement(question: str, answer: str) -> Statement:
    """The statement of a record. `question` is empty where the record is known by its answer alone."""
    for phrase, plain in _ASKS_THE_SAME:
        question = question.replace(phrase, plain)
    asked, premise = read_tokens(question), ""
    if len(asked) > _LOOSE_FROM:
        asked, premise = read_tokens("\n".join(_QUESTION.findall(question))), _QUESTION.sub("\n", question)
    words = tuple(_stem(token) for token in asked if token.case or token.form not in _FILLERS)
    capitals = is_in_capitals(question) or is_in_capitals(answer)
    return Statement(words, _read_sentences(premise), _read_sentences(answer), capitals)


def find_distinction(one: Statement, other: Statement) -> str | None:
    """What tells the statements apart, None for nothing. The order of the two does not matter."""
    if one.capitals != other.capitals:
        one, other = _fold(one), _fold(other)
    if one.asked and other.asked and one.asked != other.asked and not _are_slips(one, other):
        return "question"
    return _compare(one.premise, other.premise) or _compare(one.answer, other.answer)


def case_marks(text: str) -> tuple[str, ...]:
    """The tokens of a text whose case, or a sign that ends them, carries meaning, in order."""
    return tuple(token.form for token in read_tokens(text) if token.case)


def _fold(statement: Statement) -> Statement:
    """The statement without a case that counts."""
    premise, answer = (
        tuple(tuple(token._replace(form=token.form.casefold()) for token in sentence) for sentence in part)
        for part in (statement.premise, statement.answer)
    )
    asked = tuple(word.casefold() for word in statement.asked if word.casefold() not in _FILLERS)
    return statement._replace(asked=asked, premise=premise, answer=answer)


def _stem(token: Token) -> str:
    """A content word in one number and one spelling."""
    form = token.form
    if token.case or len(form) < 4:
        return form
    if form.endswith("s") and not form.endswith(("ss", "us", "is", "ys")):
        form = form[:-1]
    for pattern, spelling in _AMERICAN:
        form = pattern.sub(spelling, form)
    return form


def _are_slips(one: Statement, other: Statement) -> bool:
    """Whether all words in which the questions differ are slips: a word of one that only the answer of the other has too, spelt right."""
    if len(one.asked) != len(other.asked):
        return False
    differ = [(left, right) for left, right in zip(one.asked, other.asked, strict=True) if left != right]
    if len(differ) > 1 + len(one.asked) // 8:
        return False
    words, others = ({_stem(token) for sentence in each.answer for token in sentence} for each in (one, other))
    return all(_is_slip(left, right, words, others) or _is_slip(right, left, others, words) for left, right in differ)


def _is_slip(slip: str, word: str, own: set[str], others: set[str]) -> bool:
    """Whether `slip` is meant to be `word`, which the answer to it has and `slip` has not."""
    return len(word) >= _SLIP_LETTERS and word in own and slip not in own | others and _is_one_edit(slip, word)


def _is_one_edit(one: str, other: str) -> bool:
    """Whether one letter was changed, added, left out or put before its neighbor."""
    if abs(len(one) - len(other)) > 1:
        return False
    at = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    left, right = one[at:], other[at:]
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or (left[1::-1] + left[2:] == right and len(left) > 1)


def _read_sentences(text: str) -> tuple[Sentence, ...]:
    shouts = is_in_capitals(text)
    return tuple(filter(None, (tuple(read_tokens(part, shouts)) for part in _SENTENCE_END.split(text))))


def _compare(sentences: Sequence[Sentence], others: Sequence[Sentence]) -> str | None:
    """What tells two answers apart. Sentences that both have, wherever they stand, say nothing about it."""
    if sentences == others:
        return None
    one, other = _leave_out(sentences, others), _leave_out(others, sentences)
    left, right = (Counter(token.form for token in part if token.fact) for part in (one, other))
    terms, opposites = _may_hold_terms(one, other), _may_be_opposites(one, other)
    if not terms and not opposites and _facts_in_order(one) == _facts_in_order(other):
        return None
    gone, come = left - right, right - left
    if gone and come and _lost(gone, other) and _lost(come, one):
        return "facts"
    changes = list(_changes(one, other))
    removed, added = Counter[str](), Counter[str]()
    for before, after in changes:
        if min(len(before), len(after)) == 0 and max(len(before), len(after)) >= _SENTENCE:
            continue
        removed.update(token.form for token in before if token.fact)
        added.update(token.form for token in after if token.fact)
    if removed or added or (opposites and any(_are_opposites(before, after) for before, after in changes)):
        return "facts"
    return "term" if terms and _has_term(changes, one, other) else None


def _may_be_opposites(one: Sequence[Token], other: Sequence[Token]) -> bool:
    """Whether a word of one text has an opposite in the other; both orders of two such words count."""
    left, right = (Counter(token.form for token in part if token.form in OPPOSITES) for part in (one, other))
    return bool(left and right) and _are_opposites(one, other)


def _are_opposites(before: Sequence[Token], after: Sequence[Token]) -> bool:
    """Whether a word of one run claims the opposite of a word of the other."""
    left, right = ({OPPOSITES[token.form] for token in run if token.form in OPPOSITES} for run in (before, after))
    return any(group == other and side != another for group, side in left for other, another in right)


def _leave_out(sentences: Sequence[Sentence], others: Sequence[Sentence]) -> Sentence:
    """The tokens of the sentences that the others lack, or have fewer times."""
    shared = Counter(tuple(token.form for token in sentence) for sentence in others)
    own: list[Token] = []
    for sentence in sentences:
        form = tuple(token.form for token in sentence)
        if shared[form]:
            shared[form] -= 1
        else:
            own.extend(sentence)
    return tuple(own)


def _facts_in_order(tokens: Sequence[Token]) -> list[str]:
    return [token.form for token in tokens if token.fact]


def _lost(facts: Counter[str], tokens: Sequence[Token]) -> bool:
    """Whether a fact of one text stands nowhere in the other, not even as a plain word."""
    forms = {token.form for token in tokens}
    return any(form not in forms for form in facts)


def _may_hold_terms(one: Sequence[Token], other: Sequence[Token]) -> bool:
    """Whether each text has a word twice that the other lacks: a look that spares most texts an alignment."""
    left, right = (Counter(token.form for token in part) for part in (one, other))
    return any(n > 1 and word not in right for word, n in left.items()) and any(n > 1 and word not in left for word, n in right.items())


def _changes(one: Sequence[Token], other: Sequence[Token]) -> list[tuple[Sequence[Token], Sequence[Token]]]:
    """The runs in which two texts differ."""
    left, right = [token.form for token in one], [token.form for token in other]
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    return [(one[a:b], other[c:d]) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"]


def _has_term(changes: Sequence[tuple[Sequence[Token], Sequence[Token]]], one: Sequence[Token], other: Sequence[Token]) -> bool:
    """Whether one run stands in the place of another twice or more, and neither text has a word of the other's run."""
    runs = Counter((tuple(t.form for t in before), tuple(t.form for t in after)) for before, after in changes if before and after)
    left, right = {token.form for token in one}, {token.form for token in other}
    for (before, after), times in runs.items():
        spelled = _american(before) == _american(after)
        if times > 1 and not spelled and set(before) - right and set(after) - left:
            return True
    return False


def _american(words: Sequence[str]) -> list[str]:
    return [_stem(Token(word, False, False)) for word in words]
