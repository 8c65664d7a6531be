"""The rules of the static check of Python: each looks at one node, and names the leak it sees."""

import ast
from collections.abc import Callable, Iterator, Mapping

from flows.guards.static_python_fits import fitted, regimes, standardised, trained
from flows.guards.static_python_words import (
    STATISTICS,
    TIMED,
    Seen,
    Where,
    chain,
    is_minus,
    is_value,
    keyword,
    name_of,
    said,
    words_of,
)

CUMULATIVE = {"cumsum", "cumprod", "cummax", "cummin", "rolling", "expanding", "ewm", "ffill", "shift",
              "accumulate", "pct_change", "diff"}  # fmt: skip
CENTRED = {"gradient", "filtfilt", "sosfiltfilt", "savgol_filter", "gaussian_filter1d", "gaussian_filter",
           "uniform_filter1d", "medfilt", "detrend", "hilbert", "median_filter",
           "seasonal_decompose"}  # fmt: skip
BOUND_NAMES = {"as_of", "instant", "decision", "at", "batch_until", "decision_at"}
LATEST = {"version", "batch_id", "known_at", "recorded_at"}
EARNED = ("pnl", "profit", "metrics", "fills", "labels", "net_return", "unit_return")
LEGACY = {"default_rng", "SeedSequence", "Generator", "PCG64", "BitGenerator"}


def filled_back(where: Where) -> Seen:
    """Gaps filled from what came after them."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name = name_of(node)
    if name in {"bfill", "backfill", "interpolate", "KNNImputer", "IterativeImputer"}:
        yield "backfill", node, f"filled from later rows: {said(node)}"
    method = keyword(node, "method")
    if name in {"fillna", "reindex", "reindex_like", "asfreq", "get_indexer"}:
        if is_value(method, "bfill", "backfill", "nearest"):
            yield "backfill", node, f"filled from later rows: {said(node)}"
        first = node.args[0] if node.args else keyword(node, "value")
        if name == "fillna" and first is not None:
            called = {name_of(part) for part in ast.walk(first) if isinstance(part, ast.Call)}
            if called & (STATISTICS | {"mode", "max", "min"}):
                yield "fitted_on_everything", node, f"filled with a statistic of all rows: {said(node)}"
    if name == "merge_asof" and is_value(keyword(node, "direction"), "forward", "nearest"):
        yield "looks_ahead", node, f"joined to later rows: {said(node)}"
    if name == "interp" and words_of(node) & TIMED:
        yield "backfill", node, f"interpolated between earlier and later rows: {said(node)}"


def reaching(where: Where) -> Seen:
    """Shifts, windows and filters that take in later rows."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name = name_of(node)
    if is_value(keyword(node, "center"), True):
        yield "looks_ahead", node, f"a centred window: {said(node)}"
    if name in {"shift", "diff", "pct_change"} and isinstance(node.func, ast.Attribute):
        periods = node.args[0] if node.args else keyword(node, "periods")
        if is_minus(periods):
            yield "looks_ahead", node, f"takes in a later row: {said(node)}"
        elif periods is not None and not isinstance(periods, ast.Constant):
            yield "?", node, f"whether the shift is ever negative: {said(node)}"
    if name == "roll":
        yield "looks_ahead", node, f"rows carried round the end: {said(node)}"
    if name in CENTRED or (
        name in {"convolve", "correlate"} and is_value(keyword(node, "mode"), "same", "full")
    ):
        yield "looks_ahead", node, f"a filter that reaches both ways: {said(node)}"
    if name in CUMULATIVE:
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        parts = [part for start in (inner, *node.args[:1]) if start is not None for part in chain(start)]
        if any(_is_reversed(part) for part in parts):
            leak = "backfill" if name == "ffill" else "looks_ahead"
            yield leak, node, f"accumulated from the end: {said(node)}"


def targets(where: Where) -> Seen:
    """The target, read where features are made."""
    node = where.node
    if "features" not in where.function or not isinstance(node, ast.Subscript):
        return
    if is_value(node.slice, "target", "label", "normalised_label"):
        yield "target_in_features", node, f"the target, where features are made: {said(node)}"


