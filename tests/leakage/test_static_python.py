"""The static check of Python steps: leaks are named however they are written, and honest code is let pass."""

import ast
import textwrap

import pytest

from flows.guards.static_python import Allowed, Answer, check_modules, declared, modules_of
from flows.guards.static_python_rules import BOUNDS
from flows.guards.static_sql import STEPS
from flows.pipeline import ALLOCATED, BELIEVED, LEARNED

STEP, LEARNER = "python_steps/new_step.py", "python_steps/learners/new.py"
DETECTOR, FLOW = "python_steps/regimes/new.py", "flows/pipeline.py"

LEAKY = [
    ("backfill", STEP, "prices = prices.bfill()"),
    ("backfill", STEP, "prices = prices.groupby('symbol')['close'].backfill()"),
    ("backfill", STEP, "prices = prices.fillna(method='bfill')"),
    ("backfill", STEP, "prices = prices.reindex(days, method='nearest')"),
    ("backfill", STEP, "prices = prices['close'].interpolate(limit=3)"),
    ("backfill", STEP, "values = np.interp(decision, known['session_date'], known['close'])"),
    ("backfill", STEP, "prices = prices.iloc[::-1].ffill()"),
    ("fitted_on_everything", STEP, "features = features.fillna(features.mean())"),
    ("fitted_on_everything", STEP, "features['x'] = features['x'].fillna(value=features['x'].median())"),
    ("looks_ahead", STEP, "mean = returns.rolling(21, center=True).mean()"),
    ("looks_ahead", STEP, "after = returns.shift(-1)"),
    ("looks_ahead", STEP, "after = returns.groupby('symbol')['close'].shift(periods=-5)"),
    ("looks_ahead", STEP, "after = prices.pct_change(-1)"),
    ("looks_ahead", STEP, "after = np.roll(returns, -1)"),
    ("looks_ahead", STEP, "slope = np.gradient(prices)"),
    ("looks_ahead", STEP, "mean = np.convolve(returns, np.ones(5) / 5, mode='same')"),
    ("looks_ahead", STEP, "clean = scipy.signal.filtfilt(b, a, returns)"),
    ("looks_ahead", STEP, "clean = savgol_filter(returns, 11, 2)"),
    ("looks_ahead", STEP, "total = returns[::-1].cumsum()"),
    ("looks_ahead", STEP, "best = np.maximum.accumulate(prices[::-1])[::-1]"),
    ("looks_ahead", STEP, "mean = prices.sort_values('session_date', ascending=False)['close'].rolling(5).mean()"),
    ("looks_ahead", STEP, "joined = pd.merge_asof(left, right, on='known_at', direction='forward')"),
    ("looks_ahead", STEP, "for i in range(len(returns)):\n    out.append(returns[i + 1])"),
    ("looks_ahead", STEP, "for i in range(len(returns)):\n    out.append(max(returns[i:]))"),
    ("looks_ahead", STEP, "out = [sum(returns[i - 5 : i + 5]) for i in range(len(returns))]"),
    ("looks_ahead", STEP, "for end in range(1, len(returns) + 1):\n    out.append(score(returns[: end + 20]))"),
    ("looks_ahead", STEP, "for i, at in enumerate(decisions):\n    out.append(frame.iloc[i + 1 :])"),
    ("fitted_on_everything", STEP, "scaled = StandardScaler().fit_transform(features)"),
    ("fitted_on_everything", STEP, "model = Ridge().fit(features, target)"),
    ("fitted_on_everything", LEARNER, "def predict(features):\n    return (features - features.mean(axis=0)) / features.std(axis=0)"),
    ("fitted_on_everything", STEP, "def one(forecast, is_train):\n    return forecast[is_train] / np.std(forecast)"),
    ("no_purge", STEP, "folds = KFold(5).split(features[is_train])"),
    ("test_in_train", STEP, "is_fitted_on = rows['target'].notna().to_numpy()"),
    ("whole_sample", STEP, "z = (returns - returns.mean()) / 1.0"),
    ("whole_sample", STEP, "z = (close - np.min(close))"),
    ("whole_sample", STEP, "z = frame.groupby('symbol')['close'].transform('mean')"),
    ("whole_sample", STEP, "z = frame['value'].rank(pct=True)"),
    ("whole_sample", STEP, "z = pd.qcut(frame['value'], 5)"),
    ("smoothed_regime", DETECTOR, "def detect(market):\n    return GaussianHMM(2)"),
    ("smoothed_regime", DETECTOR, "def detect(market):\n    return model.predict_proba(market)"),
    ("smoothed_regime", DETECTOR, "def detect(market):\n    return market.abs() > market.quantile(0.8)"),
    ("smoothed_regime", DETECTOR, "def detect(market):\n    seen = sorted(volatilities)\n    return seen"),
    ("smoothed_regime", STEP, "states = viterbi(market)"),
    ("loader_clock", STEP, "known_at = datetime.now()"),
    ("loader_clock", STEP, "known_at = dt.datetime.utcnow()"),
    ("loader_clock", STEP, "known_at = pd.Timestamp.today()"),
    ("loader_clock", STEP, "known_at = time.time()"),
    ("loader_clock", STEP, "known_at = np.datetime64('now')"),
    ("build_state", STEP, "noise = np.random.normal(size=10)"),
    ("build_state", STEP, "noise = np.random.default_rng().normal(size=10)"),
    ("build_state", STEP, "rows = rows.sample(100)"),
    ("restated_value", STEP, "bars = bars.drop_duplicates(['symbol', 'session_date'], keep='last')"),
    ("restated_value", STEP, "bar = bars.sort_values('version', ascending=False).head(1)"),
    ("restated_value", STEP, "bars = bars.loc[bars.groupby('symbol')['version'].idxmax()]"),
    ("early_profit", STEP, "known = strategy_pnl[strategy_pnl['decision_at'] < instant]"),
    ("chosen_by_result", STEP, "kept = pnl.groupby('strategy')['net_return'].sum() > 0"),
    ("weights_from_test", STEP, "sharpe = np.where(np.isfinite(test_sharpe), test_sharpe, train_sharpe)"),
    ("weights_from_test", STEP, "spans = spans_at(study, NEVER)"),
    ("step_cache", STEP, "@lru_cache\ndef prices(portfolio):\n    return warehouse.read(con, 'prices')"),
    ("step_cache", FLOW, "@task(cache_policy=INPUTS)\ndef learned(run):\n    return run"),
    ("step_cache", FLOW, "@task(cache_key_fn=task_input_hash)\ndef learned(run):\n    return run"),
    ("anticipates", STEP, "def until(self, decision):\n    return self.rows"),
]  # fmt: skip

