"""The figures on distributions that are small enough to check by hand, and the gates on them."""

import math

import pytest
import torch

from adapt.errors import GateError
from adapt.export.golden import Golden
from adapt.export.parity import Comparison, Figures, TaskFigures, judge
from adapt.spec.export import Gates, Parity

STRICT = Gates(min_top1_agreement=0.9, max_mean_kl=0.1, max_worst_kl=2, max_effect_error=0.25, max_perplexity_increase=5)
TASK = {name: TaskFigures(perplexity=2.0, token_accuracy=0.5) for name in ("base", "adapter", "export")}
BASE = ((0.4, 0.3, 0.3), (0.2, 0.6, 0.2))
ADAPTER = ((0.5, 0.2, 0.3), (0.1, 0.7, 0.2))


def logs(rows: tuple[tuple[float, ...], ...]) -> torch.Tensor:
    return torch.tensor(rows).log()


def golden(record: str, *answer: int) -> Golden:
    return Golden(record=record, text="", prompt_ids=(0,), ids=(0, *answer), positions=len(answer))


def compared(export: torch.Tensor, *, adapter: torch.Tensor | None = None, base: torch.Tensor | None = None) -> Figures:
    comparison = Comparison()
    comparison.add(
        golden("f" * 64, *[0] * len(export)),
        adapter=logs(ADAPTER) if adapter is None else adapter,
        base=logs(BASE) if base is None else base,
        export=export,
    )
    return comparison.figures()


def test_divergence_is_that_of_the_export_from_the_adapter_in_nats() -> None:
    figures = compared(logs(((0.3, 0.4, 0.3), (0.1, 0.7, 0.2))))
    first = 0.5 * math.log(0.5 / 0.3) + 0.2 * math.log(0.2 / 0.4)
    assert figures.mean_kl == pytest.approx(first / 2, abs=1e-5)
    assert figures.worst_kl == pytest.approx(first, abs=1e-5)
    assert (figures.positions, figures.top1_agreement) == (2, 0.5)


def test_figures_are_means_over_positions_not_over_prompts() -> None:
    comparison = Comparison()
    comparison.add(golden("a", 0, 1), adapter=logs(ADAPTER), base=logs(BASE), export=logs(ADAPTER))
    one = logs(((0.1, 0.8, 0.1),))
    comparison.add(golden("b", 1), adapter=one, base=one, export=logs(((0.8, 0.1, 0.1),)))
    assert comparison.figures().top1_agreement == pytest.approx(2 / 3, abs=1e-5)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (-1.0, -1.0)])
def test_effect_is_the_share_of_the_adapters_shift(share: float, expected: float) -> None:
    export = torch.log_softmax(logs(BASE) + share * (logs(ADAPTER) - logs(BASE)), dim=-1)
    assert compared(export).effect == pytest.approx(expected, abs=1e-4)


def test_base_without_the_adapter_fails_although_it_is_close() -> None:
    subtle = torch.log_softmax(logs(BASE) + 0.1 * (logs(ADAPTER) - logs(BASE)), dim=-1)
    figures = compared(logs(BASE), adapter=subtle)
    assert figures.mean_kl < 0.001
    assert figures.top1_agreement == 1.0
    with pytest.raises(GateError, match=r"it carries 0\.0 of the adapter's effect, 0\.75 to 1\.25 is asked"):
        judge(figures, STRICT)


def test_effect_is_left_open_where_rounding_drowns_it(caplog: pytest.LogCaptureFixture) -> None:
    subtle = torch.log_softmax(logs(BASE) + 0.01 * (logs(ADAPTER) - logs(BASE)), dim=-1)
    figures = compared(logs(((0.45, 0.25, 0.3), (0.2, 0.55, 0.25))), adapter=subtle)
    assert figures.effect is None
    judge(figures, STRICT)
    assert "whether the export carries the adapter cannot be told" in caplog.text


def test_adapter_without_effect_has_no_share() -> None:
    assert compared(logs(BASE), adapter=logs(BASE)).effect is None


def test_failure_names_figures_bounds_and_the_prompts_that_part_most() -> None:
    comparison = Comparison()
    same, other = logs(((0.8, 0.1, 0.1),)), logs(((0.1, 0.8, 0.1),))
    for record in ("a" * 64, "b" * 64, "c" * 64, "d" * 64):
        comparison.add(golden(record, 0), adapter=same, base=other, export=other if record[0] == "c" else same)
    with pytest.raises(GateError) as caught:
        judge(comparison.figures(), STRICT)
    message = caught.value.message
    assert "over 4 positions of 4 golden prompts" in message
    assert "top-1 agreement is 0.75, at least 0.9 is asked" in message
    assert "mean KL is 0.363902 nats, at most 0.1 is allowed" in message
    assert "They part most on record cccccccccccc (mean KL 1.456, top-1 0)" in message
    assert "parity" in (caught.value.hint or "")


