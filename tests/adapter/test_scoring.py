from array import array
from pathlib import Path

import pytest
import torch

from adapt.adapter import head as head_module
from adapt.adapter.attention import causal_attention
from adapt.adapter.generation import generate
from adapt.adapter.head import Head, find_head, hidden_states, row_scores, summed_loss
from adapt.adapter.prompt import Example
from adapt.adapter.scoring import mean_loss, response_logprobs
from adapt.adapter.states import side_by_side
from adapt.base.load import load_model, load_tokenizer
from adapt.errors import InputError
from tests.adapter.trainings import BASE

EXAMPLES = [
    Example(array("i", [(7 * number + place * place) % 500 + 3 for place in range(length)]), prompt, str(number))
    for number, (length, prompt) in enumerate(((12, 4), (30, 29), (7, 1), (19, 10)))
]


@pytest.fixture(scope="module")
def model(workspace: Path):
    return load_model(workspace / BASE, dtype="float32", device="cpu")


def _reference(model, example: Example) -> tuple[float, int]:
    ids = torch.tensor([list(example.ids)])
    with torch.no_grad():
        logprobs = model(input_ids=ids).logits[0].log_softmax(-1)
    answer = range(example.prompt_length, len(example.ids))
    chosen = [float(logprobs[place - 1, example.ids[place]]) for place in answer]
    return sum(chosen), sum(int(logprobs[place - 1].argmax()) == example.ids[place] for place in answer)


@pytest.mark.parametrize("batch_tokens", [1, 64, 10_000])
@pytest.mark.parametrize("chunk", [1, 512 * 3, 1 << 24])
def test_scores_are_those_of_the_whole_model_whatever_the_batches(model, monkeypatch, batch_tokens: int, chunk: int) -> None:
    monkeypatch.setattr(head_module, "CHUNK_ELEMENTS", chunk)
    for example, score in zip(EXAMPLES, response_logprobs(model, EXAMPLES, batch_tokens=batch_tokens), strict=True):
        logprob, correct = _reference(model, example)
        assert score.logprob == pytest.approx(logprob, abs=1e-3)
        assert (score.tokens, score.correct) == (len(example.ids) - example.prompt_length, correct)


def test_mean_loss_weighs_tokens_alike(model) -> None:
    scores = response_logprobs(model, EXAMPLES, batch_tokens=64)
    assert mean_loss(scores) == pytest.approx(-sum(score.logprob for score in scores) / sum(score.tokens for score in scores))


@pytest.mark.parametrize(("scale", "softcap"), [(1.0, None), (0.5, None), (1.0, 3.0), (2.0, 5.0)])
def test_the_heads_gradient_is_that_of_cross_entropy(monkeypatch, scale: float, softcap: float | None) -> None:
    monkeypatch.setattr(head_module, "CHUNK_ELEMENTS", 40)
    torch.manual_seed(0)
    head = Head(weight=torch.randn(20, 8), bias=torch.randn(20), scale=scale, softcap=softcap)
    hidden, targets = torch.randn(7, 8, requires_grad=True), torch.randint(0, 20, (7,))
    (ours,) = torch.autograd.grad(summed_loss(head, hidden, targets) * 0.1, hidden)
    loss = torch.nn.functional.cross_entropy(head.logits(hidden), targets, reduction="sum")
    (wanted,) = torch.autograd.grad(loss * 0.1, hidden)
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(row_scores(head, hidden, targets)[0].sum(), loss)


def test_very_unlikely_tokens_have_a_finite_loss() -> None:
    head = Head(weight=torch.tensor([[200.0], [-200.0]]), bias=None, scale=1.0, softcap=None)
    assert float(summed_loss(head, torch.ones(1, 1), torch.tensor([1]))) == 400.0


def test_a_model_that_changes_its_logits_otherwise_is_refused(model, monkeypatch) -> None:
    monkeypatch.setattr(model.lm_head, "forward", lambda hidden: -torch.nn.functional.linear(hidden, model.lm_head.weight))
    with pytest.raises(InputError, match="LlamaForCausalLM changes its logits in a way that is not known"):
        find_head(model)


def test_attention_on_a_cpu_is_that_of_torch_with_its_gradient(model) -> None:
    ids = side_by_side([EXAMPLES[1].ids, EXAMPLES[1].ids[::-1]])
    weight = model.model.layers[0].self_attn.k_proj.weight
    found = []
    for fast in (True, False):
        weight.grad = None
        if fast:
            with causal_attention(model):
                states = hidden_states(model, ids)
                assert model.config._attn_implementation == "adapt_grouped"
        else:
            states = hidden_states(model, ids)
        states.square().sum().backward()
        found += [states.detach(), weight.grad.clone()]
    torch.testing.assert_close(found[0], found[2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1], found[3], rtol=1e-3, atol=1e-3)
    assert model.config._attn_implementation == "sdpa"


def test_models_with_a_sliding_window_keep_their_attention(model, monkeypatch) -> None:
    monkeypatch.setattr(model.config, "sliding_window", 8, raising=False)
    with causal_attention(model):
        assert model.config._attn_implementation == "sdpa"


def test_answers_do_not_depend_on_the_batch(model, workspace: Path) -> None:
    tokenizer = load_tokenizer(workspace / BASE)
    prompts = [list(example.ids) for example in EXAMPLES]
    alone = [generate(model, tokenizer, [prompt], max_new_tokens=12, batch_tokens=1)[0] for prompt in prompts]
    assert generate(model, tokenizer, prompts, max_new_tokens=12, batch_tokens=10_000) == alone
    assert generate(model, tokenizer, prompts, max_new_tokens=12, batch_tokens=90) == alone
    assert len({tuple(answer) for answer in alone}) > 1


def test_an_answer_stops_before_the_end_token(model, workspace: Path) -> None:
    tokenizer = load_tokenizer(workspace / BASE)
    prompt = list(EXAMPLES[0].ids)
    answer = generate(model, tokenizer, [prompt], max_new_tokens=12, batch_tokens=64)[0]
    end = answer[4]
    assert generate(model, tokenizer, [prompt], max_new_tokens=12, batch_tokens=64, end_ids=[end])[0] == answer[: answer.index(end)]
    kept = generate(model, tokenizer, [prompt], max_new_tokens=12, batch_tokens=64, end_ids=[tokenizer.eos_token_id, end], keep_end=True)[0]
    assert kept == answer[: answer.index(end) + 1]  # the end token that was drawn, and not the first of those that end answers


def test_sampling_settings_of_the_model_are_not_used(model, workspace: Path) -> None:
    tokenizer = load_tokenizer(workspace / BASE)
    prompt = [list(EXAMPLES[0].ids)]
    wanted = generate(model, tokenizer, prompt, max_new_tokens=12, batch_tokens=64)
    usual = model.generation_config
    model.generation_config = type(usual)(do_sample=True, temperature=2.0, repetition_penalty=5.0, eos_token_id=2, pad_token_id=2)
    try:
        assert generate(model, tokenizer, prompt, max_new_tokens=12, batch_tokens=64) == wanted
        assert model.generation_config.repetition_penalty == 5.0
    finally:
        model.generation_config = usual
