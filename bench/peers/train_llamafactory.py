"""LLaMA-Factory's supervised fine-tuning with packing that keeps records apart: trains, saves the adapter, prints its cost. Run by bench/train.py.

It renders records by itself, with the base's own template, and says in one line of JSON how many tokens it made of them and what they cost.
"""

import json
import resource
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import torch
import transformers

sys.modules["torchvision"] = None  # its builds from the index are for CUDA, and fail beside torch for CPUs
sys.modules["torchaudio"] = ModuleType("torchaudio")  # has no build for this torch; LLaMA-Factory imports it for audio records alone
sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)
from llamafactory.train.tuner import run_exp  # noqa: E402


class Watch(transformers.TrainerCallback):
    """Counts steps, tokens and seconds of the training itself."""

    def __init__(self) -> None:
        self.figures: dict = {}
        self._before = self._started = 0.0

    def on_train_begin(self, args, state, control, model=None, train_dataloader=None, **kwargs):
        padding = kwargs["processing_class"].pad_token_id
        tokens = sum(_without_tail(row["input_ids"], padding) for row in train_dataloader.dataset)
        self.figures["tokens"] = tokens * args.num_train_epochs
        self.figures["trained"] = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        self._before, self._started = time.process_time(), time.perf_counter()

    def on_train_end(self, args, state, control, **kwargs):
        self.figures |= {"cpu": time.process_time() - self._before, "wall": time.perf_counter() - self._started, "steps": state.global_step}


def _without_tail(ids: list, padding: int) -> int:
    """Tokens of a packed row; LLaMA-Factory's mask counts the padding behind them too."""
    end = len(ids)
    while end and ids[end - 1] == padding:
        end -= 1
    return end


def main(job: dict, folder: Path) -> None:
    """Train as `job` says; `folder` takes the records in LLaMA-Factory's form."""
    torch.set_num_threads(job["threads"])
    (folder / "records.json").write_text(json.dumps(job["records"], ensure_ascii=False), encoding="utf-8")
    columns = {"prompt": "instruction", "query": "input", "response": "output"}
    (folder / "dataset_info.json").write_text(json.dumps({"records": {"file_name": "records.json", "columns": columns}}), encoding="utf-8")
    watch = Watch()
    arguments = {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": job["base"],
        "finetuning_type": "lora",
        "lora_rank": job["r"],
        "lora_alpha": job["alpha"],
        "lora_dropout": 0.0,
        "lora_target": "all",
        "dataset": "records",
        "dataset_dir": str(folder),
        "template": "smollm2",
        "cutoff_len": job["batch_tokens"],
        "packing": True,
        "neat_packing": True,  # without it records see each other, and the held-out loss is not that of the other sides
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "learning_rate": job["learning_rate"],
        "num_train_epochs": job["epochs"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": job["warmup_steps"],
        "bf16": job["dtype"] == "bfloat16",
        "use_cpu": True,
        "output_dir": job["out"],
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "seed": job["seed"],
        "disable_gradient_checkpointing": True,
        "overwrite_cache": True,
    }
    run_exp(arguments, callbacks=[watch])
    watch.figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(watch.figures))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[1]).parent)
