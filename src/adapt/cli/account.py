"""What is known of one adapter: one line a stage, tables where there is something to compare.

A figure of an output that is stale, or of a run whose output is gone, is marked so: it does not belong to what the spec says now.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from adapt.cli.context import print_table
from adapt.evaluate.judge import Verdict, compare
from adapt.evaluate.metrics import Metrics
from adapt.plan.stages import SERVING, Stage
from adapt.plan.status import StageStatus
from adapt.plan.summary import summarize
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec

_NOT_BUILT = "not built"
_EXPORTS = ("export", "format", "MiB", "top-1 agreement", "mean KL", "worst KL", "effect", "perplexity", "load s", "tokens/s")


_SHOWN_REASON = 60


def account_of(workspace: Workspace, name: str, spec: AdapterSpec, stages: Sequence[StageStatus]) -> dict[str, Any]:
    """What `adapt.plan.summary` knows of adapter `name`, with the state of each of its stages, and figures against bounds.

    Bounds are compared here where no gate stands, since a gate that failed leaves no output.
    """
    account = summarize(workspace, name, spec)
    if "gates" not in account and "metrics" in account:
        verdicts = compare(spec.evaluate.gates, Metrics.model_validate(account["metrics"]))
        account["gates"] = {"gates": [verdict.model_dump() for verdict in verdicts]}
    own = [one for one in stages if one.stage == SERVING.name or _belongs(one.stage, name, spec)]
    account["states"] = {one.stage: {"state": one.state, "reasons": list(one.reasons)} for one in own}
    return account


def _belongs(stage: str, name: str, spec: AdapterSpec) -> bool:
    item = stage.partition("@")[2]
    return item == name or item in {f"{name}-{part}" for part in (*spec.export, *spec.steps)}


def staleness(account: Mapping[str, Any], *stages: str) -> str:
    """What must stand behind a figure of the first of `stages` that is not up to date; empty where all are."""
    for stage in stages:
        found = account.get("states", {}).get(stage, {"state": "up to date"})
        if found["state"] in ("missing", "failed"):
            return "  [of an earlier run]"
        if found["state"] != "up to date":
            first, *more = found["reasons"] or ["see `adapt status`"]
            reason = first if len(first) <= _SHOWN_REASON else first[: _SHOWN_REASON - 1] + "…"
            return f"  [stale: {reason}" + (f", and {len(more)} more]" if more else "]")
    return ""


def gate_lines(account: Mapping[str, Any]) -> list[str]:
    """Each bound with the figure that is held against it."""
    lines = []
    for gate in account.get("gates", {}).get("gates", ()):
        verdict = Verdict.model_validate(gate)
        lines.append(f"{verdict.sentence}: {'passed' if verdict.passed else 'FAILED'}")
    return lines


def print_account(account: dict[str, Any]) -> None:
    """Print an account as `account_of` gives it."""
    click.echo(f"{account['name']}: {account['description']}" if account["description"] else account["name"])
    click.echo()
    for label, text in _lines(account):
        click.echo(f"{label:<10}{text}")
    if metrics := account.get("metrics"):
        click.echo()
        if mark := staleness(account, f"evaluate@{account['name']}"):
            click.echo(f"test split{mark}")
        rows = [(metric, str(metrics["base"].get(metric, "-")), str(value)) for metric, value in metrics["adapter"].items()]
        print_table(("test split", "base", "adapter"), rows)
    if account["exports"]:
        click.echo()
        print_table(_EXPORTS, [_export(*item) for item in account["exports"].items()])
        for name, about in account["exports"].items():
            if about and (mark := staleness(account, Stage("export", account["name"], name).name)):
                click.echo(f"{name}{mark}")


def _lines(account: dict[str, Any]) -> Iterator[tuple[str, str]]:
    base = account["base"]
    yield "base", str(base.get("model") or base.get("path") or base["kind"])
    for label, kind, text in (
        ("corpus", "corpus", _corpus(account.get("corpus"))),
        ("dataset", "dataset", _dataset(account.get("dataset"))),
        ("training", "train", _training(account.get("training"))),
        ("adapter", "train", account.get("adapter") or _NOT_BUILT),
    ):
        yield label, text if text == _NOT_BUILT else text + staleness(account, f"{kind}@{account['name']}")
    yield from _gates(account)
    serving = _serving(account)
    yield "serving", serving if serving == _NOT_BUILT else serving + staleness(account, SERVING.name)


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
    lines = gate_lines(account)
    if not lines:
        yield "gates", "none" if "gates" in account else _NOT_BUILT
    # a gate that failed has no output, and what it judged is as fresh as the evaluation
    name, failed = account["name"], account.get("states", {}).get(f"gate@{account['name']}", {}).get("state") == "failed"
    for line in lines:
        yield "gate", line + staleness(account, f"evaluate@{name}" if failed else f"gate@{name}")


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
