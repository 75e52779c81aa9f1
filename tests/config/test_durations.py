"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.config.durations import LONGEST, format_duration, format_size, parse_duration, parse_size

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("500ms", 0.5), ("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("1d", 86400.0), ("1.5h", 5400.0), (7, 7.0)],
)  # fmt: skip
def test_duration(written: object, seconds: float) -> None:
    """Every form of the contract is read as seconds."""
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(("written", "size"), [("300MiB", 314572800), ("1KB", 1000), ("2GiB", 2**31), (5, 5)])
def test_size(written: object, size: int) -> None:
    """Sizes are read as bytes."""
    assert parse_size(written) == size


@pytest.mark.parametrize(
    "written", ["", "5 parsecs", "-5s", -1, True, None, "1e3s", float("nan"), float("inf"), 10**30]
)
def test_duration_refused(written: object) -> None:
    """What is no duration is refused with what is allowed."""
    with pytest.raises(ValueError, match="500ms"):
        parse_duration(written)


@given(ANYTHING)
def test_parsers_raise_value_error_only(value: object) -> None:
    """Whatever stands in a file, the answer is a sane number or ValueError."""
    for parse, low, high in ((parse_duration, 0, LONGEST), (parse_size, 1, 2**63)):
        try:
            assert low <= parse(value) <= high
        except ValueError:
            continue


def test_formats() -> None:
    """Durations and sizes are written in the two largest units, and in one."""
    assert [format_duration(s) for s in (0.34, 12.7, 65, 3600, 90061)] == [
        "0.3s",
        "12s",
        "1m 5s",
        "1h",
        "1d 1h",
    ]
    assert [format_size(s) for s in (5, 2048, 31457280, 2**31)] == ["5 B", "2.0 KiB", "30.0 MiB", "2.0 GiB"]