def _is_reversed(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return any(isinstance(part, ast.Slice) and is_minus(part.step) for part in parts)
    if isinstance(node, ast.Call):
        is_down = is_value(keyword(node, "ascending"), False)
        return name_of(node) in {"flip", "flipud", "reversed"} or (
            name_of(node) in {"sort_values", "sort_index"} and is_down
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
            yield "looks_ahead", node, f"rows after the loop's own: {said(node)}"
    else:
        ahead, name = _offset(part, loops)
        if ahead is not None and name is not None and ahead > (-1 if loops[name] else 0):
            yield "looks_ahead", node, f"a row after the loop's own: {said(node)}"


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
        if isinstance(over, ast.Call) and name_of(over) == "range" and isinstance(target, ast.Name):
            words = {name_of(part) for part in ast.walk(over) if isinstance(part, ast.Call)} | words_of(over)
            if "len" in words or "shape" in words or "size" in words:
                last = over.args[1] if len(over.args) > 1 else None
                yield target.id, isinstance(last, ast.BinOp) and isinstance(last.op, ast.Add)
        elif (
            isinstance(over, ast.Call) and name_of(over) == "enumerate" and isinstance(target, ast.Tuple)
        ) and (isinstance(target.elts[0], ast.Name) and over.args and words_of(over.args[0]) & _TIME_WORDS):
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


def clocks(where: Where) -> Seen:
    """No step reads a clock or throws dice without a seed."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name, words = name_of(node), words_of(node.func)
    if name in {"now", "utcnow", "today"} and isinstance(node.func, ast.Attribute):
        yield "loader_clock", node, f"a clock: {said(node)}"
    if name in {"time", "time_ns", "perf_counter"} and _is_of_time(where, node.func):
        yield "loader_clock", node, f"a clock: {said(node)}"
    if name == "datetime64" and node.args and is_value(node.args[0], "now", "today"):
        yield "loader_clock", node, f"a clock: {said(node)}"
    if "random" in words and name != "random" and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        is_module = (
            isinstance(owner, ast.Name) and owner.id == "random" and not _is_local(where, "random")
        ) or (isinstance(owner, ast.Attribute) and owner.attr == "random")
        if is_module and name not in LEGACY:
            yield "build_state", node, f"dice without a seed: {said(node)}"
    if name == "default_rng" and not node.args and not node.keywords:
        yield "build_state", node, f"dice without a seed: {said(node)}"
    if name == "sample" and isinstance(node.func, ast.Attribute) and keyword(node, "random_state") is None:
        yield "build_state", node, f"dice without a seed: {said(node)}"
    if is_value(keyword(node, "random_state"), None):
        yield "build_state", node, f"dice without a seed: {said(node)}"


def _is_of_time(where: Where, function: ast.expr) -> bool:
    """Whether it is the module time's, by any name: the time of day of an instant is no clock."""
    imported = [part for part in ast.walk(where.tree) if isinstance(part, ast.Import)]
    modules = {alias.asname for part in imported for alias in part.names if alias.name == "time"}
    return isinstance(function, ast.Attribute) and name_of(function.value) in {"time", *modules}


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
    name, words = name_of(node), words_of(node)
    takes_last = (name == "drop_duplicates" and is_value(keyword(node, "keep"), "last")) or (
        name in {"last", "tail", "idxmax", "nlargest"} and words & LATEST
    )
    is_down = any(
        isinstance(part, ast.Call)
        and name_of(part) == "sort_values"
        and is_value(keyword(part, "ascending"), False)
        for part in chain(node.func.value)
    )
    takes_first = is_down and bool(words & LATEST) and name in {"head", "first", "drop_duplicates"}
    if (takes_last or takes_first) and not _is_bounded(where):
        yield "restated_value", node, f"the latest of all, whenever it came: {said(node)}"


def _is_bounded(where: Where) -> bool:
    """Whether the function keeps what was known, or landed, by an instant."""
    for part in ast.walk(where.scope or where.tree):
        if (
            isinstance(part, ast.Compare) and isinstance(part.ops[0], ast.LtE | ast.Lt | ast.GtE | ast.Gt)
        ) and (words_of(part) & {"known_at", "batch_id"} and len(words_of(part)) > 1):
            return True
    return False


def profits(where: Where) -> Seen:
    """Profits are chosen by when they were known, and strategies not by what they made in all."""
    node = where.node
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Lt | ast.LtE):
        left = words_of(node.left)
        if "decision_at" in left and any(word in one for one in left for word in EARNED):
            yield "early_profit", node, f"profits chosen by decision: {said(node)}"
    if isinstance(node, ast.Compare) or (
        isinstance(node, ast.Call) and name_of(node) in {"nlargest", "idxmax", "argmax", "sign"}
    ):
        words = words_of(node)
        calls = {name_of(part) for part in ast.walk(node) if isinstance(part, ast.Call)}
        if (
            words & {"net_return", "gross_return", "unit_return"} and calls & {"groupby", "corr", "corrcoef"}
        ) and (calls & {"sum", "mean", "corr", "corrcoef"} and "known_at" not in words):
            yield "chosen_by_result", node, f"chosen by the outcome of the whole sample: {said(node)}"
    if (
        isinstance(node, ast.Call) and name_of(node) in {"where", "fillna", "combine_first", "coalesce"}
    ) and ({"train_sharpe", "test_sharpe"} <= words_of(node)):
        yield "weights_from_test", node, f"one Sharpe in the other's place: {said(node)}"
    if (isinstance(node, ast.Call) and name_of(node) == "spans_at" and len(node.args) > 1) and (
        not words_of(node.args[1]) & {"instant", "test_from"}
    ):
        yield "weights_from_test", node, f"test spans not bounded by the decision: {said(node)}"


def cached(where: Where) -> Seen:
    """An answer kept must depend on all it was asked with, the instant among it."""
    node = where.node
    if isinstance(node, ast.Call):
        for name in ("cache_key_fn", "cache_policy", "persist_result", "cache_expiration"):
            value = keyword(node, name)
            if value is not None and not is_value(value, None, False) and "NO_CACHE" not in words_of(value):
                yield "step_cache", node, f"an answer of an earlier run may be kept: {name}"
    if not isinstance(node, ast.FunctionDef):
        return
    kept = [one for one in node.decorator_list if name_of(one) in {"cache", "lru_cache", "memoize", "cached"}]
    arguments = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    if not kept or arguments & BOUND_NAMES:
        return
    if {"read", "execute", "sql", "table", "connect", "read_parquet", "read_csv"} & {
        name_of(part) for part in ast.walk(node) if isinstance(part, ast.Call)
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
    filled_back, reaching, later_rows, fitted, trained, standardised, regimes, clocks, latest, profits,
    cached, ignored, targets,
)  # fmt: skip
