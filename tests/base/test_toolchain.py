"""What compiles code while it trains is refused where linkers would fail, before anything is trained."""

import sys

import pytest

from adapt.adapter.distributed.group import check_strategy
from adapt.base.toolchain import require_toolchain
from adapt.errors import InputError
from adapt.spec.distributed import DistributedSpec


@pytest.mark.parametrize(("prefix", "refused"), [("/home/ann/my env", True), ("/home/änn/env", False), ("/opt/tab\tenv", True)])
def test_a_path_with_white_space_is_refused(monkeypatch: pytest.MonkeyPatch, prefix: str, refused: bool) -> None:
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr("adapt.adapter.distributed.group.find_spec", lambda name: object())
    zero = DistributedSpec.model_validate({"strategy": "zero2", "processes": 2})
    if not refused:
        require_toolchain("train.compile")
        check_strategy(zero)
        return
    with pytest.raises(InputError, match=r"train\.compile compiles code, and the Python environment lies in a path with a space"):
        require_toolchain("train.compile")
    with pytest.raises(InputError, match=r"train\.distributed\.strategy: zero2 compiles code"):
        check_strategy(zero)
    check_strategy(DistributedSpec.model_validate({"strategy": "ddp", "processes": 2}))
