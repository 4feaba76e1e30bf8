"""What the corpus stage says of files that are not UTF-8."""

import pytest
from pydantic import ValidationError

from adapt.spec.corpus import CorpusSpec
from tests.corpus.corpora import Corpus
from tests.corpus.encodings.texts import TABLE

_LONG = {sample.language: sample.long for sample in reversed(TABLE)}


def test_each_file_is_read_in_its_encoding_and_counted(corpus: Corpus) -> None:
    corpus.write("korean.txt", _LONG["ko"].encode("euc_kr"))
    corpus.write("thai.txt", _LONG["th"].encode("tis_620"))
    corpus.write("wide.txt", _LONG["zh"].encode("utf-16-le"))
    corpus.write("marked.csv", "question,answer\nWas ist Zins?,Der Preis für geliehenes Geld in Prozent.\n".encode("utf-16"))
    corpus.write("page.html", f'<meta charset="Shift_JIS"><main><h1>点検</h1><p>①{_LONG["ja"]}</p></main>'.encode("cp932"))
    corpus.write("glued.txt", _LONG["ru"].encode("cp1251") * 3 + _LONG["ru"].encode("koi8_r"))
    corpus.write("plain.txt", _LONG["ru"])
    report = corpus.build(CorpusSpec.model_validate({"boilerplate": None}))
    assert report.encodings == {"cp874": 1, "cp932": 1, "cp949": 1, "utf-16": 1, "utf-16-le": 1}
    assert report.documents == {"text": {"ja": 1, "ko": 1, "ru": 1, "th": 1, "zh": 1}, "question": {"de": 1}}
    assert "1 as cp949" in report.summary()
    assert corpus.rows("glued.txt") == [("", "undecodable", None)]
    (row,) = [row for row in corpus.ledger() if row.rule == "undecodable"]
    assert "parts of the file are in" in row.reason.lower()
    assert "`encoding`" in row.reason
    assert [rule for _, rule, _ in corpus.rows("page.html")] == ["decode"]
    assert [rule for _, rule, _ in corpus.rows("marked.csv")] == ["decode"]
    assert [rule for _, rule, _ in corpus.rows("korean.txt")] == ["repair_encoding"]


def test_the_encoding_of_a_source_holds_for_its_files_alone(corpus: Corpus) -> None:
    corpus.write("old/a.txt", "Да, это так.".encode("koi8_r"))
    corpus.write("old/b.jsonl", '{"question": "Как?", "answer": "Так."}\n'.encode("koi8_r"))
    corpus.write("new/a.txt", "Нет, это не так.")
    sources = [{"glob": "old/*", "encoding": "koi8-r"}, {"glob": "**/*"}]
    report = corpus.build(CorpusSpec.model_validate({"sources": sources, "boilerplate": None}))
    assert corpus.document("old/a.txt").text == "Да, это так."
    assert corpus.document("old/b.jsonl").output == "Так."
    assert corpus.document("new/a.txt").text == "Нет, это не так."
    assert report.encodings == {"koi8-r": 2}


def test_large_lines_of_json_are_read_in_the_encoding_of_the_spec(corpus: Corpus) -> None:
    lines = "".join(f'{{"question": "Как {number}?", "answer": "Так {number}, и никак иначе."}}\n' for number in range(4000))
    corpus.write("a.jsonl", lines.encode("cp866"))
    corpus.build(CorpusSpec.model_validate({"sources": [{"glob": "**/*", "encoding": "cp866"}]}))
    documents = corpus.documents()
    assert len(documents) == 4000
    assert documents[0].output.startswith("Так ")


def test_what_is_no_encoding_is_an_error_of_the_spec() -> None:
    with pytest.raises(ValidationError, match="'koi9' is no encoding of text that is known; name it as in utf-8, gb18030"):
        CorpusSpec.model_validate({"sources": [{"glob": "**/*", "encoding": "koi9"}]})
