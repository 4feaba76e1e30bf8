"""Runs our exact and near-duplicate search over a file of texts: threshold, file, folder for temporary files. Prints the ids that stay."""

import json
import sys
from pathlib import Path

import numpy as np

from adapt.dataset.dedup.exact import earliest_equals
from adapt.dataset.dedup.fingerprints import fingerprint
from adapt.dataset.dedup.minhash import choose_bands
from adapt.dataset.dedup.near import find_near_duplicates
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.spec.dataset import NearDuplicates

near = NearDuplicates(threshold=float(sys.argv[1]))
folder = Path(sys.argv[3])
folder.mkdir()
rows = [json.loads(line) for line in Path(sys.argv[2]).read_text(encoding="utf-8").split("\n") if line]
texts = [row["text"] for row in rows]
made = fingerprint(texts, texts, near, choose_bands(near.threshold, near.permutations, near.recall))
order = np.arange(len(rows))
stays = earliest_equals(made.contents, order) == order
with ShingleFile(folder / "shingles.tmp") as shingles:
    shingles.append(made.shingles, made.counts)
    shingles.finish()
    drops = [drop.record for drop in find_near_duplicates(shingles, made.bands, np.flatnonzero(stays), near.threshold)]
stays[drops] = False
print(json.dumps([rows[number]["id"] for number in np.flatnonzero(stays).tolist()]))
