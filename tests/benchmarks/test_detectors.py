"""How long all detectors take for 1,500 decisions, beside one fit of hmmlearn's on the same returns."""

import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM

from python_steps import plugins
from tests.benchmarks.results import record, show
from tests.benchmarks.yardsticks import cpu_seconds
from tests.worlds import moods

pytestmark = pytest.mark.benchmark

MOST = 40  # times one fit; they refit on expanding spans and filter in between


def test_1500_decisions_of_every_detector(capsys):
    market, _ = moods.market(0, 1_500, assets=12)
    returns = np.asarray(market)[:, None]
    model = GaussianHMM(3, "full", n_iter=50, random_state=0)
    one_fit = cpu_seconds(lambda: model.fit(returns))
    ratios = {
        name: cpu_seconds(lambda: module.detect(market)) / one_fit  # noqa: B023 - called at once
        for name, module in plugins.discover("python_steps.regimes").items()
    }
    told = ", ".join(f"{name} {ratio:.1f}" for name, ratio in ratios.items())
    lines = [f"1,500 decisions, CPU over that of one fit of hmmlearn ({one_fit:.2f} s): {told}."]
    with capsys.disabled():
        show(record("Regimes", lines, "hmmlearn", "numpy"))
    assert sum(ratios.values()) <= MOST
