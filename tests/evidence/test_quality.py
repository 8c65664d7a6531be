"""Dirt planted into the sample is found, true falls are left alone, and no alarm on clean bars stays."""

from pathlib import Path

import pandas as pd
import pytest

from tests.evidence import dirt, quality

# What may be missed, of ten each: a tick no larger than a true move, one on a day of heavy trading, and a
# pair so near 1 that its inverse is no jump.
MISSED = {
    "tick off by a factor of 1.1 to 1.25": 10,
    "tick off by a factor of 1.25 to 1.5": 5,
    "tick off by a factor of 1.5 to 2": 1,
    "inverted pair": 3,
    "bad high or low": 1,
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[quality.Judged, pd.DataFrame]:
    rows, places = dirt.planted(quality.sample(), quality.SEED, count=10)
    return quality.judge(tmp_path_factory.mktemp("dirt"), rows), places


def test_every_kind_of_dirt_is_found_and_true_falls_are_left_alone(
    said: tuple[quality.Judged, pd.DataFrame],
) -> None:
    found = quality.score(*said)
    assert found["planted"].sum() > 250
    missed = found["planted"] - found["found"]
    too_many = missed[missed > missed.index.map(lambda kind: MISSED.get(kind, 0))]
    assert too_many.empty, too_many.to_dict()


def test_nothing_is_refused_or_condemned_where_nothing_was_planted(
    said: tuple[quality.Judged, pd.DataFrame],
) -> None:
    false = quality.false_alarms(*said)
    assert false[false["verdict"] != "acquitted"].empty
    assert len(false) <= 6


def test_a_fall_that_a_witness_saw_is_never_out_and_another_for_one_bar(
    said: tuple[quality.Judged, pd.DataFrame],
) -> None:
    judged, places = said
    falls = places[places["kind"].str.startswith(quality.FALLS)].assign(
        date=lambda t: pd.to_datetime(t["date"])
    )
    seen = falls.merge(judged.suspects, on=["symbol", "date"])
    is_out = seen.groupby("witness")["is_out"]
    assert is_out.all().to_dict() == {"next bar": True, "vendor": False, "volume": False}


def test_the_clean_sample_raises_six_alarms_in_54490_bars_and_all_are_acquitted(tmp_path: Path) -> None:
    judged = quality.judge(tmp_path, quality.sample())
    assert judged.refused.empty
    assert judged.suspects["verdict"].tolist() == ["acquitted"] * 6
    assert judged.suspects["is_out"].sum() == 4
