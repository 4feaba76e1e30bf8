"""Our operators at the peers' work and nothing else: SOURCE OUT LANGUAGE. Reads, cleans, removes exact and near duplicates, writes JSON lines.

What the corpus and the dataset stage do besides, languages, quality, tokens, splits with their proof, verdicts, ledger and card, is left out.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from adapt.corpus.pii.guard import Guard
from adapt.corpus.readers.portion import divide
from adapt.corpus.settings import Settings
from adapt.corpus.sources.files import find_inputs
from adapt.corpus.steps import ReadTask, read
from adapt.dataset.dedup.exact import earliest_equals
from adapt.dataset.dedup.fingerprints import fingerprint
from adapt.dataset.dedup.minhash import choose_bands
from adapt.dataset.dedup.near import find_near_duplicates
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.spec.corpus import CorpusSpec
from adapt.spec.dataset import NearDuplicates

if TYPE_CHECKING:
    import pyarrow as pa


def main() -> None:
    """Run the operators, one after the other."""
    source, out, language = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    raw = source.parent / "raw"
    raw.mkdir(exist_ok=True)
    if not (raw / source.name).exists():
        (raw / source.name).hardlink_to(source)
    rows = [row for batch in cleaned(raw, language) for row in batch.select(["locator", "instruction", "output"]).to_pylist()]
    stays = kept([f"{row['instruction']}\n{row['output']}" for row in rows], out)
    with (out / "kept.jsonl").open("wb") as file:
        for number in np.flatnonzero(stays).tolist():
            file.write(orjson.dumps(rows[number]) + b"\n")


def cleaned(raw: Path, language: str) -> "list[pa.RecordBatch]":
    """Batches of documents as the corpus stage cleans them."""
    kinds = dict.fromkeys(("phone", "cn_id", "bank_card", "iban", "us_ssn", "passport", "secret"), "allow") | {"ip": "mask"}
    corpus = CorpusSpec.model_validate({"pii": kinds, "language": language, "measure_quality": False})
    settings = Settings(corpus, Guard(corpus.pii), raw)
    inputs = find_inputs(raw, corpus.sources, corpus.limits, workspace=raw).inputs
    portions = [portion for entry in inputs for portion in divide(entry, corpus.sources[entry.source], corpus.limits)]
    return [batch for portion in portions for batch in read(ReadTask((portion,), None), settings=settings).batches]


def kept(texts: list[str], out: Path) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which texts stay once duplicates are gone."""
    near = NearDuplicates()
    made = fingerprint(texts, [""] * len(texts), near, choose_bands(near.threshold, near.permutations, near.recall))
    stays = earliest_equals(made.contents, np.arange(len(texts))) == np.arange(len(texts))
    with ShingleFile(out / "shingles.tmp") as shingles:
        shingles.append(made.shingles, made.counts)
        shingles.finish()
        stays[[drop.record for drop in find_near_duplicates(shingles, made.bands, np.flatnonzero(stays), near.threshold)]] = False
    return np.asarray(stays)


if __name__ == "__main__":
    main()
