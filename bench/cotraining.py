"""Times training steps of K adapters over one base that share forward passes, against the same steps one adapter after another.

    python bench/cotraining.py [--quick] [--uneven] [--threads N] [--json FILE]

The bundled model in bfloat16, LoRA of rank 16 on every linear layer, records of T tokens and one record a step: what sweeps and small sets do. Both
sides run in one process, in turns, on lanes of the same records, steps, ranks and settings; medians of CPU seconds (user and system) of whole steps,
updates included. The program fails when the two sides' losses after the last step differ by more than 2%.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

WARM_STEPS = 1


def main() -> None:
    """Measure, print the table and ratios, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="K = 8 at 64 tokens alone")
    parser.add_argument("--uneven", action="store_true", help="records of half to one and a half times as many tokens")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cache", type=Path, default=Path(".adapt/cache"), help="where the converted base is kept")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    adapters, lengths = ((8,), (64,)) if options.quick else ((8, 4, 2), (16, 32, 64, 128, 256))
    figures = {}
    print("| adapters | tokens a step each | alone, CPU s | shared, CPU s | ratio |\n| ---: | ---: | ---: | ---: | ---: |")
    for tokens in lengths:
        for count, (alone, shared) in measure(adapters, tokens, options):
            figures[f"k{count}_t{tokens}"] = {"alone": alone, "shared": shared, "ratio": alone / shared}
            print(f"| {count} | {tokens} | {alone:.2f} | {shared:.2f} | {alone / shared:.2f} |", flush=True)
    for name, figure in figures.items():
        print(f"ratio fused_{name} {figure['ratio']:.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(adapters: Sequence[int], tokens: int, options: argparse.Namespace) -> Iterator[tuple[int, tuple[float, float]]]:
    """For each number of adapters the CPU seconds of one step of all: alone in turn, and with shared passes. They go on with the same lanes."""
    from adapt.adapter.cotraining import SharedPasses
    from adapt.adapter.loop import reproducible
    from adapt.adapter.methods.frozen import Base

    base, steps = Base(prepared(options.cache)), options.steps + WARM_STEPS
    sides = [[lane_of(base, number, tokens, steps * len(adapters), uneven=options.uneven) for number in range(max(adapters))] for _ in range(2)]
    with reproducible():
        for lane in (*sides[0], *sides[1]):
            lane.start()
        for count in adapters:
            alone, beside = sides[0][:count], sides[1][:count]
            shared = SharedPasses(base, beside)
            times: tuple[list[float], list[float]] = ([], [])
            for step in range(steps):
                for side, spent in enumerate(times):
                    before = time.process_time()
                    for lane in alone if side == 0 else ():
                        lane.turn()
                    if side == 1 and any(outcome is not True for _, outcome in shared.turn(beside)):
                        raise SystemExit("a step failed")
                    if step >= WARM_STEPS:
                        spent.append(time.process_time() - before)
            check_equal([lane.state.train_loss for lane in alone], [lane.state.train_loss for lane in beside])
            yield count, (statistics.median(times[0]), statistics.median(times[1]))


def check_equal(alone: Sequence[float], shared: Sequence[float]) -> None:
    """Fail when the two sides did not train alike."""
    for one, other in zip(alone, shared, strict=True):
        if abs(one - other) > 0.02 * one:
            raise SystemExit(f"losses differ: {one:.4f} alone, {other:.4f} with shared passes; the comparison would be void")


def prepared(cache: Path) -> Path:
    """The folder of the bundled base."""
    from adapt.artifact.progress import QuietProgress
    from adapt.base.pin import pin
    from adapt.base.prepare import prepare
    from adapt.spec.base import BundledBase

    return prepare(pin(BundledBase(), root=Path()), root=Path(), cache=cache, progress=QuietProgress())


def lane_of(base: Any, number: int, tokens: int, steps: int, *, uneven: bool = False) -> Any:
    """An adapter in training on records of `tokens` random tokens, or about so many, the last half of which is the answer."""
    import random
    from array import array

    from adapt.adapter.checkpoint import Checkpoint
    from adapt.adapter.lane import Lane
    from adapt.adapter.methods.door import attach
    from adapt.adapter.objectives.sft import Sft
    from adapt.adapter.prompt import Example
    from adapt.spec.base import BundledBase, PinnedBase
    from adapt.spec.lora import LoraSpec
    from adapt.spec.prompt import PinnedPrompt
    from adapt.spec.resolved.train import TrainSection

    rng = random.Random(number)
    lengths = [rng.randrange(tokens // 2 + 1, 3 * tokens // 2) if uneven else tokens for _ in range(steps)]
    texts = [array("i", (rng.randrange(1000, 40000) for _ in range(length))) for length in lengths]
    items = [Example(ids, len(ids) // 2, str(place)) for place, ids in enumerate(texts)]
    settings = {"epochs": 1, "batch_tokens": tokens, "patience": None, "checkpoint_every_steps": 1000, "device": "cpu", "cotraining": "fused"}
    section = TrainSection(
        code="0" * 64, libraries={}, base=PinnedBase(source=BundledBase(), digest="0" * 64), prompt=PinnedPrompt(kind="model"),
        lora=LoraSpec(r=16), train={"method": "lora", **settings}, seed=number,
    )  # fmt: skip
    attached = attach(base, section, device="cpu", sequences=[item.ids for item in items])
    return Lane(attached, Sft(), items, [], section.train, seed=number, checkpoint=Checkpoint(Path("unused"), "unused"))


if __name__ == "__main__":
    main()
