from pathlib import Path

import pytest
import torch

from adapt.base.load import load_model, load_tokenizer, resolve_device
from adapt.errors import InputError
from tests.tiny import CHAT_TEMPLATE, tiny_base


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_loads_in_the_number_format_asked_for(tmp_path: Path, tied: bool) -> None:
    model = load_model(tiny_base(tmp_path, tied=tied), dtype="bfloat16", device="cpu")
    assert model.dtype == torch.bfloat16
    assert not model.training
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == tied


def test_loading_draws_no_progress_bar(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tiny_base(tmp_path)
    capfd.readouterr()
    load_model(folder, dtype="float32", device="cpu")
    assert "it/s" not in capfd.readouterr().err


def test_the_tokenizer_keeps_its_template_and_adds_no_token(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_base(tmp_path))
    assert tokenizer.chat_template == CHAT_TEMPLATE
    text = "A bond 债券 5%"
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(InputError, match="'cuda' was asked for"):
        resolve_device("cuda")
