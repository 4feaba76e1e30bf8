"""The situation of a spec: its base, its records where they are made, how it is served, and the machine or the one that it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median_low

from adapt.advice.machine import Device
from adapt.advice.shape import shape_of
from adapt.advice.situation import Situation
from adapt.advice.workload import USUAL_RECORD, measured
from adapt.base.prepare import base_folder
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from adapt.spec.export import ALONE
from adapt.spec.objectives import OBJECTIVES
from adapt.spec.resolved.train import TrainSection

USUAL_RECORDS = 1000
"""Records, where the data set is not made yet and nobody says."""
_FEW = 0.05
"""Share of records that may be left out for their length; the longest ones are looked at besides the evenly chosen, and are 3% of those at most."""


def situation_of(
    name: str, specs: Mapping[str, AdapterSpec], section: TrainSection, workspace: Workspace, *, device: Device, records: int | None
) -> Situation:
    """The situation of spec `name`. `records` stands in for those of a data set that is not made yet; records are then of usual length.

    Raises InputError when the size of the base is not known.
    """
    spec = specs[name]
    served = spec.serving.enabled and OBJECTIVES[spec.train.objective.kind].answers
    dataset, base = workspace.dataset(name), base_folder(section.base, root=workspace.root, cache=workspace.cache)
    made = records is None and (dataset / "train.jsonl").is_file() and (base / "tokenizer.json").is_file()
    known = measured(section, dataset=dataset, base=base, device=device.kind) if made else None
    lengths = sorted(length.whole for length in known.looked_at) if known else [min(USUAL_RECORD, section.train.max_length_tokens)]
    longest = _worth_a_place(lengths, section.train.max_length_tokens)
    return Situation(
        device=device,
        shape=shape_of(section.base, workspace),
        records=known.records if known else records or USUAL_RECORDS,
        median_tokens=median_low(lengths),
        longest_tokens=longest,
        tokens_per_character=known.tokens_per_character if known else 0.25,
        objective=spec.train.objective.kind,
        served=served,
        neighbours=sum(other != name and each.serving.enabled and each.base == spec.base for other, each in specs.items()) if served else 0,
        merged=any(export.format not in ALONE for export in spec.export.values()),
        max_length_tokens=section.train.max_length_tokens,
        left_out=sum(tokens > longest for tokens in lengths),
    )


def _worth_a_place(lengths: Sequence[int], limit: int) -> int:
    """The longest of the sorted `lengths`; of those within `limit` where few are beyond it, since a few records should not decide on memory."""
    within = [tokens for tokens in lengths if tokens <= limit]
    return within[-1] if len(lengths) - len(within) <= _FEW * len(lengths) else lengths[-1]
