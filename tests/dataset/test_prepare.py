import pytest

from adapt.dataset.prepare import parse_date
from adapt.dataset.table import UNDATED


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("1970-01-01", 0),
        ("1970", 0),
        ("1970-02", 31 * 86400),
        ("1970-01-02T00:00:00Z", 86400),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31", -86400),
        ("1970-01-01T00:00:01.9", 1),
    ],
)
def test_dates_and_times_of_any_precision_are_read_in_utc(date: str, seconds: int) -> None:
    assert parse_date(date) == seconds


@pytest.mark.parametrize("date", ["", "soon", "1970-13", "0000", "1970-02-30", "12.05.2024", "2024-"])
def test_what_is_no_date_counts_as_none(date: str) -> None:
    assert parse_date(date) == UNDATED