def test_numbers_that_are_none_fail() -> None:
    broken = torch.full((2, 3), math.nan)
    with pytest.raises(GateError, match="mean KL is nan nats"):
        judge(compared(broken), Gates(min_top1_agreement=0, max_mean_kl=1000, max_worst_kl=1000, max_effect_error=1000, max_perplexity_increase=1000))


def test_impossible_tokens_do_not_spoil_the_figures() -> None:
    floor = -1e4
    rows = torch.tensor([[math.log(0.5), math.log(0.5), floor]])
    figures = compared(rows.clone(), adapter=rows, base=torch.tensor([[math.log(0.9), math.log(0.1), floor]]))
    assert (figures.mean_kl, figures.effect) == (0.0, 1.0)


def test_other_vocabulary_is_refused() -> None:
    with pytest.raises(GateError, match="the export predicts 4 tokens where the adapter predicts 3"):
        compared(torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("number_format", "top1", "mean_kl", "effect"),
    [
        ("float32", 1.0, 0.0, 1.0),
        ("bfloat16", 0.960, 0.0015, 0.88),
        ("fp32", 1.0, 0.0, 1.0),
        ("int8", 0.878, 0.038, 0.95),
        ("int4", 0.719, 0.243, 1.02),
        ("nf4", 0.635, 0.437, 1.02),
    ],
)
def test_default_gates_pass_what_was_measured_on_the_bundled_base(number_format: str, top1: float, mean_kl: float, effect: float) -> None:
    gates = Parity().gates(number_format)
    figures = Figures(positions=1, top1_agreement=top1, mean_kl=mean_kl, worst_kl=mean_kl * 2, adapter_kl=0.3, effect=effect, task=TASK, prompts=())
    judge(figures, gates)
    for share in (0.0, 0.62, 1.41):  # no adapter, half its scaling, twice its scaling
        with pytest.raises(GateError, match="of the adapter's effect"):
            judge(figures.model_copy(update={"effect": share}), gates)


def test_bound_that_is_set_replaces_the_formats_own() -> None:
    assert Parity(max_mean_kl=0.02).gates("bfloat16") == Gates(0.93, 0.02, 0.5, 0.25, 0.05)
    assert Parity(min_top1_agreement=0.0, max_effect_error=0.1).gates("nf4") == Gates(0.0, 0.75, 15.0, 0.1, 1.0)
    assert Parity(max_worst_kl=1, max_perplexity_increase=0).gates("fp32") == Gates(0.99, 0.0005, 1, 0.25, 0)


def test_task_figures_are_perplexity_and_accuracy_of_the_golden_answers() -> None:
    comparison = Comparison()
    comparison.add(golden("a", 0, 2), adapter=logs(ADAPTER), base=logs(BASE), export=logs(((0.25, 0.5, 0.25), (0.1, 0.1, 0.8))))
    figures = comparison.figures()
    assert figures.task["adapter"].perplexity == pytest.approx((0.5 * 0.2) ** -0.5, abs=1e-5)
    assert figures.task["base"].perplexity == pytest.approx((0.4 * 0.2) ** -0.5, abs=1e-5)
    assert figures.task["export"].perplexity == pytest.approx((0.25 * 0.8) ** -0.5, abs=1e-5)
    assert {name: task.token_accuracy for name, task in figures.task.items()} == {"base": 0.5, "adapter": 0.5, "export": 0.5}
    assert figures.perplexity_increase == pytest.approx(0.5**0.5 - 1, abs=1e-5)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        (Gates(0, 10, 0.1, 100, 100), r"worst KL is 0\.116783 nats, at most 0\.1 is allowed"),
        (Gates(0, 10, 10, 100, 0.1), r"perplexity of the answers rises by 29\.10%, at most 10\.00% is allowed"),
    ],
    ids=["worst KL", "perplexity"],
)
def test_worst_position_and_task_have_gates_of_their_own(gates: Gates, message: str) -> None:
    with pytest.raises(GateError, match=message):
        judge(compared(logs(((0.3, 0.4, 0.3), (0.1, 0.7, 0.2)))), gates)
