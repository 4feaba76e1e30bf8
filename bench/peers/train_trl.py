"""TRL's SFTTrainer on token ids that are given: trains, saves the adapter, and prints what it cost as one line of JSON. Run by bench/train.py."""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def main(job: dict) -> None:
    """Train as `job` says; `job["packing"]` chooses between TRL's packing and its default."""
    torch.set_num_threads(job["threads"])
    examples = job["examples"]
    rows = [{"input_ids": each["ids"], "completion_mask": [0] * each["prompt"] + [1] * (len(each["ids"]) - each["prompt"])} for each in examples]
    mean = sum(len(each["ids"]) for each in examples) / len(examples)
    settings = SFTConfig(
        output_dir=job["out"],
        per_device_train_batch_size=1 if job["packing"] else max(1, round(job["batch_tokens"] / mean)),
        gradient_checkpointing=False,
        num_train_epochs=job["epochs"],
        learning_rate=job["learning_rate"],
        lr_scheduler_type="cosine",
        warmup_steps=job["warmup_steps"],
        max_length=job["batch_tokens"],
        packing=job["packing"],
        bf16=job["dtype"] == "bfloat16",
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        completion_only_loss=True,
        dataset_kwargs={"skip_prepare_dataset": False},
        seed=job["seed"],
    )
    lora = LoraConfig(r=job["r"], lora_alpha=job["alpha"], lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(job["base"], dtype=getattr(torch, job["dtype"])),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(job["base"]),
        peft_config=lora,
    )
    kept = sum(len(row) for row in trainer.train_dataset["input_ids"])
    before, started = time.process_time(), time.perf_counter()
    trainer.train()
    cpu, wall = time.process_time() - before, time.perf_counter() - started
    trainer.model.save_pretrained(job["out"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    trained = sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad)
    figures = {"tokens": kept * job["epochs"], "steps": trainer.state.global_step, "cpu": cpu, "wall": wall, "peak_mib": peak, "trained": trained}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
