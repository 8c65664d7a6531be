"""Fitting, ranking and filtering on more than was known, in Python steps."""

import ast

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

EXTREMES = {"max", "min", "sum", "any", "all", "nanmax", "nanmin"}
COUNTS = {"count", "size", "rank", "nunique"}


SMOOTHERS = {"viterbi", "forward_backward", "kalman_smooth", "smoothed_marginal_probabilities",
             "smoothed_state", "rts_smoother", "score_samples"}  # fmt: skip


FITS = {"fit", "fit_transform", "fit_predict", "partial_fit"}


FIT_HOMES = ("python_steps/learners/", "python_steps/covariances/")


FITTERS = {"fit", "estimate", "covariance"}


MASKS = {"is_fitted_on", "is_train", "train_mask", "in_train"}


def fitted(where: Where) -> Seen:
    """Fitting on more than the rows of the train span."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name, home = name_of(node), where.place.startswith(FIT_HOMES)
    if name in FITS and isinstance(node.func, ast.Attribute):
        is_sliced = bool(node.args) and any(isinstance(part, ast.Subscript) for part in chain(node.args[0]))
        if not is_sliced and not (home and where.function in FITTERS):
            yield "fitted_on_everything", node, f"fitted on rows that nothing bounds: {said(node)}"
    if name in {
        "train_test_split",
        "KFold",
        "StratifiedKFold",
        "ShuffleSplit",
        "cross_val_score",
        "GridSearchCV",
    }:
        yield "no_purge", node, f"folds without purge or embargo: {said(node)}"
    scope = where.scope
    if scope is None or name not in STATISTICS | EXTREMES:
        return
    subject = node.func.value if isinstance(node.func, ast.Attribute) else None
    if subject is None or (isinstance(subject, ast.Name) and subject.id in {"np", "math"}):
        subject = node.args[0] if node.args else None
    axis = keyword(node, "axis")
    if subject is None or is_value(axis, 1, -1) or is_minus(axis):
        return
    masks = _masks(scope)
    is_matrix = name in STATISTICS or axis is not None
    if masks and is_matrix and not words_of(subject) & MASKS and not _is_helper(subject):
        yield "fitted_on_everything", node, f"a statistic of all rows beside a train span: {said(node)}"
    if (scope.name in {"predict", "transform"} and name in STATISTICS | {"max", "min"}) and (
        words_of(subject) & {argument.arg for argument in scope.args.args if argument.arg != "self"}
    ):
        yield "fitted_on_everything", node, f"a statistic of the rows to be forecast: {said(node)}"


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
    if (
        isinstance(node, ast.Assign) and any(name_of(target) == "is_fitted_on" for target in node.targets)
    ) and ("is_train" not in words_of(node.value)):
        yield "test_in_train", node.value, f"training rows are not those marked: {said(node)}"


def standardised(where: Where) -> Seen:
    """A series against a statistic of itself, whole: only what is fitted may do so."""
    node = where.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div):
        if where.place.startswith(FIT_HOMES) and where.function in FITTERS:
            return
        if where.function in {"predict", "transform"} or _masks(where.scope):
            return  # `fitted` looks at these
        for call in ast.walk(node.right):
            if isinstance(call, ast.Call) and name_of(call) in STATISTICS | {"max", "min"}:
                axis = keyword(call, "axis")
                subject = call.func.value if isinstance(call.func, ast.Attribute) else None
                if isinstance(subject, ast.Name) and subject.id == "np":
                    subject = call.args[0] if call.args else None
                if subject is None or is_value(axis, 1, -1) or is_minus(axis):
                    continue
                if not isinstance(subject, ast.Name) and not isinstance(subject, ast.Subscript):
                    continue
                own = {ast.unparse(part) for part in ast.walk(node.left)}
                if ast.unparse(subject) in own and not _is_sliced_rows(subject):
                    yield "whole_sample", node, f"against a statistic of its whole self: {said(node)}"
    if isinstance(node, ast.Call):
        name = name_of(node)
        first = node.args[0] if node.args else None
        is_statistic = isinstance(first, ast.Constant) and first.value in STATISTICS | EXTREMES | COUNTS
        if name == "transform" and is_statistic and not words_of(node.func) & TIMED:
            yield "whole_sample", node, f"a statistic of each group's whole history: {said(node)}"
        if name in {
            "qcut",
            "quantile_transform",
            "MinMaxScaler",
            "QuantileTransformer",
            "zscore",
            "minmax_scale",
        }:
            yield "whole_sample", node, f"ranked against the whole sample: {said(node)}"
        if (name == "rank" and isinstance(node.func, ast.Attribute) and not words_of(node.func) & TIMED) and (
            not is_value(keyword(node, "axis"), 1, "columns")
        ):
            yield "whole_sample", node, f"ranked against the whole sample: {said(node)}"


def _is_sliced_rows(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)


def regimes(where: Where) -> Seen:
    """A regime is filtered: nothing about the series as a whole may enter it."""
    node = where.node
    if not isinstance(node, ast.Call):
        return
    name = name_of(node)
    is_method = isinstance(node.func, ast.Attribute) and name == "smooth"
    if is_method or name in SMOOTHERS or name.endswith(("HMM", "MarkovRegression", "GaussianMixture")):
        yield "smoothed_regime", node, f"smoothed or fitted over the whole series: {said(node)}"
    if not where.place.startswith("python_steps/regimes/") or where.function != "detect":
        return
    if name in {"predict_proba", "decode", "predict"}:
        yield "smoothed_regime", node, f"states of the whole series at once: {said(node)}"
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
            isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Slice) for part in chain(subject)
        )
        is_rolled = any(name_of(part) in {"rolling", "expanding", "ewm"} for part in chain(subject))
        is_short = (
            isinstance(subject, ast.Name)
            and subject.id == "seen"
            and any(isinstance(at, ast.For) for at in where.above)
        )
        if not (is_sliced or is_rolled or is_short):
            yield "smoothed_regime", node, f"a statistic of the whole series: {said(node)}"
