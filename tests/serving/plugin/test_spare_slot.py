"""The spare slot, on stand-ins for the two modules of vLLM that it touches; tests/serving/test_slots.py has it in a real server."""

import sys
from types import ModuleType
from typing import Any

import pytest

from adapt.serving.plugin.slots import keep_base_rows_apart


class Linear: ...


class FusedMoE: ...


def install(monkeypatch: pytest.MonkeyPatch, *, cpu: bool) -> ModuleType:
    """vLLM's `from_layer`, which returns what it was given."""
    manager, platforms = ModuleType("vllm.lora.model_manager"), ModuleType("vllm.platforms")
    manager.__dict__["from_layer"] = lambda layer, max_loras, *rest, **named: (max_loras, rest, named)
    platforms.__dict__["current_platform"] = type("Platform", (), {"is_cpu": staticmethod(lambda: cpu)})
    for module in (ModuleType("vllm"), ModuleType("vllm.lora"), manager, platforms):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return manager


def test_layers_on_a_cpu_get_one_slot_more_once_and_experts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    manager: Any = install(monkeypatch, cpu=True)
    for _ in range(2):
        keep_base_rows_apart()
        assert manager.from_layer(Linear(), 2, "config", packed=1) == (3, ("config",), {"packed": 1})
        assert manager.from_layer(FusedMoE(), 2, "config") == (2, ("config",), {})


def test_layers_elsewhere_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    manager: Any = install(monkeypatch, cpu=False)
    plain = manager.from_layer
    keep_base_rows_apart()
    assert manager.from_layer is plain
