from typing import Any

import pytest
import yaml

from adapt.serving.options import (
    ALLOWED,
    LEGAL_RANKS,
    Offer,
    lora_options,
    max_lora_rank,
    option_problems,
    prompt_options,
    server_options,
    write_options,
)
from adapt.spec.serving import ServerSpec


def offer(name: str, rank: int = 8) -> Offer:
    return Offer(name=name, served_name=f"{name}@0123456789ab", path=f"adapters/{name}@0123456789ab", rank=rank, digest="0" * 64)


def written(*offers: Offer, **changes: Any) -> str:
    options = [
        *server_options(ServerSpec(), model="../../base", revision=None),
        *prompt_options(template="t.jinja", generation="vllm"),
        *lora_options(offers),
    ]
    found: dict[str, Any] = {key: value for key, value, _ in options} | changes
    return write_options([(key, value, "") for key, value in found.items() if value is not None])


@pytest.mark.parametrize(
    ("ranks", "expected"), [((1,), 1), ((2,), 8), ((8, 4), 8), ((9,), 16), ((17, 64), 64), ((129,), 256), ((257,), 320), ((512,), 512)]
)
def test_max_lora_rank_is_the_smallest_legal_one_that_fits(ranks: tuple[int, ...], expected: int) -> None:
    assert max_lora_rank([offer("a", rank) for rank in ranks]) == expected
    assert expected in LEGAL_RANKS


def test_one_slot_more_than_adapters_takes_the_version_that_follows() -> None:
    found = yaml.safe_load(written(offer("a"), offer("b"), offer("c")))
    assert (found["max-loras"], found["max-cpu-loras"]) == (4, 4)


def test_no_adapter_is_named_so_that_none_is_loaded_unverified() -> None:
    assert "finance" not in written(offer("finance"))


def test_every_server_has_the_door() -> None:
    assert yaml.safe_load(written())["middleware"] == "adapt_serving.gate.Gate"


def test_what_is_written_has_no_problems() -> None:
    assert option_problems(written()) == []
    assert option_problems(written(offer("a"), offer("b", 300))) == []


def test_every_setting_of_the_server_reaches_the_options() -> None:
    plain = ServerSpec()
    changed = ServerSpec(
        host="::1",
        port=9,
        dtype="float32",
        max_model_len=64,
        max_num_seqs=2,
        gpu_memory_utilization=0.5,
        enforce_eager=True,
        shutdown_timeout_seconds=3,
    )
    before = dict.fromkeys(write_options(server_options(plain, model="m", revision=None)).splitlines())
    after = dict.fromkeys(write_options(server_options(changed, model="m", revision=None)).splitlines())
    new = [line.partition(":")[0] for line in after if line not in before and not line.startswith("#")]
    assert sorted(new) == ["dtype", "enforce-eager", "gpu-memory-utilization", "host", "max-model-len", "max-num-seqs", "port", "shutdown-timeout"]


def test_host_that_yaml_would_take_for_a_number_stays_text() -> None:
    assert yaml.safe_load(written(host="127"))["host"] == "127"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sha256": "0"}, "sha256 is not an option that is known here"),
        ({"port": "8000"}, "port is '8000', and a int is allowed"),
        ({"enable-lora": False}, "max-loras, max-cpu-loras, max-lora-rank without enable-lora: vLLM would serve the base alone"),
        ({"enable-lora": None}, "without enable-lora"),
        ({"max-cpu-loras": None}, "max-cpu-loras is missing"),
        ({"lora-modules": ["a=b"]}, "lora-modules is not an option that is known here"),
        ({"max-lora-rank": 24}, "max-lora-rank is 24; choose from: 1, 8, 16, 32, 64, 128, 256, 320, 512"),
        ({"max-cpu-loras": 1}, "max-cpu-loras is below max-loras"),
    ],
)  # fmt: skip
def test_options_that_vllm_would_refuse_or_ignore_are_named(changes: dict[str, Any], expected: str) -> None:
    found = option_problems(written(offer("a"), **changes))
    assert len(found) == 1
    assert expected in found[0]


def test_options_must_be_a_mapping() -> None:
    assert option_problems("- a\n") == ["it is not a mapping of options"]


def test_every_allowed_option_is_written_by_somebody() -> None:
    options = [
        *server_options(ServerSpec(enforce_eager=True), model="m", revision="r"),
        *prompt_options(template="t", generation="vllm"),
        *lora_options([offer("a")]),
    ]
    assert {key for key, _, _ in options} == set(ALLOWED)
