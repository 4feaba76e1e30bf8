"""text-dedup's side of bench/dataset.py, run with the Python of its environment: SOURCE OUT LANGUAGE MODE.

SOURCE has `text` and `id` in each line. Repairs Unicode and white space and masks e-mail and IP addresses with `datasets` and ftfy, for which
text-dedup has no step, then runs its commands for exact and near duplicates in this process, so that start-up is paid once, and writes JSON lines.
In mode `alike` near duplicates are sought with shingles of three words and 256 permutations, as `adapt` does; in mode `defaults` as text-dedup does
by itself. It cuts every language alike.
"""

import re
import sys
from pathlib import Path

import ftfy
from datasets import load_dataset, load_from_disk
from text_dedup import exact_hash, minhash

SPACES = re.compile(r"[^\S\n]+")
EMAIL = re.compile(r"[A-Za-z0-9.\-+_]+@[a-z0-9.\-+_]+\.[a-z]+")
IP = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)")


def main() -> None:
    """Clean, remove exact duplicates, remove near duplicates, write."""
    source, out = sys.argv[1], Path(sys.argv[2])
    rows = load_dataset("json", data_files=source, split="train", cache_dir=str(out / "cache"))
    rows = rows.map(lambda batch: {"text": [cleaned(text) for text in batch["text"]]}, batched=True)
    rows.save_to_disk(str(out / "clean"))
    once = ["--local", "--column", "text", "--num_proc", "0"]  # no pool of workers
    exact_hash.main(["--path", str(out / "clean"), "--output", str(out / "exact"), "--hash_func", "xxh3", *once], standalone_mode=False)
    alike = ["--ngram", "3", "--num_perm", "256", "--threshold", "0.7", "--hash_func", "xxh3"]
    near = [] if sys.argv[4] == "defaults" else alike
    minhash.main(["--path", str(out / "exact"), "--output", str(out / "near"), *near, *once], standalone_mode=False)
    load_from_disk(str(out / "near")).to_json(str(out / "kept.jsonl"), force_ascii=False)


def cleaned(text: str) -> str:
    """The text repaired, with one space for each run of them, and without addresses."""
    text = SPACES.sub(" ", ftfy.fix_text(text)).strip()
    return IP.sub("<ip>", EMAIL.sub("<email>", text))


if __name__ == "__main__":
    main()
