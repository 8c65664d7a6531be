"""Nothing anticipates, on real bars: the sample cut off at two instants, in every table and step."""

import datetime as dt

import pytest

from flows.guards.compiled import CompiledDbt
from flows.guards.counterfactual import cut_off, origin_of
from flows.publish import PUBLISHED

CUTS = {
    "a second before a decision": dt.datetime(2016, 6, 23, 13, 59, 59),
    "on a Sunday, coins alone awake": dt.datetime(2017, 11, 19, 18),
}


@pytest.fixture(scope="module")
def told(sample, tmp_path_factory):
    """What the sample's warehouse was told, and all of it made again in one go."""
    folder = tmp_path_factory.mktemp("told")
    dbt = CompiledDbt(folder / "told" / PUBLISHED)
    origin = origin_of(sample.published, folder, "global", CUTS, dbt)
    whole = origin.known_by(origin.last_run(), "whole")
    origin.compute(whole)
    return origin, whole


@pytest.mark.parametrize("event", CUTS)
def test_what_the_sample_knew_at_a_cut_does_not_change_with_what_came_later(told, event):
    origin, whole = told
    compared = cut_off(origin, whole, event, CUTS[event])
    assert not compared.findings, "\n".join(map(str, compared.findings))
    assert compared.tables > 40
    assert compared.rows > 500_000
