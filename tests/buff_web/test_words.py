"""Numbers and times as a reader sees them."""

from typing import Any

import pytest

from buff_web import words

NOW = "2026-11-20T08:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (words.number(1234.5), "1,234.50"),
        (words.number(-0.001), "0.00"),
        (words.number(-0.001, signed=True), "0.00"),
        (words.number(-4.8717), "−4.87"),
        (words.number(None), "–"),
        (words.percent(-0.01842, signed=True), "−1.84\u202f%"),
        (words.percent(0.0086, signed=True), "+0.86\u202f%"),
        (words.percent(None), "–"),
        (words.price(40597.858785), "40,597.86"),
        (words.price(1.23456), "1.2346"),
        (words.price(0.000012345), "0.00001234"),
        (words.size(848), "848\u202fbytes"),
        (words.size(2_829_801), "2.7\u202fMiB"),
        (words.size(5 << 40), "5,120.0\u202fGiB"),
        (words.stamp(1_704_067_200_000), "2024-01-01T00:00:00Z"),
        (words.stamp(-62_135_596_800_000), "0001-01-01T00:00:00Z"),
        (words.duration(1_378_800_000), "15 d 23 h"),
        (words.duration(90 * 60_000), "1 h 30 min"),
        (words.duration(1_500), "1.5 s"),
        (words.ago("2026-11-20T07:59:58.000000Z", NOW), "just now"),
        (words.ago("2026-11-20T07:59:00.000000Z", NOW), "1 minute ago"),
        (words.ago("2026-11-18T07:59:00.000000Z", NOW), "2 days ago"),
        (words.ago("2026-11-20T09:00:00.000000Z", NOW), "just now"),
    ],
)
def test_words(text: str, says: str) -> None:
    assert text == says


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        (words.time_tag("2024-01-01T20:00:00Z"), "2024-01-01 20:00"),
        (words.time_tag("2026-11-20T07:43:36.161566Z"), "2026-11-20 07:43:36"),
        (words.time_tag("2026-11-20T07:43:36.161566Z", minutes=True), "2026-11-20 07:43"),
    ],
)
def test_a_time_tag_keeps_the_exact_time(tag: Any, shown: str) -> None:
    assert f">{shown}</time>" in tag
    assert 'Z">' in tag
