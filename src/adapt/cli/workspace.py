"""Commands on the workspace itself: init, sync, validate, schema, prune."""

from pathlib import Path

import click

from adapt.cli.context import all_specs, json_option, open_workspace, print_json, spec_names, synced_specs
from adapt.errors import StageError, WorkspaceError
from adapt.plan.index import check_index, write_index
from adapt.plan.prune import leftovers, remove
from adapt.plan.scaffold import scaffold
from adapt.plan.stages import SERVING
from adapt.plan.workspace import Workspace
from adapt.spec.load import load_params
from adapt.spec.schema import schema_text


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--bare", is_flag=True, help="Leave out the example specs and corpora.")
def init_command(folder: Path, bare: bool) -> None:
    """Make a workspace in FOLDER: pipeline, defaults, and three example specs with their corpora."""
    folder.mkdir(parents=True, exist_ok=True)
    created = scaffold(folder.resolve(), examples=not bare)
    click.echo(f"created {len(created)} files in {folder}")
    click.echo(f"next: cd {folder} && " + ("write specs/<name>.yaml, then adapt build" if bare else "adapt build specs/finance.yaml"))


@click.command("sync")
@click.option("--check", is_flag=True, help="Change nothing; fail when something is out of date.")
def sync_command(check: bool) -> None:
    """Bring the index that dvc.yaml loops over, and the editors' schemas, up to date with specs/."""
    workspace = open_workspace()
    specs = all_specs(workspace)
    schemas = {workspace.schema: schema_text(), workspace.params_schema: schema_text(params=True)}
    stale = [path for path, text in schemas.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if check:
        check_index(workspace, specs)
        if stale:
            raise WorkspaceError(f"{', '.join(path.name for path in stale)}: out of date", hint="run `adapt sync`")
        click.echo("in sync")
        return
    entries = write_index(workspace, specs)
    changed = [f"_index.yaml ({', '.join(entries)})"] if entries else []
    for path in stale:
        path.write_text(schemas[path], encoding="utf-8")
    changed += [path.name for path in stale]
    click.echo(f"updated {', '.join(changed)}" if changed else "already in sync")
    if left := leftovers(workspace, specs):
        click.echo(f"{len(left)} outputs belong to no spec any more; `adapt prune` removes them", err=True)


@click.command("validate")
@click.argument("specs", nargs=-1)
@json_option
def validate_command(specs: tuple[str, ...], as_json: bool) -> None:
    """Check params.yaml and SPECS (all by default), and report every problem at once."""
    from adapt.plan.resolve import resolve

    workspace = open_workspace()
    loaded = all_specs(workspace)
    names = spec_names(workspace, specs, loaded) if specs else list(loaded)
    resolve(workspace, {name: loaded[name] for name in names}, load_params(workspace.root))  # bases and templates are there
    if as_json:
        print_json({"valid": names})
    else:
        click.echo(f"{len(names)} valid: {', '.join(names)}" if names else "params.yaml is valid; there are no specs")


@click.command("schema")
@click.option("--params", is_flag=True, help="Schema of params.yaml instead of a spec's.")
@click.option("--markdown", is_flag=True, help="The reference for people instead.")
@click.option("--methods", is_flag=True, help="The table of training methods instead.")
def schema_command(params: bool, markdown: bool, methods: bool) -> None:
    """Print the JSON Schema of a spec, for editors and other tools."""
    if methods:
        from adapt.spec.catalogue import methods_text

        click.echo(methods_text(), nl=False)
        return
    if markdown:
        from adapt.spec.reference import reference_text

        click.echo(reference_text(), nl=False)
        return
    click.echo(schema_text(params=params), nl=False)


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
def prune_command(dry_run: bool, as_json: bool) -> None:
    """Remove outputs of adapters and exports that no spec declares any more. DVC's cache keeps their contents."""
    from adapt.plan.repro import one_build_at_a_time

    workspace = open_workspace()
    specs = synced_specs(workspace)
    with one_build_at_a_time(workspace):
        paths = leftovers(workspace, specs)
        if not dry_run:
            remove(workspace, specs, paths)
            _render_without(workspace, [path.name for path in paths if path.parent == workspace.gates])
    shown = [path.relative_to(workspace.root).as_posix() for path in paths]
    if as_json:
        print_json({"removed": [] if dry_run else shown, "found": shown})
        return
    for path in shown:
        click.echo(f"{'would remove' if dry_run else 'removed'} {path}")
    if not shown:
        click.echo("nothing to prune")


def _render_without(workspace: Workspace, gone: list[str]) -> None:
    """Render the server's configuration anew when it may hold an adapter that is gone."""
    from adapt.plan.repro import RESOLVE, reproduce

    if gone and workspace.serving.is_dir():
        outcomes = {**reproduce(workspace, [RESOLVE]), **reproduce(workspace, [SERVING.name], alone=True)}
        if "failed" in outcomes.values():
            raise StageError("the server's configuration could not be rendered without what was pruned")