HONEST = [
    (STEP, "before = returns.shift(1)"),
    (STEP, "before = returns.groupby('symbol')['close'].shift()"),
    (STEP, "mean = returns.rolling(21).mean()"),
    (STEP, "mean = returns.ewm(halflife=10).mean()"),
    (STEP, "total = returns.cumsum()"),
    (STEP, "filled = prices.ffill()"),
    (STEP, "filled = prices.fillna(0.0)"),
    (STEP, "joined = pd.merge_asof(left, right, on='known_at')"),
    (STEP, "unknown = ~np.isfinite(returns[::-1])"),
    (STEP, "ordered = np.sort(lower)[::-1]"),
    (STEP, "for i in range(len(returns)):\n    out.append(returns[: i + 1])"),
    (STEP, "for end in range(1, len(returns) + 1):\n    out.append(mean(returns[end - 20 : end]))"),
    (STEP, "for i in range(1, len(returns)):\n    out.append(returns[i] - returns[i - 1])"),
    (STEP, "for lag in range(days):\n    growth = growth * (1.0 + returns[lag : lag + kept])"),
    (STEP, "for offset in range(length):\n    sums += wrapped[offset : offset + len(values)]"),
    (STEP, "fitted = learner.fit(features[is_train], target[is_train])"),
    (LEARNER, "def fit(features, target):\n    return Ridge().fit(features, target)"),
    (LEARNER, "def fit(features, target):\n    return (features - features.mean(axis=0)) / features.std(axis=0)"),
    ("python_steps/covariances/new.py", "def estimate(returns):\n    return LedoitWolf().fit(returns).covariance_"),
    (STEP, "def one(forecast, is_train):\n    return forecast / np.std(forecast[is_train])"),
    (STEP, "is_fitted_on = rows['is_train'] & rows['target'].notna()"),
    (STEP, "z = frame - frame.mean(axis=1)"),
    (STEP, "z = frame.groupby('decision_at')['value'].transform('mean')"),
    (STEP, "z = frame.groupby('decision_at')['value'].rank(pct=True)"),
    (STEP, "z = wide.rank(axis=1, pct=True)"),
    (DETECTOR, "def detect(market):\n    return [mean(returns[:end]) for end in range(1, len(returns) + 1)]"),
    (DETECTOR, "def detect(market):\n    return market.rolling(20).std()"),
    (STEP, "noise = np.random.default_rng(seed).normal(size=10)"),
    (STEP, "rows = rows.sample(100, random_state=seed)"),
    (STEP, "took = loaded_at - as_of"),
    (STEP, "assets = assets.drop_duplicates('symbol')"),
    (STEP, "known = bars[bars['known_at'] <= instant].drop_duplicates('symbol', keep='last')"),
    (STEP, "known = strategy_pnl[strategy_pnl['known_at'] <= instant]"),
    (STEP, "tested = pnl[pnl['decision_at'] >= test_from]"),
    (STEP, "spans = spans_at(study, instant)"),
    (STEP, "@cache\ndef masks(blocks):\n    return list(range(blocks))"),
    (STEP, "@lru_cache\ndef prices(as_of):\n    return warehouse.read(con, 'prices', as_of)"),
    (FLOW, "@task(cache_policy=NO_CACHE)\ndef learned(run):\n    return run"),
    (STEP, "def until(self, decision):\n    return self.rows[: self.place(decision)]"),
    (STEP, "best = rates.argmax(axis=1)"),
]  # fmt: skip

