"""How often detectors changed their mind and agreed, to date: counted again from what they said."""

import itertools

import pandas as pd
import pytest

from python_steps import warehouse
from python_steps.detect_regimes import PROBABILITIES
from tests.worlds.small import World

QUERIES = {
    "regimes": "from main.regimes order by detector, decision_at",
    "flips": "from main.regime_flips order by detector, decision_at",
    "agreement": "from main.regime_agreement order by detector, other_detector, decision_at",
}


@pytest.fixture(scope="module")
def tables(small_world: World) -> dict[str, pd.DataFrame]:
    con = warehouse.connect(small_world.whole, read_only=True)
    try:
        return {name: con.execute(query).df() for name, query in QUERIES.items()}
    finally:
        con.close()


@pytest.fixture(scope="module")
def spoken(tables) -> dict[str, pd.Series]:
    """Regimes of each detector from where its probabilities differ."""
    regimes = tables["regimes"]
    is_spoken = regimes[PROBABILITIES].ne(regimes[PROBABILITIES[0]], axis=0).any(axis=1)
    known = regimes[is_spoken]
    return {name: rows.set_index("decision_at")["regime"] for name, rows in known.groupby("detector")}


def test_every_detector_knows_something_in_the_small_world(spoken) -> None:
    assert {"gaussian_hmm", "jump_model", "volatility_trend"} <= set(spoken)
    assert min(len(regimes) for regimes in spoken.values()) > 200


def test_probabilities_sum_to_one_and_that_of_the_regime_is_among_them(tables) -> None:
    regimes = tables["regimes"]
    assert (regimes[PROBABILITIES].sum(axis=1) - 1).abs().max() < 1e-12
    said = pd.Series(
        [row[f"{row['regime']}_probability"] for _, row in regimes.iterrows()], index=regimes.index
    )
    assert (said == regimes["probability"]).all()


def test_flips_are_changes_from_the_decision_before_over_the_years_between(tables, spoken) -> None:
    found = tables["flips"]
    assert len(found) == sum(len(regimes) for regimes in spoken.values())
    for name, regimes in spoken.items():
        mine = found[found["detector"] == name].set_index("decision_at")
        flips = (regimes != regimes.shift()).cumsum() - 1
        assert (mine["flips"] == flips).all()
        assert mine["decisions"].tolist() == list(range(1, len(regimes) + 1))
        assert mine["flips_per_year"].iloc[1:].tolist() == pytest.approx(
            (flips * 261 / (mine["decisions"] - 1)).iloc[1:].tolist()
        )
        assert pd.isna(mine["flips_per_year"].iloc[0])


def test_each_pair_stands_once_with_the_share_of_the_same_regimes(tables, spoken) -> None:
    found = tables["agreement"].set_index(["detector", "other_detector"]).sort_index()
    pairs = list(itertools.combinations(sorted(spoken), 2))
    assert sorted(found.index.unique()) == pairs
    for pair in pairs:
        both = pd.concat([spoken[name] for name in pair], axis=1, keys=pair).dropna()
        same = (both[pair[0]] == both[pair[1]]).cumsum()
        mine = found.loc[[pair]].set_index("decision_at")
        assert (mine["agreed"] == same).all()
        assert (mine["agreement"] == mine["agreed"] / mine["decisions"]).all()
        assert mine["decisions"].iloc[-1] == len(both)
