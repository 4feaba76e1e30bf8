"""Dates as ISO 8601 text."""

import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR_FIRST = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})(?:\s*[-/.月]\s*(\d{1,2})\s*日?|\s*月)?")
_NAMED = re.compile(
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?\s+)?(?P<month>[A-Za-z]{3,9})\.?\s+(?:(?P<day_behind>\d{1,2})(?:st|nd|rd|th)?,?\s+)?(?P<year>\d{4})"
)
_YEAR = re.compile(r"(\d{4})年?")


@lru_cache(maxsize=4096)
def iso_date(text: str) -> str:
    """`text` as ISO 8601: a year, a month, a date, or a time (in UTC when its zone is known); empty when it does not say one day without doubt.

    Forms such as 3/4/2024, which is March or April by country, are not guessed.
    """
    text = text.strip()
    if match := _YEAR.fullmatch(text):
        return match[1]
    if match := _YEAR_FIRST.fullmatch(text):
        return _made(int(match[1]), int(match[2]), int(match[3]) if match[3] else None)
    if match := _NAMED.fullmatch(text):
        month = match["month"].lower()
        known = next((number for number, name in enumerate(_MONTHS, 1) if month.startswith(name)), 0)
        day = match["day"] or match["day_behind"]
        return _made(int(match["year"]), known, int(day) if day else None)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return ""
    return _shown(moment, timed=len(text) > 10)


def _shown(moment: datetime, *, timed: bool) -> str:
    if not timed:
        return moment.date().isoformat()
    try:
        known = moment.astimezone(UTC) if moment.tzinfo else moment
    except OverflowError:  # at the ends of the calendar
        return ""
    return known.isoformat(timespec="seconds").replace("+00:00", "Z")


def _made(year: int, month: int, day: int | None) -> str:
    try:
        whole = date(year, month, day or 1).isoformat()
    except ValueError:
        return ""
    return whole if day else whole[:7]