# Small edits of the steps as they are: module, from, to, leak. The first is found wherever it stands first.
EDITS = [
    ("learn_forecasts.py", "learner.fit(features[is_fitted_on], target)", "learner.fit(features, rows['target'])", "fitted_on_everything"),
    ("learn_forecasts.py", "np.std(forecast[is_fitted_on])", "np.std(forecast)", "fitted_on_everything"),
    ("learn_forecasts.py", "np.isfinite(values[is_fitted_on]).any(axis=0)", "np.isfinite(values).any(axis=0)", "fitted_on_everything"),
    ("learn_forecasts.py", 'rows["is_train"].astype(bool) & rows["target"]', 'rows["target"]', "test_in_train"),
    ("regimes/volatility_trend.py", "_state(returns[:end][-TREND_DECISIONS:]", "_state(returns[: end + 1][-TREND_DECISIONS:]", "looks_ahead"),
    ("regimes/volatility_trend.py", "returns[end - VOLATILITY_DECISIONS : end]", "returns[end - 10 : end + 10]", "looks_ahead"),
    ("belief_records.py", "(study.settled_at <= instant) & (study.test_until <= instant)", "study.test_until <= instant", "early_profit"),
    ("belief_records.py", "    pairs &= (study.listed_at <= instant)[:, None]\n", "", "survivorship"),
    ("belief_inputs.py", "np.where(train_known_at <= settled_at, train, np.nan)", "train", "weights_from_test"),
    ("belief_evidence.py", "spans_at(self.study, int(self.study.test_from[window]))", "spans_at(self.study, int(self.study.test_until[window]))", "weights_from_test"),
    ("allocation_inputs.py", "and self._known[self._next] <= decision", "", "early_profit"),
    ("allocation_inputs.py", "known = self.known_at == NEVER or self.known_at <= decision", "known = True", "survivorship"),
    ("book.py", "fill is None or fill.known_at > at", "fill is None", "early_profit"),
    ("flows/pipeline.py", 'returns = _listed(read("decision_returns", lambda t: t.clock == clock), read("assets"))', 'returns = read("decision_returns", lambda t: t.clock == clock)', "survivorship"),
    ("belief_replicates.py", "np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))", "np.random.default_rng()", "build_state"),
]  # fmt: skip


