"""The rules of the static check of Python: each looks at one node, and names the leak it sees."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

Seen = Iterator[tuple[str, ast.expr, str]]

STATISTICS = {"mean", "std", "var", "median", "quantile", "percentile", "nanmean", "nanstd", "nanmedian", "ptp",
              "nanquantile", "nanpercentile", "average"}  # fmt: skip
EXTREMES = {"max", "min", "sum", "any", "all", "nanmax", "nanmin"}
CUMULATIVE = {"cumsum", "cumprod", "cummax", "cummin", "rolling", "expanding", "ewm", "ffill", "shift",
              "accumulate", "pct_change", "diff"}  # fmt: skip
CENTRED = {"gradient", "filtfilt", "sosfiltfilt", "savgol_filter", "gaussian_filter1d", "gaussian_filter",
           "uniform_filter1d", "medfilt", "detrend", "hilbert", "median_filter", "seasonal_decompose"}  # fmt: skip
SMOOTHERS = {"viterbi", "forward_backward", "kalman_smooth", "smoothed_marginal_probabilities",
             "smoothed_state", "rts_smoother", "score_samples"}  # fmt: skip
FITS = {"fit", "fit_transform", "fit_predict", "partial_fit"}
FIT_HOMES = ("python_steps/learners/", "python_steps/covariances/")
FITTERS = {"fit", "estimate", "covariance"}
MASKS = {"is_fitted_on", "is_train", "train_mask", "in_train"}
BOUND_NAMES = {"as_of", "instant", "decision", "at", "batch_until", "decision_at"}
TIMED = {"decision_at", "session_date", "known_at", "date", "decision", "instant", "window_id"}
LATEST = {"version", "batch_id", "known_at", "recorded_at"}
EARNED = ("pnl", "profit", "metrics", "fills", "labels", "net_return", "unit_return")
LEGACY = {"default_rng", "SeedSequence", "Generator", "PCG64", "BitGenerator"}


@dataclass(frozen=True)
class Where:
    """A node, and where it stands."""

    place: str
    node: ast.AST
    parents: Mapping[ast.AST, ast.AST]
    tree: ast.Module

    @cached_property
    def above(self) -> list[ast.AST]:
        """What the node stands in, from the inside out."""
        found, at = [], self.parents.get(self.node)
        while at is not None:
            found.append(at)
            at = self.parents.get(at)
        return found

    @cached_property
    def scope(self) -> ast.FunctionDef | None:
        """The function the node stands in."""
        return next((at for at in self.above if isinstance(at, ast.FunctionDef)), None)

    @property
    def function(self) -> str:
        """Its name; empty at the top of the module."""
        return self.scope.name if self.scope else ""


def _name(node: ast.AST) -> str:
    """The last name of what is called or looked up."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return _name(node.func) if isinstance(node, ast.Call) else ""


def _words(node: ast.AST) -> set[str]:
    """Every name, attribute and text in an expression."""
    words = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name | ast.Attribute):
            words.add(_name(part))
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            words.add(part.value)
    return words


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _is_value(node: ast.expr | None, *values: object) -> bool:
    return isinstance(node, ast.Constant) and node.value in values and type(node.value) in map(type, values)


