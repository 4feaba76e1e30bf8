"""Prints what is known of one adapter: one line a stage, tables where there is something to compare."""

from collections.abc import Iterator
from typing import Any

import click

from adapt.cli.context import print_table

_NOT_BUILT = "not built"
_EXPORTS = ("export", "format", "MiB", "top-1 agreement", "mean KL", "worst KL", "effect", "perplexity", "load s", "tokens/s")


def print_account(account: dict[str, Any]) -> None:
    """Print an account as `adapt.plan.summary` gives it."""
    click.echo(f"{account['name']}: {account['description']}" if account["description"] else account["name"])
    click.echo()
    for label, text in _lines(account):
        click.echo(f"{label:<10}{text}")
    if metrics := account.get("metrics"):
        click.echo()
        rows = [(metric, str(metrics["base"].get(metric, "-")), str(value)) for metric, value in metrics["adapter"].items()]
        print_table(("test split", "base", "adapter"), rows)
    if account["exports"]:
        click.echo()
        print_table(_EXPORTS, [_export(*item) for item in account["exports"].items()])


def _lines(account: dict[str, Any]) -> Iterator[tuple[str, str]]:
    base = account["base"]
    yield "base", str(base.get("model") or base.get("path") or base["kind"])
    yield "corpus", _corpus(account.get("corpus"))
    yield "dataset", _dataset(account.get("dataset"))
    yield "training", _training(account.get("training"))
    yield "adapter", account.get("adapter") or _NOT_BUILT
    yield from _gates(account)
    yield "serving", _serving(account)


def _corpus(report: dict[str, Any] | None) -> str:
    if report is None:
        return _NOT_BUILT
    documents = sum(sum(by_language.values()) for by_language in report["documents"].values())
    ledger = "; ".join(f"{action}: {_counts(rules)}" for action, rules in report["ledger"].items() if rules)
    return f"{documents} documents from {sum(report['files'].values())} files" + (f"; {ledger}" if ledger else "")


def _dataset(report: dict[str, Any] | None) -> str:
    if report is None:
        return _NOT_BUILT
    splits = ", ".join(f"{split['records']} {name}" for name, split in report["splits"].items())
    dropped = {rule: count for rule, count in report["dropped"].items() if count}
    return f"{report['records']} records ({splits})" + (f"; dropped: {_counts(dropped)}" if dropped else "")


def _training(report: dict[str, Any] | None) -> str:
    if report is None:
        return _NOT_BUILT
    steps, losses = report["steps"], report["losses"]
    validation = ""
    if losses["validation"] is not None and losses["validation_before"] is not None:
        validation = f", validation loss {losses['validation_before']:.3f} -> {losses['validation']:.3f}"
    size = f"{report['trainable_parameters'] / 1e6:.2f} M parameters"
    return f"{report['method']}, {size}, {report['dtype']} on {report['device']}, {steps['taken']} steps (best {steps['best']}){validation}"


def _gates(account: dict[str, Any]) -> Iterator[tuple[str, str]]:
    verdict = account.get("gates")
    if verdict is None:
        yield "gates", "failed or not judged, see `adapt status`" if "metrics" in account else _NOT_BUILT
        return
    for gate in verdict["gates"]:
        yield "gate", f"{gate['metric']} {gate['rule'].replace('_', ' ')} {gate['bound']}: {gate['found']}, passed"


def _export(name: str, about: dict[str, Any] | None) -> tuple[str, ...]:
    if about is None:
        return name, _NOT_BUILT, *("-",) * (len(_EXPORTS) - 2)
    kind = next((str(about[key]) for key in ("scheme", "precision", "dtype", "type") if key in about), "")
    parity, measured = about.get("parity") or {}, about.get("measured_here") or {}
    figures = (parity.get("top1_agreement"), parity.get("mean_kl"), parity.get("worst_kl"), parity.get("effect"))
    increase, load, speed = parity.get("perplexity_increase"), measured.get("load_seconds"), measured.get("tokens_per_second")
    return (
        name,
        f"{about['format']} {kind}".strip(),
        f"{about['bytes'] / (1 << 20):.1f}",
        *("-" if figure is None else str(figure) for figure in figures),
        "-" if increase is None else f"{increase:+.1%}",
        "-" if load is None else f"{load:.1f}",
        "-" if speed is None else f"{speed:.0f}",
    )


def _serving(account: dict[str, Any]) -> str:
    if served := account.get("serving"):
        return str(served["served_name"])
    return f"left out: {account['not_served_because']}" if "not_served_because" in account else _NOT_BUILT


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
