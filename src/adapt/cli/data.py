"""`adapt data`: why a row is where it is, the funnel, samples of what a rule took, differences between revisions."""

import dataclasses
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import click

from adapt.cli.context import all_specs, complete_names, json_option, open_workspace, print_json, spec_names
from adapt.cli.explained import print_diff, print_sampled, print_why
from adapt.dataset.funnel import Step, signed
from adapt.errors import InputError
from adapt.explain.diff import diff
from adapt.explain.funnel import whole_funnel, whole_funnel_by_characters
from adapt.explain.outputs import Outputs
from adapt.explain.revisions import WORKSPACE, dataset_at, is_folder
from adapt.explain.sample import dropping_rules, sample
from adapt.explain.why import Why, why
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec

_BAR = 40
_EXAMPLES = 5
_NO_TEXTS = "The settings have changed since this data set was built: texts of records that were dropped cannot be shown until it is built again."


@click.group("data")
def data_command() -> None:
    """Explain a built data set to the last record. Runs nothing and changes nothing."""


def _complete_rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    try:
        return [rule for rule in dropping_rules(_outputs(open_workspace(), ctx.params["spec"])) if rule.startswith(incomplete)]
    except Exception:  # completion stays silent
        return []


@data_command.command("why")
@click.argument("record")
@click.option("--spec", help="Look in this spec's data set only.", shell_complete=complete_names)
@json_option
def why_command(record: str, spec: str | None, as_json: bool) -> None:
    """Say what became of RECORD and why: an id (six digits or more), SOURCE:LOCATOR, or a source."""
    workspace = open_workspace()
    specs = all_specs(workspace)
    built = [_outputs(workspace, spec, specs)] if spec else _all_built(workspace, specs)
    answers = why(built, record)
    if as_json:
        print_json([_plain(answer) for answer in answers])
        return
    known = {outputs.name: outputs for outputs in built}
    for answer in answers:
        print_why(answer)
        _explain_missing_texts(known[answer.spec], (fate.text for fate in answer.fates))


@data_command.command("funnel")
@click.argument("spec", shell_complete=complete_names)
@click.option("--by", type=click.Choice(["rows", "characters"]), default="rows", show_default=True, help="What is counted.")
@json_option
def funnel_command(spec: str, by: str, as_json: bool) -> None:
    """Show the way from raw rows to splits of SPEC, and what each rule took. Totals are the one before less what was lost.

    Characters are letters and digits, so that markup, white space and marks of Markdown do not count.
    """
    outputs = _outputs(open_workspace(), spec)
    steps = whole_funnel(outputs) if by == "rows" else whole_funnel_by_characters(outputs)
    if as_json:
        print_json([dataclasses.asdict(step) for step in steps])
        return
    most = max((step.count for step in steps), default=1) or 1
    width = max(len(_label(step)) for step in steps)
    for step in steps:
        bar = "#" * -(-max(step.count, 0) * _BAR // most)
        click.echo(f"{_label(step):<{width}}  {signed(step):>10}  {bar}".rstrip())


@data_command.command("sample")
@click.argument("spec", shell_complete=complete_names)
@click.option("--dropped-by", "rule", required=True, help="Rule that dropped, edited or quarantined the rows.", shell_complete=_complete_rules)
@click.option("-n", "--count", type=click.IntRange(1), default=5, show_default=True, help="How many.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, other rows.")
@json_option
def sample_command(spec: str, rule: str, count: int, seed: int, as_json: bool) -> None:
    """Show rows of SPEC that a rule took or edited, with the winner beside each duplicate."""
    outputs = _outputs(open_workspace(), spec)
    found = sample(outputs, rule, count=count, seed=seed)
    if as_json:
        print_json([dataclasses.asdict(row) for row in found])
        return
    for row in found:
        print_sampled(row, rule)
    _explain_missing_texts(outputs, (row.text for row in found))


@data_command.command("diff")
@click.argument("revision_a")
@click.argument("revision_b", default=WORKSPACE)
@click.option("--spec", "specs", multiple=True, help="Only these specs; all that are built by default.", shell_complete=complete_names)
@click.option("--rows", is_flag=True, help="List every row, not a few of each kind.")
@json_option
def diff_command(revision_a: str, revision_b: str, specs: tuple[str, ...], rows: bool, as_json: bool) -> None:
    """Compare data sets at two revisions: of git, of an experiment, a folder, or `workspace` (the default for the second)."""
    workspace = open_workspace()
    loaded = all_specs(workspace)
    names = spec_names(workspace, specs, loaded) if specs else [outputs.name for outputs in _all_built(workspace, loaded)]
    for revision in (revision_a, revision_b):
        if len(names) > 1 and is_folder(workspace.root, revision):
            raise InputError(f"the folder {revision} holds one data set, and {len(names)} are compared", hint="say which with --spec NAME")
    changes = {}
    for name in names:
        folder = workspace.dataset(name).relative_to(workspace.root)
        with dataset_at(workspace.root, folder, revision_a) as a, dataset_at(workspace.root, folder, revision_b) as b:
            changes[name] = diff(a, b)
    if as_json:
        print_json({name: [dataclasses.asdict(change) for change in found] for name, found in changes.items()})
        return
    for name, found in changes.items():
        print_diff(name, found, None if rows else _EXAMPLES)


def _outputs(workspace: Workspace, given: str, specs: dict[str, AdapterSpec] | None = None) -> Outputs:
    [name] = spec_names(workspace, (given,), all_specs(workspace) if specs is None else specs)
    return Outputs(name, workspace.corpus(name), workspace.dataset(name), workspace.resolved / f"{name}.yaml").require()


def _all_built(workspace: Workspace, specs: dict[str, AdapterSpec]) -> list[Outputs]:
    """The data sets that there are. Raises InputError when there is none."""
    found = []
    for name in specs:
        with suppress(InputError):
            found.append(_outputs(workspace, name, specs))
    if not found:
        raise InputError("no data set is built", hint="build them with `adapt build --to dataset`")
    return found


def _explain_missing_texts(outputs: Outputs, texts: Iterable[object]) -> None:
    if outputs.spec is None and not all(texts):
        click.echo(_NO_TEXTS)


def _plain(answer: Why) -> dict[str, Any]:
    events = [event.model_dump(mode="json", exclude_defaults=True) for event in answer.events]
    fates = [dataclasses.asdict(fate) for fate in answer.fates]
    return {"spec": answer.spec, "asked": answer.asked, "events": events, "records": fates, "too_many": answer.too_many}


def _label(step: Step) -> str:
    return f"  {step.step}" if step.kind in ("lost", "split") else step.step
