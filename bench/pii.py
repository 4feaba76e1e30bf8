"""Precision and recall of the personal-data rules on a planted set, English and Chinese, kind by kind; Microsoft Presidio beside them.

The set (tests/corpus/pii/planted) holds sentences written by hand with values made by seeded code: right ones, and hard negatives such as
order numbers, barcodes, versions, hashes. Sentences and rules have the same author, so these figures say how the rules do on known
shapes in known company, not how they do on any corpus.

    python bench/pii.py [--quick] [--json FILE] [--data DIR] [--presidio-python PATH]

`--data` is a folder with huatuo/llama_data.json and gsm8k/train.jsonl, on which time per record is measured and findings are counted;
`--presidio-python` an interpreter with presidio-analyzer and spaCy, whose pattern recognisers are run on the same texts.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the planted set is shared with the tests

from tests.corpus.pii.planted.cases import Case, Score, cases, cases_abroad, scored
from tests.corpus.pii.planted.negatives import negatives

from adapt.corpus.draft import Draft
from adapt.corpus.pii.guard import Guard
from adapt.corpus.pii.rules import find
from adapt.spec.pii import Pii

ENTITIES = {
    "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "bank_card", "IBAN_CODE": "iban", "IP_ADDRESS": "ip", "US_SSN": "us_ssn",
    "US_PASSPORT": "passport",
}  # fmt: skip
"""Presidio's names of our kinds; it has none for Chinese identity numbers and secrets."""

PEER = """
import json, sys, time
from pathlib import Path
from tempfile import mkdtemp
import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine
models = []
for code in ("en", "zh"):
    folder = str(Path(mkdtemp()) / code)
    spacy.blank(code).to_disk(folder)
    models.append({"lang_code": code, "model_name": folder})
engine = SpacyNlpEngine(models=models)
engine.load()
registry = RecognizerRegistry(supported_languages=["en", "zh"])
registry.load_predefined_recognizers(languages=["en", "zh"])
if "everywhere" in sys.argv:  # recognisers that Presidio offers for English only read Chinese texts too
    for recognizer in [r for r in registry.recognizers if r.supported_language == "en"]:
        again = type(recognizer)(supported_language="zh")
        if not any(r.name == again.name and r.supported_language == "zh" for r in registry.recognizers):
            registry.add_recognizer(again)
analyzer = AnalyzerEngine(nlp_engine=engine, registry=registry, supported_languages=["en", "zh"])
work = json.load(sys.stdin)
begin = time.process_time()
found = [[[r.entity_type, r.start, r.end, r.score] for r in analyzer.analyze(t, language=l, entities=work["entities"])] for l, t in work["texts"]]
json.dump({"seconds": time.process_time() - begin, "found": found}, sys.stdout)
"""