def _checked(place: str, text: str) -> Answer:
    return check_modules({place: textwrap.dedent(text)}, exceptions=[])


@pytest.mark.parametrize(("leak", "place", "text"), LEAKY, ids=range(len(LEAKY)))
def test_a_leak_in_a_step_is_named(leak: str, place: str, text: str) -> None:
    answer = _checked(place, text)
    assert {finding.leak for finding in answer.findings} == {leak}, answer
    assert all(finding.place == place and finding.line for finding in answer.findings)


@pytest.mark.parametrize(("place", "text"), HONEST, ids=range(len(HONEST)))
def test_honest_steps_pass(place: str, text: str) -> None:
    answer = _checked(place, text)
    assert answer.findings == []
    assert answer.undecided == []


@pytest.mark.parametrize(("module", "old", "new", "leak"), EDITS, ids=range(len(EDITS)))
def test_an_edit_that_lets_the_future_in_is_named(module: str, old: str, new: str, leak: str) -> None:
    place = module if module.startswith("flows/") else f"python_steps/{module}"
    text = modules_of()[place]
    assert old in text
    found = check_modules({place: text.replace(old, new, 1)}).findings
    assert leak in {finding.leak for finding in found}


def test_a_shift_by_a_variable_is_listed_as_undecided() -> None:
    answer = _checked(STEP, "after = returns.shift(days)")
    assert answer.findings == []
    assert [(one.place, one.line) for one in answer.undecided] == [(STEP, 1)]


def test_the_steps_of_the_project_have_no_leak_and_all_were_read() -> None:
    modules = modules_of()
    answer = check_modules(modules)
    assert answer.findings == []
    assert answer.undecided == []
    assert len(answer.looked_at) == len(modules) >= 40
    assert "flows/pipeline.py" in answer.looked_at


def test_every_declared_exception_for_python_is_still_needed() -> None:
    answer = check_modules(modules_of())
    assert sorted(map(str, answer.exempted)) == sorted(map(str, declared()))


def test_an_exception_stands_for_one_expression_of_one_function() -> None:
    text = "def one(x):\n    return x.shift(-1)\n\n\ndef two(x):\n    return x.shift(-1)\n"
    allowed = Allowed(STEP, "one", "looks_ahead", "x.shift(-1)", "because it is a test")
    answer = check_modules({STEP: text}, exceptions=[allowed])
    assert [finding.line for finding in answer.findings] == [6]
    assert answer.exempted == [allowed]


def test_every_bound_names_a_function_that_there_is() -> None:
    modules = modules_of()
    for module, function, *_ in BOUNDS:
        names = {node.name for node in ast.walk(ast.parse(modules[module])) if isinstance(node, ast.FunctionDef)}
        assert function in names, f"{module}: {function}"


def test_the_edges_through_steps_are_those_that_the_pipeline_reads() -> None:
    tree = ast.parse(modules_of()["flows/pipeline.py"])
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for step, (reads, _) in STEPS.items():
        calls = [node for node in ast.walk(functions[step]) if isinstance(node, ast.Call)]
        read = {
            call.args[0].value
            for call in calls
            if isinstance(call.func, ast.Name) and call.func.id == "read" and isinstance(call.args[0], ast.Constant)
        }
        assert {table for table in read if "." not in table} == set(reads)
    written = {step: [table.removeprefix("steps.") for table in tables] for step, (_, tables) in STEPS.items()}
    assert sorted(written["learn"]) == sorted(LEARNED)
    assert sorted(written["weigh"]) == sorted(BELIEVED)
    assert sorted(written["allocate"]) == sorted(ALLOCATED)
