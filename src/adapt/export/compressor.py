"""Quantizes a model with llm-compressor, or scores tokens with what that made: `python compressor.py JOB.json`.

Runs in the environment of `adapt env quantize`, whose libraries exclude ours, so it imports nothing of adapt. Enters: a JSON job with token ids,
never texts. Leaves: the model in compressed-tensors form, or log-probabilities of the golden positions, and RESULT.json with versions and times.

4-bit weights are in groups: GPTQ (Frantar et al. 2022, arXiv:2210.17323), AWQ (Lin et al. 2023, arXiv:2306.00978). W8A8 has 8-bit integers, a
scale for each output channel and each token's activations, fitted by GPTQ; FP8 the same in 8-bit floats, rounded to nearest. The output head
stays as it is.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULT = "result.json"
GROUPS = (128, 64, 32, 16)
"""Sizes of groups of weights that share a scale, the largest that divides every layer's inputs being taken; engines have kernels for these."""
_LIBRARIES = ("llmcompressor", "compressed-tensors", "transformers", "torch")
_PR_SET_PDEATHSIG = 1
_FLOOR = -1e4  # stands for minus infinity, as in adapt.export.logprobs


def main(path: Path) -> None:
    """Run the job in the file `path`; its paths are relative to the file's folder."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # ends with the stage that started it, as adapt.artifact.process does
    job = json.loads(path.read_bytes())
    os.chdir(path.parent)
    result = {"compress": _compress, "score": _score}[job["task"]](job)
    Path(RESULT).write_text(json.dumps(result), encoding="utf-8")


def _compress(job: dict[str, Any]) -> dict[str, Any]:
    compressor, torch = _load("llmcompressor"), _load("torch")
    torch.manual_seed(0)
    if not torch.accelerator.is_available():  # llm-compressor 0.14 pins memory for AWQ, which torch refuses where there is nothing to pin it for
        _load("llmcompressor.pipelines.cache").IntermediatesCache.pin_memory = lambda *arguments, **named: None
    model = _model(job["model"])
    group = next((size for size in GROUPS if all(inputs % size == 0 for inputs in _inputs(model))), 0)
    if not group and job["scheme"] in ("gptq", "awq"):
        return {"problem": f"the base has layers of {min(_inputs(model))} inputs, which no group of {GROUPS[-1]} or more weights divides"}
    samples = [{"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)} for ids in job["samples"]]
    compressor.oneshot(
        model=model,
        recipe=_recipe(job["scheme"], group),
        shuffle_calibration_samples=False,
        num_calibration_samples=len(samples) or 1,
        **({"dataset": torch.utils.data.DataLoader(samples, batch_size=None)} if samples else {}),
    )
    model.save_pretrained(job["out"], save_compressed=True)
    Path(job["out"], "recipe.yaml").unlink(missing_ok=True)  # holds tags that make a careless YAML reader run code; config.json says the same
    grouped = {"group_size": group} if job["scheme"] in ("gptq", "awq") else {}
    return {"libraries": {name: version(name).partition("+")[0] for name in _LIBRARIES}, **grouped}


def _recipe(scheme: str, group: int) -> list[Any]:
    modifiers = _load("llmcompressor.modifiers.quantization")
    arguments = {"ignore": ["lm_head"]}
    if scheme == "fp8":
        return [modifiers.QuantizationModifier(targets=["Linear"], scheme="FP8_DYNAMIC", **arguments)]
    if scheme == "w8a8":
        return [modifiers.GPTQModifier(targets=["Linear"], scheme="W8A8", **arguments)]
    weights = {"num_bits": 4, "type": "int", "symmetric": scheme == "gptq", "strategy": "group", "group_size": group, "dynamic": False}
    groups = {"group_0": {"targets": ["Linear"], "weights": weights}}
    if scheme == "gptq":
        return [modifiers.GPTQModifier(config_groups=groups, **arguments)]
    awq = _load("llmcompressor.modifiers.transform.awq")
    return [awq.AWQModifier(), modifiers.QuantizationModifier(config_groups=groups, **arguments)]


def _score(job: dict[str, Any]) -> dict[str, Any]:
    """Write the rows of each golden prompt; gives seconds to load and tokens a second, answering greedily."""
    torch, save_file = _load("torch"), _load("safetensors.torch").save_file
    _load("transformers"), _load("compressed_tensors")  # their imports are no part of a load
    started = time.perf_counter()
    model = _model(job["model"]).to("cuda" if torch.cuda.is_available() else "cpu")
    loaded = time.perf_counter() - started
    with torch.inference_mode():
        for index, golden in enumerate(job["goldens"]):
            ids = torch.tensor([golden["ids"]], device=model.device)
            rows = model(input_ids=ids, use_cache=False).logits[0, -golden["positions"] - 1 : -1].float()
            save_file({"export": torch.log_softmax(rows, dim=-1).clamp_(min=_FLOOR).cpu().contiguous()}, f"{job['out']}/{index:05}.safetensors")
        ids = torch.tensor([job["prompt"]], device=model.device)
        started = time.perf_counter()
        answer = model.generate(input_ids=ids, max_new_tokens=job["tokens"], min_new_tokens=job["tokens"], do_sample=False)
        seconds = time.perf_counter() - started
    return {"load_seconds": loaded, "tokens_per_second": (answer.shape[1] - ids.shape[1]) / seconds}


def _model(folder: str) -> Any:
    """The model in a folder, in the number format that its config names."""
    auto = _load("transformers").AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype="auto", use_safetensors=True, local_files_only=True, trust_remote_code=False).eval()


def _inputs(model: Any) -> list[int]:
    """Inputs of every linear layer but the output head."""
    linear, head = _load("torch").nn.Linear, model.get_output_embeddings()
    return [module.in_features for module in model.modules() if isinstance(module, linear) and module is not head]


def _load(name: str) -> Any:
    """A library of that environment, by name: this one need not have it."""
    return importlib.import_module(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
