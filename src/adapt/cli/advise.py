"""`adapt advise`: which settings to train with, why, and what was rejected; shows the change to the spec, and makes it when asked."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from adapt.advice.advise import Advice, advise
from adapt.advice.gather import situation_of
from adapt.advice.machine import Device, device_for, parse_memory
from adapt.advice.rewrite import difference, differing, rewritten
from adapt.advice.situation import Situation
from adapt.base.calibration import calibrate
from adapt.cli.context import complete_names, json_option, open_workspace, print_json, spec_names, synced_specs
from adapt.errors import SpecError
from adapt.plan.resolve import resolve
from adapt.plan.workspace import Workspace
from adapt.spec.load import load_params, load_specs


@click.command("advise")
@click.argument("spec", shell_complete=complete_names)
@click.option("--gpu", metavar="SIZE", help="Advise for a GPU with this much memory, such as 24GiB, not for this machine.")
@click.option("--memory", metavar="SIZE", help="Advise for a CPU with this much free memory.")
@click.option("--records", type=click.IntRange(1), help="Training records, where the data set is not made yet or shall be left aside.")
@click.option("--write", is_flag=True, help="Change the spec accordingly, comments kept.")
@json_option
def advise_command(spec: str, gpu: str | None, memory: str | None, records: int | None, write: bool, as_json: bool) -> None:
    """Advise on method, rank, quantization, batch and learning rate for SPEC (a name or a spec file), and say why. Loads no model."""
    if gpu and memory:
        raise click.UsageError("--gpu and --memory are two machines: give one")
    workspace = open_workspace()
    loaded = synced_specs(workspace)
    name = spec_names(workspace, [spec], loaded)[0]
    sections, _ = resolve(workspace, loaded, load_params(workspace.root))
    device = _device(workspace, gpu, memory, loaded[name].train.device)
    situation = situation_of(name, loaded, sections[name].train, workspace, device=device, records=records)
    advice = advise(situation)
    changes = differing(advice.settings, loaded[name])
    path = workspace.spec(name)
    before = path.read_text(encoding="utf-8")
    after = rewritten(before, changes) if changes else before
    if as_json:
        print_json(_plain(situation, advice, changes))
    else:
        _print(name, situation, advice)
        click.echo()
        click.echo(difference(before, after, name=workspace.shown(path)) or f"{workspace.shown(path)} says so already")
    if write and changes:
        _write(workspace, path, before, after)
        click.echo(f"changed {workspace.shown(path)}", err=True)


def _device(workspace: Workspace, gpu: str | None, memory: str | None, wanted: str) -> Device:
    if gpu:
        return Device("cuda", parse_memory(gpu))
    if memory:
        return Device("cpu", parse_memory(memory), partial(calibrate, "cpu", workspace.calibration))
    return device_for(wanted, calibrations=workspace.calibration)


def _write(workspace: Workspace, path: Path, before: str, after: str) -> None:
    """Put the text in place if the workspace is then still valid."""
    path.write_text(after, encoding="utf-8")
    try:
        load_specs(workspace.root, workspace.spec_paths())
    except SpecError:
        path.write_text(before, encoding="utf-8")
        raise


def _print(name: str, situation: Situation, advice: Advice) -> None:
    size, kind = situation.shape.parameters / 1e6, {"cpu": "CPU", "cuda": "GPU"}[situation.device.kind]
    records = f"{situation.records} records of {situation.median_tokens} tokens, the longest {situation.longest_tokens}"
    click.echo(f"{name}: {records}; a base of {size:,.0f} M parameters; {kind} with {situation.device.memory / 2**30:.1f} GiB")
    for one in advice.recommendations:
        click.echo()
        click.echo(f"{one.setting}: {_shown(one.value)}")
        click.echo(f"  {one.reason}" + (f" ({one.source})" if one.source else ""))
        for rejected in one.rejected:
            click.echo(f"  not {rejected}")
    click.echo()
    click.echo(f"forecast: peak memory {advice.forecast.memory.peak / 2**30:.1f} GiB")
    for remark in advice.remarks:
        click.echo(f"remark: {remark}")


def _plain(situation: Situation, advice: Advice, changes: dict[str, Any]) -> dict[str, Any]:
    return {
        "situation": {
            "device": situation.device.kind,
            "memory_bytes": situation.device.memory,
            "base_parameters": situation.shape.parameters,
            "records": situation.records,
            "median_tokens": situation.median_tokens,
            "longest_tokens": situation.longest_tokens,
            "objective": situation.objective,
            "neighbours": situation.neighbours,
        },
        "recommendations": [vars(one) for one in advice.recommendations],
        "forecast_peak_mib": advice.forecast.memory.peak_mib,
        "fits": advice.forecast.fits,
        "remarks": advice.remarks,
        "changes": changes,
    }


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
