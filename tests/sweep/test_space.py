"""What people may write after -S, and the trials that follow."""

import pytest

from adapt.errors import InputError
from adapt.sweep.search import PrunedError, Search
from adapt.sweep.space import Choices, Range, check_end, grid, parse


def test_choices_are_numbers_words_lists_and_null() -> None:
    space = parse(["lora.r=8,16", "train.learning_rate=1e-4, 3e-4", "train.patience=null,2", "lora.target_modules=all-linear,[q_proj, v_proj]"])
    assert space == {
        "lora.r": Choices((8, 16)),
        "train.learning_rate": Choices((1e-4, 3e-4)),
        "train.patience": Choices((None, 2)),
        "lora.target_modules": Choices(("all-linear", ["q_proj", "v_proj"])),
    }


def test_a_grid_has_every_combination_once() -> None:
    assert grid(parse(["lora.r=8,16", "train.epochs=1,2"])) == [
        {"lora.r": 8, "train.epochs": 1},
        {"lora.r": 8, "train.epochs": 2},
        {"lora.r": 16, "train.epochs": 1},
        {"lora.r": 16, "train.epochs": 2},
    ]


def test_ranges_are_read_and_need_an_end() -> None:
    space = parse(["train.learning_rate=log(1e-5,1e-3)", "lora.r=int(4, 64)", "train.label_smoothing=uniform(0,0.2)"])
    assert list(space.values()) == [Range("log", 1e-5, 1e-3), Range("int", 4, 64), Range("uniform", 0, 0.2)]
    check_end(space, 3)
    with pytest.raises(InputError, match="--trials is not given"):
        check_end(space, None)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("corpus.path=a,b", "settings of the sections lora and train"),
        ("lora=8", "settings of the sections lora and train"),
        ("lora.r", "settings of the sections lora and train"),
        ("lora.r=", "an empty value"),
        ("lora.r=8,,16", "an empty value"),
        ("lora.r=8,8", "a value stands twice"),
        ("train.learning_rate=log(0,1)", "not a range"),
        ("train.learning_rate=log(1,0.1)", "not a range"),
        ("lora.r=int(1.5,3)", "not a range"),
        ("lora.r=int(four,8)", "four is not a number"),
    ],
)
def test_what_cannot_be_read_is_said(written: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse([written])


def test_a_setting_twice_is_said() -> None:
    with pytest.raises(InputError, match=r"-S lora.r is given twice"):
        parse(["lora.r=8", "lora.r=16"])


def searched(count: int) -> list[float]:
    search = Search(parse(["train.learning_rate=log(1e-5,1e-1)"]), seed=3, prune=False)
    rates = []
    for number in range(count):
        rates.append(search.ask(number)["train.learning_rate"])
        search.tell(number, abs(rates[-1] - 1e-3))
    return rates


def test_a_search_stays_in_its_range_comes_near_the_best_and_repeats_itself() -> None:
    rates = searched(40)
    assert all(1e-5 <= rate <= 1e-1 for rate in rates)
    assert min(abs(rate - 1e-3) for rate in rates[20:]) < min(abs(rate - 1e-3) for rate in rates[:5]) + 1e-9
    assert searched(40) == rates


def test_a_trial_that_falls_behind_is_given_up() -> None:
    search = Search(parse(["lora.r=int(1,64)"]), seed=0, prune=True)
    for number in range(6):
        search.ask(number)
        search.report(number, 1, 1.0)
        search.report(number, 2, 0.5)
        search.tell(number, 0.5)
    search.ask(6)
    with pytest.raises(PrunedError, match="trial 6 was given up at step 1"):
        search.report(6, 1, 5.0)