def main() -> None:
    """Measure, print the tables, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="each sentence three times, not twelve")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--data", type=Path, help="folder with huatuo and gsm8k")
    parser.add_argument("--presidio-python", help="interpreter with presidio-analyzer and spaCy")
    options = parser.parse_args()
    known = cases(3 if options.quick else 12)
    begin = time.process_time()
    ours = [spans(case) for case in known]
    seconds = time.process_time() - begin
    later = cases(8, later=True)
    results = {"adapt": scored(known, ours)}
    results["adapt, sentences written later"] = scored(later, [spans(case) for case in later])
    abroad = cases_abroad(3 if options.quick else 12)
    results["adapt, other forms and places"] = scored(abroad, [spans(case) for case in abroad])
    harmless = negatives(2 if options.quick else 8)
    masked = sum(bool(find(text)) for text in harmless)
    costs = {"adapt": seconds / len(known)}
    if options.presidio_python:
        for name, everywhere in (("presidio", False), ("presidio, English recognisers on Chinese too", True)):
            found, seconds = presidio(options.presidio_python, known, everywhere=everywhere)
            results[name] = scored(known, [[entry[:3] for entry in entries] for entries in found])
            results[f"{name}, score 0.4 up"] = scored(known, [[entry[:3] for entry in entries if entry[3] >= 0.4] for entries in found])
            costs[name] = seconds / len(known)
    speeds = on_real_data(options.data) if options.data else {}
    report(known, results, costs, speeds)
    print(f"ratio hard_negatives_masked {masked / len(harmless):.4f} ({masked} of {len(harmless)})")
    if options.json:
        options.json.write_text(json.dumps(figures(known, results, costs, speeds), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def spans(case: Case) -> list[tuple[str, int, int]]:
    """What the rules find in a text."""
    return [(finding.kind, finding.begin, finding.end) for finding in find(case.text)]


def presidio(python: str, known: list[Case], *, everywhere: bool) -> tuple[list[list[tuple[str, int, int, float]]], float]:
    """What Presidio finds in each text as (kind, begin, end, score), and its processor seconds; its models are blank, its patterns its own."""
    work = json.dumps({"entities": list(ENTITIES), "texts": [[case.language, case.text] for case in known]})
    command = [python, "-c", PEER, *(["everywhere"] if everywhere else [])]
    answer = json.loads(subprocess.run(command, input=work, capture_output=True, text=True, check=True).stdout)
    return [[(ENTITIES[entity], begin, end, score) for entity, begin, end, score in entries] for entries in answer["found"]], answer["seconds"]


def on_real_data(data: Path) -> dict[str, dict[str, float]]:
    """Microseconds per record and findings in Huatuo and GSM8K, where no personal data is known to be; many at once, as a stage does."""
    huatuo = [json.loads(line) for line in (data / "huatuo" / "llama_data.json").read_text(encoding="utf-8").splitlines() if line.strip()]
    gsm8k = [json.loads(line) for line in (data / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    drafts = {
        "huatuo": [Draft("h", str(at), "question", instruction=row["instruction"], output=row["output"]) for at, row in enumerate(huatuo)],
        "gsm8k": [Draft("g", str(at), "question", instruction=row["question"], output=row["answer"]) for at, row in enumerate(gsm8k)],
    }
    guard = Guard(Pii())
    measured = {}
    for name, records in drafts.items():
        begin = time.process_time()
        left = [draft for at in range(0, len(records), 512) for draft in guard.protect_all(records[at : at + 512])]
        seconds = time.process_time() - begin
        findings = sum(edit.score or 0 for draft in left if isinstance(draft, Draft) for edit in draft.edits)
        measured[name] = {"records": len(records), "microseconds_per_record": 1e6 * seconds / len(records), "findings": findings}
    return measured


def figures(known: list[Case], results: dict[str, dict[tuple[str, str], Score]], costs: dict[str, float], speeds: dict[str, Any]) -> dict[str, Any]:
    """All that was measured, as JSON."""
    tables = {
        name: {
            f"{kind} {language}": {**score._asdict(), "recall": score.recall, "precision": score.precision}
            for (language, kind), score in table.items()
        }
        for name, table in results.items()
    }
    return {"texts": len(known), "planted": sum(len(case.planted) for case in known), "results": tables, "seconds_per_text": costs, "data": speeds}


def report(known: list[Case], results: dict[str, dict[tuple[str, str], Score]], costs: dict[str, float], speeds: dict[str, Any]) -> None:
    """The tables as text, then one ratio a line."""
    harmless = sum(not case.planted for case in known)
    print(f"{len(known)} texts, {harmless} of them hold nothing personal; {sum(len(case.planted) for case in known)} planted pieces")
    for name, table in results.items():
        print(f"\n{name}\n{'kind':10} {'':3} {'planted':>7} {'found':>6} {'false':>6} {'recall':>7} {'precision':>9}")
        for (language, kind), score in sorted(table.items(), key=lambda item: (item[0][1], item[0][0])):
            planted = score.found + score.missed
            print(f"{kind:10} {language:3} {planted:7} {score.found:6} {score.false:6} {score.recall:7.3f} {score.precision:9.3f}")
    for name, row in speeds.items():
        print(f"\n{name}: {row['records']} records, {row['microseconds_per_record']:.1f} us a record, {row['findings']:.0f} findings", end="")
    print()
    for name, cost in costs.items():
        if name != "adapt":
            print(f"ratio {name.replace(', ', '_').replace(' ', '_')}_seconds_per_text {cost / costs['adapt']:.1f}")


if __name__ == "__main__":
    main()
