"""Small records of every form, for the tests of objectives."""

from typing import Any

from adapt.records import AlpacaRecord
from tests.adapter.trainings import record

TOPICS = ("bond", "share", "court", "heart", "price", "loan", "rate", "party")


def pairs(count: int, first: int = 0) -> list[AlpacaRecord]:
    """Questions whose better answer speaks of the company and whose worse one of the patient."""
    made = []
    for number in range(first, first + count):
        topic = TOPICS[number % len(TOPICS)]
        better = f"The {topic} is of the company" + " and the investor" * (number % 3) + "."
        made.append(record(f"What is {topic} {number}?", better, rejected=f"The {topic} is of the patient" + " or the nurse" * (number % 2) + "."))
    return made


def texts(count: int, first: int = 0) -> list[AlpacaRecord]:
    """Running texts."""
    return [
        record("", f"Text {number}. The {TOPICS[number % 8]} pays interest and returns the money at the end.")
        for number in range(first, first + count)
    ]


def labelled(count: int, first: int = 0, **fields: Any) -> list[AlpacaRecord]:
    """Questions with a label that follows from a word of theirs."""
    made = []
    for number in range(first, first + count):
        label, word = (("law", "court"), ("health", "heart"), ("money", "loan"))[number % 3]
        made.append(record(f"Tell me of the {word} in case {number}.", "Yes.", label=label, **fields))
    return made
