"""Runs datatrove's four MinHash steps with their defaults over a file of texts: language, file, folder. Prints the ids that stay."""

import gzip
import json
import shutil
import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.typeshelper import Languages

folder = sys.argv[3]
language = {"en": Languages.english, "zh": Languages.mandarin_chinese}[sys.argv[1]]
(Path(folder) / "in").mkdir(parents=True)
shutil.copy(sys.argv[2], f"{folder}/in/texts.jsonl")
reader = JsonlReader(f"{folder}/in", text_key="text", id_key="id")
steps = [
    [reader, MinhashDedupSignature(output_folder=f"{folder}/signatures", language=language)],
    [MinhashDedupBuckets(input_folder=f"{folder}/signatures", output_folder=f"{folder}/buckets")],
    [MinhashDedupCluster(input_folder=f"{folder}/buckets", output_folder=f"{folder}/remove")],
    [reader, MinhashDedupFilter(input_folder=f"{folder}/remove"), JsonlWriter(f"{folder}/out")],
]
for number, step in enumerate(steps):
    tasks = 14 if number == 1 else 1  # one for each bucket
    LocalPipelineExecutor(step, tasks=tasks, workers=1, logging_dir=f"{folder}/logs/{number}").run()
kept = []
for path in sorted((Path(folder) / "out").glob("*.gz")):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        kept += [int(json.loads(line)["id"]) for line in file]
print(json.dumps(kept))
