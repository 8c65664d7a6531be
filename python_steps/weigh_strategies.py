"""How far to believe each strategy on each asset, and what they say together, at each decision.

Rules 2, 5 and 8 of the specification; rules 3 and 4 are strategy_weighting.py, the statistics sharpe.py.

What is fitted (gates, scores, returns per unit of position, overfit metrics, confidence) changes only when
another test span becomes known, and is carried in between. Views, and the smoothing of strategy weights,
move at every decision. A test span is used for an asset and a strategy once its window_metrics row is
known, with the profits known by that row. A class, or the whole set, waits until the span is known for each
of its assets that has profits in it, so that no sum is taken over half of them; after fourteen days it goes
on without those missing.

Every sum runs over exactly what is known at the decision: over time in arrays of the known test decisions,
over assets and strategies one by one, where an absent one adds zero. So later rows, or the order of rows,
change no bit.
"""

import numpy as np
import pandas as pd

from python_steps.belief_ensembles import Ensembles, methods
from python_steps.belief_evidence import Evidence, Judge
from python_steps.belief_inputs import (
    WeighInputs,
    last_ensembles,
    last_weights,
    micros,
    past_weights,
    study_of,
)
from python_steps.belief_tables import Tables
from python_steps.executors import IN_TURN, Fan
from python_steps.policy import Policy
from python_steps.strategy_weighting import strategy_weights, total

Array = np.ndarray


def weigh(
    inputs: WeighInputs,
    policy: Policy,
    portfolio: str,
    run_id: str,
    decisions_per_year: float,
    trials: int,
    fan: Fan = IN_TURN,
) -> dict[str, pd.DataFrame]:
    """Rows of steps.strategy_gates, overfit_metrics, strategy_weights, expected_returns, confidences,
    reality_checks and forecast_reliability.

    And of ensemble_exposures, ensemble_weights and weighting_regrets, which no decision reads. Keyed by table
    name, for the decisions asked for, in order of key; NaN is undefined. `trials` counts the configurations
    ever tried. An asset and strategy has a row where it has a position at the decision. An uninterrupted run
    and one resumed with what is past in `inputs` give the same bits. Raises ValueError where a key stands
    twice, and plugins.UnknownPlugin for a weighting that no file has.
    """
    study = study_of(inputs)
    wanted = np.unique(micros(inputs.decisions["decision_at"]))
    weights = past_weights(inputs.past_weights, study, wanted)
    previous = last_weights(weights)
    judge = Judge(study, policy, decisions_per_year, trials)
    judge.look_ahead(wanted, fan)
    beside = Ensembles(policy.weights, last_ensembles(inputs.past_ensembles, weights, study, methods()))
    found: list[Evidence] = []
    places, views, exposures, regrets = [], [], [], []
    for instant in wanted:
        evidence = judge.at(int(instant), weights)
        if not found or found[-1] is not evidence:
            found.append(evidence)
        now = int(np.searchsorted(study.instants, instant))
        position = study.position[:, :, now].T
        is_there = np.isfinite(position)
        adopted = evidence.adopted & is_there
        exposures.append(beside.at(evidence, position))
        regrets.append(beside.regrets)
        new = strategy_weights(beside.wanted, adopted, previous, policy.weights)
        previous = np.where(is_there.any(axis=1)[:, None], new, previous)
        weights[:, :, now] = np.where(is_there, new, np.nan).T
        exposure = np.where(is_there, new * position, 0.0)
        views.append(_view(evidence, exposure, allow_shorts=policy.allow_shorts))
        places.append(len(found) - 1)
    tables = Tables(study, wanted, found, np.array(places, dtype=int), portfolio, run_id)
    return {
        "strategy_gates": tables.gates(),
        "overfit_metrics": tables.overfit(trials),
        "strategy_weights": tables.weights(weights),
        "expected_returns": tables.views(views),
        "confidences": tables.confidences(),
        "reality_checks": tables.checks(),
        "forecast_reliability": tables.reliability(),
        "ensemble_exposures": tables.ensembles(methods(), exposures),
        "ensemble_weights": tables.ensemble_weights(methods(), beside.weights),
        "weighting_regrets": tables.regrets(regrets),
    }


def _view(evidence: Evidence, exposure: Array, *, allow_shorts: bool) -> tuple[Array, Array, Array]:
    """Rule 5 for each asset: view, standard error and shrunk view; `exposure` is weight times position.

    The error takes as much of a view below 0 as of one above it; without shorts that is as good as none.
    """
    earned = np.where(exposure != 0, evidence.expected_return, 0.0)
    view = total(exposure * earned)[:, 0]
    draws = np.zeros(evidence.replicates.shape[1:])
    for s, replicate in enumerate(evidence.replicates):
        draws += exposure[:, s, None] * replicate
    error = draws.std(axis=1, ddof=1)
    is_seen = view != 0 if allow_shorts else view > 0
    kept = np.maximum(0.0, 1 - (error / np.where(is_seen, view, 1.0)) ** 2)
    return view, error, np.where(is_seen, kept * view, 0.0)
