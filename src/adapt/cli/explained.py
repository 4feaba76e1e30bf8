"""Prints what `adapt data` has found out, for readers: histories of records, samples, differences."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import click

from adapt.cli.context import print_table
from adapt.dataset.rules import CONTAMINATION, TEST_CONTAMINATION
from adapt.dataset.verdicts import DROPPED
from adapt.explain.diff import Change
from adapt.explain.sample import Sampled
from adapt.explain.why import Fate, Verdict, Why

_SHOWN_ID = 12
_SHOWN_CHARACTERS = 600


def print_why(answer: Why) -> None:
    """Print what became of what was asked for, in one data set."""
    click.echo(answer.spec)
    if answer.too_many:
        click.echo(f"  {answer.too_many} records are meant: give more digits of the id, or the locator as well")
    for event in answer.events:
        measured = "" if event.score is None else f" ({event.score:g}{'' if event.threshold is None else f', bound {event.threshold:g}'})"
        click.echo(f"  {event.action} by {event.rule}{measured}: {event.reason}  [{_place(event.source, event.locator)}]")
    for fate in answer.fates:
        click.echo()
        _print_fate(fate)


def _print_fate(fate: Fate) -> None:
    outcome = f"dropped by {fate.rule}" if fate.outcome == DROPPED else f"in {fate.outcome}"
    click.echo(f"  record {fate.record[:_SHOWN_ID]}  {_place(fate.source, fate.locator)}  {outcome}")
    if fate.winner:
        click.echo(f"  {_winner(fate.rule, fate.winner)}" + (f"  {fate.winner_place}" if fate.winner_place else ""))
    if origin := (fate.text or {}).get("origin"):
        click.echo(f"  made by {origin['method']} from {origin['parent'][:_SHOWN_ID]}")
    measured = [verdict for verdict in fate.verdicts if verdict.score is not None or verdict.broke]
    if measured:
        click.echo()
        print_table(("  rule", "measured", "bound", "verdict"), [_verdict_row(verdict) for verdict in measured])
    unasked = sum(not verdict.asked for verdict in fate.verdicts)
    if silent := len(fate.verdicts) - len(measured) - unasked:
        click.echo(f"  {silent} rules do not hold for it, or found nothing to hold it against")
    if unasked:
        click.echo(f"  {unasked} rules were not asked, since it was out already")
    if fate.text:
        click.echo()
        _print_text(fate.text, "  ")


def _verdict_row(verdict: Verdict) -> tuple[str, str, str, str]:
    score = _number(verdict.score) + (f" ({_number(verdict.confidence)})" if verdict.confidence is not None else "")
    return f"  {verdict.rule}", score, f"{verdict.bound} {_bound(verdict.threshold)}", "DROPPED" if verdict.broke else "passed"


def _bound(threshold: Any) -> str:
    return ", ".join(threshold) if isinstance(threshold, tuple) else _number(threshold)


def _number(measured: float | str | None) -> str:
    """A figure, or a name; an empty name is one that is not known."""
    if measured is None:
        return "-"
    return (measured or "(not known)") if isinstance(measured, str) else f"{measured:g}"


def _winner(rule: str | None, winner: str) -> str:
    """What a record went for, by the rule that it broke."""
    if rule == CONTAMINATION:
        return f"quotes: {winner}"
    return f"{'quotes' if rule == TEST_CONTAMINATION else 'kept instead'}: {winner[:_SHOWN_ID]}"


def print_sampled(row: Sampled, rule: str) -> None:
    """Print a row that `rule` took, with its text and that of its winner."""
    measured = "" if row.score is None else f"  measured {row.score:g}" + ("" if row.threshold is None else f", bound {row.threshold:g}")
    click.echo(f"{row.record[:_SHOWN_ID]}  {_place(row.source, row.locator)}{measured}")
    click.echo(f"  {row.reason}")
    if row.text:
        _print_text(row.text, "  ")
    if row.winner:
        click.echo(f"  {_winner(rule, row.winner)}")
    if row.winner_text:
        _print_text(row.winner_text, "    ")
    click.echo()


def _print_text(text: Mapping[str, Any], indent: str) -> None:
    for name in ("title", "system", "instruction", "input", "output", "rejected", "text"):
        if value := text.get(name):
            shown = str(value) if len(str(value)) <= _SHOWN_CHARACTERS else f"{str(value)[:_SHOWN_CHARACTERS]} ..."
            click.echo(f"{indent}{name}: " + shown.replace("\n", f"\n{indent}  "))


def print_diff(name: str, changes: list[Change], limit: int | None) -> None:
    """Print what differs, `limit` rows of each kind and cause; None: all."""
    counts = Counter((change.kind, change.cause) for change in changes)
    click.echo(f"{name}: {'no difference' if not changes else f'{len(changes)} rows differ'}")
    for (kind, cause), count in sorted(counts.items()):
        click.echo(f"  {count} {kind}: {cause}")
        for line in _examples([change for change in changes if (change.kind, change.cause) == (kind, cause)], limit):
            click.echo(f"    {line}")


def _examples(changes: list[Change], limit: int | None) -> Iterator[str]:
    for change in changes[:limit]:
        ids = " -> ".join(id[:_SHOWN_ID] for id in dict.fromkeys((change.before, change.after)) if id)
        splits = " -> ".join(dict.fromkeys(_times(split, lines) for split, lines in zip(change.splits, change.lines, strict=True) if split))
        yield f"{ids}  {_place(change.source, change.locator)}  {splits}"
    if limit is not None and len(changes) > limit:
        yield f"... and {len(changes) - limit} more (--rows)"


def _times(split: str, lines: int) -> str:
    return split if lines == 1 else f"{split} x{lines}"


def _place(source: str, locator: str) -> str:
    return ", ".join(part for part in (source, locator) if part)
