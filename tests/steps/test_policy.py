"""A policy that cannot be meant is refused with one line that names the file and the key."""

import subprocess
import sys

import pytest

from python_steps import policy
from python_steps.policy import PolicyError

CASES = {
    "unknown key": ("extends: default\nlimit: {asset: 0.1}\n", "mine.yml: limit: "),
    "unknown key below": ("extends: default\nlimits: {assets: 0.1}\n", "mine.yml: limits.assets: "),
    "key that stands twice": (
        "extends: default\nseed: 1\nseed: 2\n",
        "mine.yml: line 3: key 'seed' stands twice",
    ),
    "twice below": (
        "extends: default\nstops: {drawdown: -0.1, drawdown: -0.2}\n",
        "key 'drawdown' stands twice",
    ),
    "alias": ("extends: default\ngates: &a {minimum_trades: 5}\nscore: *a\n", "mine.yml: line 3: aliases"),
    "above its bound": ("extends: default\nlimits: {asset: 1.5}\n", "mine.yml: limits.asset: "),
    "below its bound": (
        "extends: default\ngates: {minimum_windows: 2}\n",
        "mine.yml: gates.minimum_windows: ",
    ),
    "not a number": ("extends: default\nsmoothing: .nan\n", "mine.yml: smoothing: "),
    "wrong type": ("extends: default\nstops: {drawdown: deep}\n", "mine.yml: stops.drawdown: "),
    "missing keys": ("clock: global\n", "mine.yml: plan: "),
    "unknown parent": ("extends: nobody\n", "'nobody' is unknown"),
    "not YAML": ("limits: [\n", "mine.yml: line 2: not valid YAML"),
    "not keys and values": ("- a\n- b\n", "mine.yml: expected keys and values"),
    "class without a limit": ("extends: nolimit\nuniverse: {asset_classes: [bond]}\n", "mine.yml: "),
    "not all and no list": ("extends: default\nsignals: some\n", "mine.yml: signals"),
    "neither yes nor no": ("extends: default\nvariants: maybe\n", "mine.yml: variants: "),
    "a regime that is none": ("extends: default\nlimits: {regimes: {calm: 0.5}}\n", "limits.regimes.calm"),
    "a share of nothing": (
        "extends: default\nstops: {solver_failures: {decisions: 0}}\n",
        "mine.yml: stops.solver_failures.decisions: ",
    ),
    "deep above the other": (
        "extends: default\nstops: {deep_drawdown: -0.1}\n",
        "deep_drawdown -0.1 is above drawdown -0.2",
    ),
    "nothing defensive": (
        "extends: default\nstops: {defensive: {symbols: [], limit: 0.4}}\n",
        "mine.yml: stops.defensive.symbols: ",
    ),
    "empty": ("", "mine.yml: expected keys and values"),
    "too long": ("#" * 100_001, "mine.yml: 100001 characters"),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES.keys())
def test_what_is_refused_is_named_in_one_line(tmp_path, text, message):
    (tmp_path / "nolimit.yml").write_text("extends: default\n")
    file = tmp_path / "mine.yml"
    file.write_text(text)
    with pytest.raises(PolicyError) as error:
        policy.load(file)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_circle_of_parents_is_shown(tmp_path):
    (tmp_path / "one.yml").write_text("extends: two\n")
    (tmp_path / "two.yml").write_text("extends: one\n")
    with pytest.raises(PolicyError, match=r"one\.yml: extends: one -> two -> one goes round"):
        policy.load(tmp_path / "one.yml")


def test_an_unknown_portfolio_is_answered_with_those_there_are():
    with pytest.raises(PolicyError, match="'nobody' is unknown; expected one of global, long_short"):
        policy.load("nobody")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyError, match=r"mine\.yml: no such policy file"):
        policy.load(tmp_path / "mine.yml")