def _is_minus(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and node.value < 0
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _chain(node: ast.AST) -> Iterator[ast.AST]:
    """What methods and functions were applied to, from the outside in."""
    while True:
        yield node
        if isinstance(node, ast.Call):
            inner = node.func.value if isinstance(node.func, ast.Attribute) else None
            is_module = isinstance(inner, ast.Name) and inner.id in {"np", "pd", "scipy", "signal", "math"}
            is_ufunc = (
                isinstance(inner, ast.Attribute)
                and isinstance(inner.value, ast.Name)
                and inner.value.id == "np"
            )
            if (inner is None or is_module or is_ufunc) and node.args:
                node = node.args[0]
                continue
            if inner is None:
                return
            node = inner
        elif isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        else:
            return


def _said(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 90 else f"{text[:87]}..."


def filled_back(where: Where) -> Seen:
    """Gaps filled from what came after them."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name = _name(node)
    if name in {"bfill", "backfill", "interpolate", "KNNImputer", "IterativeImputer"}:
        yield "backfill", node, f"filled from later rows: {_said(node)}"
    method = _keyword(node, "method")
    if name in {"fillna", "reindex", "reindex_like", "asfreq", "get_indexer"}:
        if _is_value(method, "bfill", "backfill", "nearest"):
            yield "backfill", node, f"filled from later rows: {_said(node)}"
        first = node.args[0] if node.args else _keyword(node, "value")
        if name == "fillna" and first is not None:
            called = {_name(part) for part in ast.walk(first) if isinstance(part, ast.Call)}
            if called & (STATISTICS | {"mode", "max", "min"}):
                yield "fitted_on_everything", node, f"filled with a statistic of all rows: {_said(node)}"
    if name == "merge_asof" and _is_value(_keyword(node, "direction"), "forward", "nearest"):
        yield "looks_ahead", node, f"joined to later rows: {_said(node)}"
    if name == "interp" and _words(node) & TIMED:
        yield "backfill", node, f"interpolated between earlier and later rows: {_said(node)}"


def reaching(where: Where) -> Seen:
    """Shifts, windows and filters that take in later rows."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name = _name(node)
    if _is_value(_keyword(node, "center"), True):
        yield "looks_ahead", node, f"a centred window: {_said(node)}"
    if name in {"shift", "diff", "pct_change"} and isinstance(node.func, ast.Attribute):
        periods = node.args[0] if node.args else _keyword(node, "periods")
        if _is_minus(periods):
            yield "looks_ahead", node, f"takes in a later row: {_said(node)}"
        elif periods is not None and not isinstance(periods, ast.Constant):
            yield "?", node, f"whether the shift is ever negative: {_said(node)}"
    if name == "roll":
        yield "looks_ahead", node, f"rows carried round the end: {_said(node)}"
    if name in CENTRED or (
        name in {"convolve", "correlate"} and _is_value(_keyword(node, "mode"), "same", "full")
    ):
        yield "looks_ahead", node, f"a filter that reaches both ways: {_said(node)}"
    if name in CUMULATIVE:
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        parts = [part for start in (inner, *node.args[:1]) if start is not None for part in _chain(start)]
        if any(_is_reversed(part) for part in parts):
            leak = "backfill" if name == "ffill" else "looks_ahead"
            yield leak, node, f"accumulated from the end: {_said(node)}"


def _is_reversed(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return any(isinstance(part, ast.Slice) and _is_minus(part.step) for part in parts)
    if isinstance(node, ast.Call):
        is_down = _is_value(_keyword(node, "ascending"), False)
        return _name(node) in {"flip", "flipud", "reversed"} or (
            _name(node) in {"sort_values", "sort_index"} and is_down
        )
    return False


def later_rows(where: Where) -> Seen:
    """Within a loop over rows, rows after the one that the loop is at."""
    node = where.node
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    loops = dict(_loops(where))
    if not loops:
        return
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    part = parts[0]
    if isinstance(part, ast.Slice):
        low, _ = _offset(part.lower, loops)
        high, name = _offset(part.upper, loops)
        is_open = low is not None and part.upper is None
        if is_open or (high is not None and name is not None and high > (0 if loops[name] else 1)):
            yield "looks_ahead", node, f"rows after the loop's own: {_said(node)}"
    else:
        ahead, name = _offset(part, loops)
        if ahead is not None and name is not None and ahead > (-1 if loops[name] else 0):
            yield "looks_ahead", node, f"a row after the loop's own: {_said(node)}"


def _loops(where: Where) -> Iterator[tuple[str, bool]]:
    """Variables that count rows, and whether they are one past the row they stand for."""
    loops: list[tuple[ast.expr, ast.expr]] = []
    for at in where.above:
        if isinstance(at, ast.For):
            loops.append((at.target, at.iter))
        elif isinstance(at, ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.SetComp):
            loops += [(one.target, one.iter) for one in at.generators]
        elif isinstance(at, ast.FunctionDef):
            break
    for target, over in loops:
        if isinstance(over, ast.Call) and _name(over) == "range" and isinstance(target, ast.Name):
            words = {_name(part) for part in ast.walk(over) if isinstance(part, ast.Call)} | _words(over)
            if "len" in words or "shape" in words or "size" in words:
                last = over.args[1] if len(over.args) > 1 else None
                yield target.id, isinstance(last, ast.BinOp) and isinstance(last.op, ast.Add)
        elif isinstance(over, ast.Call) and _name(over) == "enumerate" and isinstance(target, ast.Tuple):
            if isinstance(target.elts[0], ast.Name) and over.args and _words(over.args[0]) & _TIME_WORDS:
                yield target.elts[0].id, False


_TIME_WORDS = {
    "decisions",
    "instants",
    "returns",
    "market",
    "bars",
    "prices",
    "dates",
    "index",
    "values",
    "closes",
}


def _offset(node: ast.expr | None, loops: Mapping[str, bool]) -> tuple[float | None, str | None]:
    """How far an index is from a loop's variable, and which; None where it does not follow one."""
    if isinstance(node, ast.Name) and node.id in loops:
        return 0, node.id
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        left, name = _offset(node.left, loops)
        if left is not None:
            step = node.right.value if isinstance(node.right, ast.Constant) else 1e9
            step = float(step) if isinstance(step, int | float) else 1e9
            return left + (step if isinstance(node.op, ast.Add) else -step), name
        if isinstance(node.op, ast.Add):
            return (
                _offset(ast.BinOp(node.right, ast.Add(), node.left), loops)
                if isinstance(node.right, ast.Name) and node.right.id in loops
                else (None, None)
            )
    return None, None


def fitted(where: Where) -> Seen:
    """Fitting on more than the rows of the train span."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name, home = _name(node), where.place.startswith(FIT_HOMES)
    if name in FITS and isinstance(node.func, ast.Attribute):
        is_sliced = bool(node.args) and any(isinstance(part, ast.Subscript) for part in _chain(node.args[0]))
        if not is_sliced and not (home and where.function in FITTERS):
            yield "fitted_on_everything", node, f"fitted on rows that nothing bounds: {_said(node)}"
    if name in {
        "train_test_split",
        "KFold",
        "StratifiedKFold",
        "ShuffleSplit",
        "cross_val_score",
        "GridSearchCV",
    }:
        yield "no_purge", node, f"folds without purge or embargo: {_said(node)}"
    scope = where.scope
    if scope is None or name not in STATISTICS | EXTREMES:
        return
    subject = node.func.value if isinstance(node.func, ast.Attribute) else None
    if subject is None or (isinstance(subject, ast.Name) and subject.id in {"np", "math"}):
        subject = node.args[0] if node.args else None
    axis = _keyword(node, "axis")
    if subject is None or _is_value(axis, 1, -1) or _is_minus(axis):
        return
    masks = _masks(scope)
    is_matrix = name in STATISTICS or axis is not None
    if masks and is_matrix and not _words(subject) & MASKS and not _is_helper(subject):
        yield "fitted_on_everything", node, f"a statistic of all rows beside a train span: {_said(node)}"
    if scope.name in {"predict", "transform"} and name in STATISTICS | {"max", "min"}:
        if _words(subject) & {argument.arg for argument in scope.args.args if argument.arg != "self"}:
            yield "fitted_on_everything", node, f"a statistic of the rows to be forecast: {_said(node)}"


def _masks(scope: ast.FunctionDef | None) -> set[str]:
    """Marks of training rows that a function works with."""
    if scope is None:
        return set()
    names = {part.id for part in ast.walk(scope) if isinstance(part, ast.Name)}
    return MASKS & (names | {argument.arg for argument in scope.args.args})


def _is_helper(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple | ast.Constant)


def trained(where: Where) -> Seen:
    """Training rows are those marked so, and no others."""
    node = where.node
    if isinstance(node, ast.Assign) and any(_name(target) == "is_fitted_on" for target in node.targets):
        if "is_train" not in _words(node.value):
            yield "test_in_train", node.value, f"training rows are not those marked: {_said(node)}"


def standardised(where: Where) -> Seen:
    """A series against a statistic of itself, whole: only what is fitted may do so."""
    node = where.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div):
        if where.place.startswith(FIT_HOMES) and where.function in FITTERS:
            return
        if where.function in {"predict", "transform"} or _masks(where.scope):
            return  # `fitted` looks at these
        for call in ast.walk(node.right):
            if isinstance(call, ast.Call) and _name(call) in STATISTICS | {"max", "min"}:
                axis = _keyword(call, "axis")
                subject = call.func.value if isinstance(call.func, ast.Attribute) else None
                if isinstance(subject, ast.Name) and subject.id == "np":
                    subject = call.args[0] if call.args else None
                if subject is None or _is_value(axis, 1, -1) or _is_minus(axis):
                    continue
                if not isinstance(subject, ast.Name) and not isinstance(subject, ast.Subscript):
                    continue
                own = {ast.unparse(part) for part in ast.walk(node.left)}
                if ast.unparse(subject) in own and not _is_sliced_rows(subject):
                    yield "whole_sample", node, f"against a statistic of its whole self: {_said(node)}"
    if isinstance(node, ast.Call):
        name = _name(node)
        is_statistic = node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value in STATISTICS | {
            "max", "min", "sum", "count", "size", "rank",
        }  # fmt: skip
        if name == "transform" and is_statistic and not _words(node.func) & TIMED:
            yield "whole_sample", node, f"a statistic of each group's whole history: {_said(node)}"
        if name in {
            "qcut",
            "quantile_transform",
            "MinMaxScaler",
            "QuantileTransformer",
            "zscore",
            "minmax_scale",
        }:
            yield "whole_sample", node, f"ranked against the whole sample: {_said(node)}"
        if name == "rank" and isinstance(node.func, ast.Attribute) and not _words(node.func) & TIMED:
            if not _is_value(_keyword(node, "axis"), 1, "columns"):
                yield "whole_sample", node, f"ranked against the whole sample: {_said(node)}"


def _is_sliced_rows(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)


def regimes(where: Where) -> Seen:
    """A regime is filtered: nothing about the series as a whole may enter it."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name = _name(node)
    is_method = isinstance(node.func, ast.Attribute) and name == "smooth"
    if is_method or name in SMOOTHERS or name.endswith(("HMM", "MarkovRegression", "GaussianMixture")):
        yield "smoothed_regime", node, f"smoothed or fitted over the whole series: {_said(node)}"
    if not where.place.startswith("python_steps/regimes/") or where.function != "detect":
        return
    if name in {"predict_proba", "decode", "predict"}:
        yield "smoothed_regime", node, f"states of the whole series at once: {_said(node)}"
    is_statistic = name in STATISTICS | {
        "sorted",
        "_quantile",
        "_mean_and_deviation",
        "fsum",
        "mean",
        "stdev",
    }
    subject = node.func.value if isinstance(node.func, ast.Attribute) else None
    if subject is None or (
        isinstance(subject, ast.Name) and subject.id in {"np", "math", "statistics", "pd"}
    ):
        subject = node.args[0] if node.args else None
    if is_statistic and subject is not None:
        is_sliced = any(
            isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Slice) for part in _chain(subject)
        )
        is_rolled = any(_name(part) in {"rolling", "expanding", "ewm"} for part in _chain(subject))
        is_short = (
            isinstance(subject, ast.Name)
            and subject.id == "seen"
            and any(isinstance(at, ast.For) for at in where.above)
        )
        if not (is_sliced or is_rolled or is_short):
            yield "smoothed_regime", node, f"a statistic of the whole series: {_said(node)}"


def clocks(where: Where) -> Seen:
    """No step reads a clock or throws dice without a seed."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name, words = _name(node), _words(node.func)
    if name in {"now", "utcnow", "today"} and isinstance(node.func, ast.Attribute):
        yield "loader_clock", node, f"a clock: {_said(node)}"
    if (
        name in {"time", "time_ns", "perf_counter"}
        and "time" in words
        and isinstance(node.func, ast.Attribute)
    ):
        yield "loader_clock", node, f"a clock: {_said(node)}"
    if name == "datetime64" and node.args and _is_value(node.args[0], "now", "today"):
        yield "loader_clock", node, f"a clock: {_said(node)}"
    if "random" in words and name != "random" and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        is_module = (
            isinstance(owner, ast.Name) and owner.id == "random" and not _is_local(where, "random")
        ) or (isinstance(owner, ast.Attribute) and owner.attr == "random")
        if is_module and name not in LEGACY:
            yield "build_state", node, f"dice without a seed: {_said(node)}"
    if name == "default_rng" and not node.args and not node.keywords:
        yield "build_state", node, f"dice without a seed: {_said(node)}"
    if name == "sample" and isinstance(node.func, ast.Attribute) and _keyword(node, "random_state") is None:
        yield "build_state", node, f"dice without a seed: {_said(node)}"
    if _is_value(_keyword(node, "random_state"), None):
        yield "build_state", node, f"dice without a seed: {_said(node)}"


def _is_local(where: Where, name: str) -> bool:
    scope = where.scope
    return scope is not None and any(
        isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Store)
        for part in ast.walk(scope)
    )


def latest(where: Where) -> Seen:
    """The latest version, of those that were known."""
    node = where.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    name, words = _name(node), _words(node)
    takes_last = (name == "drop_duplicates" and _is_value(_keyword(node, "keep"), "last")) or (
        name in {"last", "tail", "idxmax", "nlargest"} and words & LATEST
    )
    is_down = any(
        isinstance(part, ast.Call)
        and _name(part) == "sort_values"
        and _is_value(_keyword(part, "ascending"), False)
        for part in _chain(node.func.value)
    )
    takes_first = is_down and bool(words & LATEST) and name in {"head", "first", "drop_duplicates"}
    if (takes_last or takes_first) and not _is_bounded(where):
        yield "restated_value", node, f"the latest of all, whenever it came: {_said(node)}"


def _is_bounded(where: Where) -> bool:
    """Whether the function keeps what was known, or landed, by an instant."""
    for part in ast.walk(where.scope or where.tree):
        if isinstance(part, ast.Compare) and isinstance(part.ops[0], ast.LtE | ast.Lt | ast.GtE | ast.Gt):
            if _words(part) & {"known_at", "batch_id"} and len(_words(part)) > 1:
                return True
    return False


def profits(where: Where) -> Seen:
    """Profits are chosen by when they were known, and strategies not by what they made in all."""
    node = where.node
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Lt | ast.LtE):
        left = _words(node.left)
        if "decision_at" in left and any(word in one for one in left for word in EARNED):
            yield "early_profit", node, f"profits chosen by decision: {_said(node)}"
    if isinstance(node, ast.Compare) or (
        isinstance(node, ast.Call) and _name(node) in {"nlargest", "idxmax", "argmax", "sign"}
    ):
        words = _words(node)
        calls = {_name(part) for part in ast.walk(node) if isinstance(part, ast.Call)}
        if words & {"net_return", "gross_return", "unit_return"} and calls & {"groupby", "corr", "corrcoef"}:
            if calls & {"sum", "mean", "corr", "corrcoef"} and "known_at" not in words:
                yield "chosen_by_result", node, f"chosen by the outcome of the whole sample: {_said(node)}"
    if isinstance(node, ast.Call) and _name(node) in {"where", "fillna", "combine_first", "coalesce"}:
        if {"train_sharpe", "test_sharpe"} <= _words(node):
            yield "weights_from_test", node, f"one Sharpe in the other's place: {_said(node)}"
    if isinstance(node, ast.Call) and _name(node) == "spans_at" and len(node.args) > 1:
        if not _words(node.args[1]) & {"instant", "test_from"}:
            yield "weights_from_test", node, f"test spans not bounded by the decision: {_said(node)}"


def cached(where: Where) -> Seen:
    """An answer kept must depend on all it was asked with, the instant among it."""
    node = where.node
    if isinstance(node, ast.Call):
        for name in ("cache_key_fn", "cache_policy", "persist_result", "cache_expiration"):
            value = _keyword(node, name)
            if value is not None and not _is_value(value, None, False) and "NO_CACHE" not in _words(value):
                yield "step_cache", node, f"an answer of an earlier run may be kept: {name}"
    if not isinstance(node, ast.FunctionDef):
        return
    kept = [one for one in node.decorator_list if _name(one) in {"cache", "lru_cache", "memoize", "cached"}]
    arguments = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    if not kept or arguments & BOUND_NAMES:
        return
    if {"read", "execute", "sql", "table", "connect", "read_parquet", "read_csv"} & {
        _name(part) for part in ast.walk(node) if isinstance(part, ast.Call)
    }:
        yield "step_cache", kept[0], f"{node.name} keeps what it read, whatever the run"


def ignored(where: Where) -> Seen:
    """A function that is told an instant must heed it."""
    node = where.node
    if not isinstance(node, ast.FunctionDef):
        return
    used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    for argument in (*node.args.args, *node.args.kwonlyargs):
        if argument.arg in BOUND_NAMES and argument.arg not in used:
            at = ast.copy_location(ast.Name(argument.arg), argument)
            yield "anticipates", at, f"{node.name} is told {argument.arg} and does not heed it"


RULES: tuple[Callable[[Where], Seen], ...] = (
    filled_back, reaching, later_rows, fitted, trained, standardised, regimes, clocks, latest, profits, cached,
    ignored,
)  # fmt: skip

# What must be compared with what in the functions that look back: module, function, the stamp, what it may not
# exceed, and the leak it is without.
BOUNDS = (
    ("python_steps/belief_records.py", "spans_at", "settled_at", "instant", "early_profit"),
    ("python_steps/belief_records.py", "spans_at", "test_until", "instant", "weights_from_test"),
    ("python_steps/belief_records.py", "spans_at", "listed_at", "instant", "survivorship"),
    ("python_steps/belief_inputs.py", "study_of", "part", "settled_at", "early_profit"),
    ("python_steps/belief_inputs.py", "_window_arrays", "train_known_at", "settled_at", "weights_from_test"),
    ("python_steps/allocation_inputs.py", "is_over", "known_at", "decision", "survivorship"),
    ("python_steps/allocation_inputs.py", "cost_rates", "_known", "decision", "early_profit"),
    ("python_steps/book.py", "_book_orders", "known_at", "at", "early_profit"),
    ("flows/pipeline.py", "_listed", "listed_at", "decision_at", "survivorship"),
    ("flows/pipeline.py", "_known_when_listed", "listed_at", "known_at", "survivorship"),
    ("flows/pipeline.py", "weigh", "batch_id", "batch_until", "build_state"),
)  # fmt: skip
# Tables that sums over assets are taken from, and by what each must pass on its way to a step.
LISTED = {
    "weigh": {"positions": "_listed", "window_metrics": "_known_when_listed"},
    "learn": {"decision_returns": "_listed"},
}


def bounds(place: str, tree: ast.Module) -> Seen:
    """The comparisons that bound what a step looks back on, and what is to be there and is not."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for module, function, stamp, limit, leak in BOUNDS:
        node = functions.get(function)
        if module == place and node is not None and not _bounded_by(node, stamp, limit):
            yield leak, _mark(node), f"{function}: nothing bounds {stamp} by {limit}"
    for function, tables in LISTED.items() if place == "flows/pipeline.py" else ():
        for table, through in tables.items():
            calls = (
                [one for one in ast.walk(functions[function]) if isinstance(one, ast.Call)]
                if (function in functions)
                else []
            )
            if calls and not any(_name(one) == through and table in _words(one) for one in calls):
                yield "survivorship", _mark(functions[function]), f"{table} does not pass through {through}"


def _mark(node: ast.FunctionDef) -> ast.expr:
    return ast.copy_location(ast.Name(node.name), node)


def _bounded_by(function: ast.FunctionDef, stamp: str, limit: str) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right, operator = _words(node.left), _words(node.comparators[0]), node.ops[0]
            if isinstance(operator, ast.LtE | ast.Lt | ast.Gt) and stamp in left and limit in right:
                return True
            if isinstance(operator, ast.GtE | ast.Gt) and limit in left and stamp in right:
                return True
    return False
