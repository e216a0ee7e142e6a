"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.domain import duration
from signoff.domain.errors import InvalidPolicy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("1h30m", timedelta(minutes=90)),
        (" 1d 12h ", timedelta(hours=36)),
        ("0.5h", timedelta(minutes=30)),
        ("1w2d3h4m5s", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
        ("PT24H", timedelta(hours=24)),
        ("P2D", timedelta(days=2)),
        ("P1DT2H", timedelta(hours=26)),
        ("P1W", timedelta(weeks=1)),
        ("PT1M", timedelta(minutes=1)),
        ("PT1,5S", timedelta(seconds=1.5)),
        ("P36500D", duration.LONGEST),
        (timedelta(milliseconds=1), timedelta(milliseconds=1)),
    ],
)
def test_durations_are_read(text, expected):
    assert duration.parse(text) == expected


@pytest.mark.parametrize("value", ["P1Y", "P2M", "P1Y2DT1H", "P1.5Y"])
def test_years_and_months_are_refused_as_their_length_is_not_fixed(value):
    with pytest.raises(InvalidPolicy, match="years and months have no fixed length"):
        duration.parse(value)


@pytest.mark.parametrize("value", ["0m", "PT0S", timedelta(0), timedelta(days=-1)])
def test_a_duration_is_above_zero(value):
    with pytest.raises(InvalidPolicy, match="above zero"):
        duration.parse(value)


@pytest.mark.parametrize("value", ["36501d", "9" * 60 + "w", timedelta.max])
def test_a_duration_is_at_most_a_hundred_years(value):
    with pytest.raises(InvalidPolicy, match="a hundred years"):
        duration.parse(value)


@pytest.mark.parametrize(
    "value",
    [
        *("", "P", "PT", "P1DT", "30", "h", "24H", "1m1h", "-5m", "1h and 2m", "tomorrow", "٣h"),
        *("1e3s", "9" * 100 + "h", 30, 1.5, True, None, [], b"24h"),
    ],
)
def test_anything_else_is_refused(value):
    with pytest.raises(InvalidPolicy) as caught:
        duration.parse(value)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(hours=24), "PT24H"),
        (timedelta(days=2), "PT48H"),
        (timedelta(minutes=90), "PT1H30M"),
        (timedelta(seconds=1, milliseconds=500), "PT1.5S"),
        (timedelta(0), "PT0S"),
        (timedelta(minutes=-5), "-PT5M"),
        (timedelta(hours=1, microseconds=1), "PT1H0.000001S"),
    ],
)
def test_durations_are_written_in_iso_8601(value, text):
    assert duration.isoformat(value) == text


@given(st.timedeltas(timedelta(microseconds=1), duration.LONGEST))
def test_what_is_written_reads_back_exactly(value):
    assert duration.parse(duration.isoformat(value)) == value
    assert duration.parse(duration.short(value)) == value
