"""What counts as a number, an instant and JSON in any vendor's payload."""

import datetime as dt
import math

import pytest

from python_steps.adapters._reading import Malformed, instant, number, read_json, shown, since_epoch


@pytest.mark.parametrize(
    ("told", "value"),
    [
        (1, 1.0),
        (-0.5, -0.5),
        ("0.01634790", 0.0163479),
        ("1e-8", 1e-8),
        (".5", 0.5),
        ("7.", 7.0),
        (2**60, 2.0**60),
    ],
)
def test_a_number_or_a_decimal_text_is_a_number(told, value):
    assert number(told) == value


def test_what_is_not_finite_is_left_to_the_landing():
    assert math.isinf(number("1e999"))
    assert math.isnan(number(float("nan")))


@pytest.mark.parametrize(
    "told",
    [
        None,
        True,
        False,
        "",
        " 1",
        "1 ",
        "1_000",
        "1,5",
        "0x1",
        "nan",
        "inf",
        "１２",
        [],
        {},
        10**400,
        "1e99999",
    ],
)
def test_all_else_is_no_number(told):
    with pytest.raises(Malformed, match="expected a number"):
        number(told)


def test_an_instant_is_of_seconds_or_milliseconds():
    assert instant(1710288000, 1) == instant(1710288000000, 1000) == dt.datetime(2024, 3, 13)
    assert instant(1710288000123, 1000) == dt.datetime(2024, 3, 13, 0, 0, 0, 123000)
    assert instant(-86400, 1) == dt.datetime(1969, 12, 31)


@pytest.mark.parametrize(
    "told", [None, False, True, 0.0, "0", 1710288000000, 10**30, -(10**30), [], float("nan")]
)
def test_all_else_is_no_instant_in_seconds(told):
    with pytest.raises(Malformed, match="expected an instant"):
        instant(told, 1)


def test_seconds_since_1970_of_a_day_and_of_an_instant():
    assert since_epoch(dt.date(2024, 3, 13)) == since_epoch(dt.datetime(2024, 3, 13)) == 1710288000


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 10_000, b"9" * 5000, b"<html>", b"[1,]"])
def test_what_is_no_json_says_so(content):
    with pytest.raises(Malformed, match="is not JSON"):
        read_json(content)


def test_whatever_is_shown_is_short_ascii():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in ("\ud800\x1b[31m", "x" * 5000, deep, 10**5000, float("nan"), {"a": object}):
        assert shown(value, 50).isprintable()
        assert shown(value, 50).isascii()
        assert len(shown(value, 50)) <= 50
    while deep:  # it is too deep to be freed by recursion
        deep = deep.pop()
