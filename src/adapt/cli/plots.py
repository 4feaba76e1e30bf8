"""`adapt plots`: the loss curves of trainings as one page that opens without a network."""

from pathlib import Path

import click

from adapt.cli.context import all_specs, complete_names, json_option, open_workspace, print_json, spec_names
from adapt.errors import InputError


@click.command("plots")
@click.argument("specs", nargs=-1, shell_complete=complete_names)
@click.option("--compare", "revisions", multiple=True, metavar="REVISION", help="Beside the workspace, a git revision or an experiment.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The page; by default plots/index.html of the workspace.")
@json_option
def plots_command(specs: tuple[str, ...], revisions: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Draw the curves of SPECS (all that are trained by default) and of their steps. Writes one HTML file
    that loads nothing."""
    from adapt.explain.curves import curves_at, draw_page, read_curves
    from adapt.explain.revisions import WORKSPACE

    workspace = open_workspace()
    loaded = all_specs(workspace)
    names = spec_names(workspace, specs, loaded) if specs else list(loaded)
    folders = {name: workspace.curves(name) for name in names}
    folders |= {f"{name}, step {step}": workspace.step_curves(name, step) for name in names for step in loaded[name].steps}
    trained = {label: folder.relative_to(workspace.root) for label, folder in folders.items() if read_curves(folder)}
    if not trained:
        hint = f"train first: `adapt build {' '.join(names)} --to train`"
        raise InputError(f"there are no curves of {', '.join(names) or 'any spec'}", hint=hint)
    lines = [
        (label if revision == WORKSPACE else f"{label} at {revision}", curves_at(workspace.root, folder, revision))
        for label, folder in trained.items()
        for revision in (WORKSPACE, *revisions)
    ]
    page = out or workspace.root / "plots" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(draw_page(f"Trainings: {', '.join(trained)}", lines), encoding="utf-8")
    if as_json:
        print_json({"page": str(page), "trainings": [label for label, _ in lines]})
    else:
        click.echo(f"{workspace.shown(page)}: {len(lines)} trainings")
