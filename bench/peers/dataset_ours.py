"""Our side of bench/dataset.py: SOURCE OUT LANGUAGE all|unmeasured. Both stages of a build; `unmeasured` leaves out languages and quality."""

import sys
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers

from adapt.artifact.progress import QuietProgress
from adapt.corpus.build import build as build_corpus
from adapt.dataset.build import build as build_dataset
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.corpus import CorpusSpec
from adapt.spec.dataset import DatasetSpec
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection

SETTINGS: dict[str, Any] = {"lengths": {"max_record_tokens": 1 << 20, "min_output_words": 1}, "decontamination": {"test_split": False}}
"""Every length stays, and no record goes because it quotes a test record: the peers do neither."""


def main() -> None:
    """Run both stages."""
    source, out, language, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    bare = mode == "unmeasured"
    unmeasured = {"language": language, "measure_quality": False} if bare else {}
    corpus = CorpusSection(code="0" * 64, libraries={}, corpus=CorpusSpec.model_validate({"pii": {"ip": "mask"}} | unmeasured))
    dataset = DatasetSection(
        code="0" * 64, libraries={}, dataset=DatasetSpec.model_validate(SETTINGS | ({"quality": {"kinds": []}} if bare else {})),
        base=PinnedBase(source=BundledBase(), digest="0" * 64), seed=0,
    )  # fmt: skip
    raw = source.parent / "raw"
    raw.mkdir(exist_ok=True)
    if not (raw / source.name).exists():
        (raw / source.name).hardlink_to(source)
    quiet = QuietProgress()
    build_corpus(corpus, inputs=raw, out=out / "corpus", progress=quiet)
    build_dataset(dataset, inputs=out / "corpus", tokenizer=_tokenizer(out / "tokenizer"), out=out / "dataset", progress=quiet)


def _tokenizer(folder: Path) -> Path:
    """A tokenizer of one token for each word or mark."""
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


if __name__ == "__main__":
    main()
