"""Runs text-dedup's MinHash with its defaults over a file of texts: file, folder. Prints the ids that stay."""

import json
import subprocess
import sys

import datasets

output = f"{sys.argv[2]}/out"
command = [sys.executable, "-m", "text_dedup.minhash", "--path", "json", "--data_files", sys.argv[1], "--split", "train"]
options = ["--cache_dir", f"{sys.argv[2]}/cache", "--output", output, "--column", "text", "--num_proc", "1", "--batch_size", "10000"]
subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
print(json.dumps(datasets.load_from_disk(output)["id"][:]))