def test_an_error_does_not_repeat_what_the_file_says(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("extends: default\nstops: {drawdown: s3cret}\n")
    with pytest.raises(PolicyError) as error:
        policy.load(file)
    assert "s3cret" not in str(error.value)


def test_a_policy_changes_what_it_names_and_inherits_the_rest():
    _, base = policy.load("global")
    name, tight = policy.load("production")
    assert name == "production"
    assert tight.limits.asset == 0.10
    assert tight.limits.cluster == base.limits.cluster
    assert tight.gates.minimum_trades == base.gates.minimum_trades


def test_the_hash_hangs_on_what_is_said_and_not_on_how_or_where(tmp_path):
    (tmp_path / "a.yml").write_text("extends: default\nstops: {drawdown: -0.1, daily_loss: -0.03}\n")
    (tmp_path / "b.yml").write_text(
        "# the same\nstops:\n  daily_loss: -0.030\n  drawdown: -0.10\nextends: default\n"
    )
    (tmp_path / "c.yml").write_text("extends: default\nstops: {drawdown: -0.1, daily_loss: -0.031}\n")
    one, same, other = (policy.digest(policy.load(tmp_path / f"{name}.yml")[1]) for name in "abc")
    assert one == same != other
    program = "from python_steps import policy; print(policy.digest(policy.load('global')[1]))"
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == policy.digest(policy.load("global")[1])


def test_all_learners_are_written_out_less_those_whose_packages_are_not_there(monkeypatch):
    named = policy.load("global")[1]
    assert policy.resolved(named) == (named, [])
    everything = policy.load("research")[1]
    monkeypatch.setattr(policy.plugins, "missing", lambda _package, name: ["torch"] * (name == "ridge"))
    there, left_out = policy.resolved(everything)
    assert left_out == ["ridge"]
    assert {"elastic_net", "logistic", "factor_model"} <= set(there.learners)
    assert "ridge" not in there.learners
    assert there.variants
    assert not named.variants


def test_a_plan_is_laid_once_and_the_one_that_decides_comes_first(tmp_path):
    (tmp_path / "mine.yml").write_text("extends: default\nplan: short\n")
    (tmp_path / "alone.yml").write_text("extends: default\ncompared_plans: []\n")
    assert policy.load(tmp_path / "mine.yml")[1].laid_plans == ("short", "expanding")
    assert policy.load("global")[1].laid_plans == ("default", "expanding", "short")
    assert policy.load(tmp_path / "alone.yml")[1].laid_plans == ("default",)


def test_a_policy_landed_before_there_were_weightings_is_read_as_it_was_meant():
    merged = policy.load("global")[1]
    told = merged.model_dump(mode="json")
    for section, name in (("weights", "method"), ("weights", "change"), ("score", "regime_prior")):
        del told[section][name]
    assert policy.Policy.model_validate(told) == merged


def test_a_policy_landed_before_there_were_more_stops_has_none_of_them():
    told = policy.load("global")[1].model_dump(mode="json")
    for name in ("missing_rate", "solver_failures", "deep_drawdown", "hysteresis", "defensive"):
        del told["stops"][name]
    del told["limits"]["regimes"], told["gates"]["minimum_regime_consistency"]
    old = policy.Policy.model_validate(told)
    assert old.stops.missing_rate is None
    assert old.stops.solver_failures is None
    assert (old.stops.deep_drawdown, old.stops.hysteresis, old.stops.defensive) == (None, None, None)
    assert (old.limits.regimes, old.gates.minimum_regime_consistency) == (None, None)
    new = policy.load("global")[1].stops
    assert (new.missing_rate, new.solver_failures.limit, new.solver_failures.decisions) == (0.5, 0.5, 21)


def test_another_weighting_is_another_policy(tmp_path):
    (tmp_path / "mine.yml").write_text("extends: default\nweights: {method: hedge}\n")
    mine, theirs = policy.load(tmp_path / "mine.yml")[1], policy.load("global")[1]
    assert policy.digest(mine) != policy.digest(theirs)
    assert mine.weights.beta == theirs.weights.beta
