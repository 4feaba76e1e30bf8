"""datatrove's side of bench/dataset.py, run with the Python of its environment: SOURCE OUT LANGUAGE MODE.

SOURCE has `text` and `id` in each line. Unicode repair, e-mail and IP masks, then MinHash: in mode `alike` with the bands that `adapt` derives for a
similarity of 0.7, in mode `defaults` with datatrove's own bands, shingles and language.
"""

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.typeshelper import Languages


def main() -> None:
    """Run the five steps, one after the other, in one process."""
    source, out, language = Path(sys.argv[1]), sys.argv[2], {"en": Languages.english, "zh": Languages.mandarin_chinese}[sys.argv[3]]
    config, cutting = MinhashConfig(n_grams=3, num_buckets=51, hashes_per_bucket=5), {"language": language}
    if sys.argv[4] == "defaults":
        config, cutting = MinhashConfig(), {}
    cleaned = f"{out}/clean"
    steps = [
        [
            JsonlReader(str(source.parent), glob_pattern=source.name), FTFYFormatter(), PIIFormatter(),
            JsonlWriter(cleaned, compression=None),
        ],
        [JsonlReader(cleaned), MinhashDedupSignature(f"{out}/signatures", config=config, **cutting)],
        [MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config)],
        [MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config=config)],
        [JsonlReader(cleaned), MinhashDedupFilter(f"{out}/remove"), JsonlWriter(f"{out}/kept", compression=None)],
    ]  # fmt: skip
    for step in steps:
        tasks = config.num_buckets if isinstance(step[0], MinhashDedupBuckets) else 1  # it wants one task for each bucket
        LocalPipelineExecutor(pipeline=step, tasks=tasks, workers=1, logging_dir=None).run()


if __name__ == "__main__":
    main()
