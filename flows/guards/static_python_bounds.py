"""The bounds that must stand where a step looks back."""

import ast

from flows.guards.static_python_words import Seen, name_of, words_of

# What must be compared with what in the functions that look back: module, function, the stamp, what it may
# not exceed, and the leak it is without.
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
    ("flows/pipeline.py", "count_trials", "batch_id", "batch_until", "build_state"),
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
            if calls and not any(name_of(one) == through and table in words_of(one) for one in calls):
                yield "survivorship", _mark(functions[function]), f"{table} does not pass through {through}"


def _mark(node: ast.FunctionDef) -> ast.expr:
    return ast.copy_location(ast.Name(node.name), node)


def _bounded_by(function: ast.FunctionDef, stamp: str, limit: str) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right, operator = words_of(node.left), words_of(node.comparators[0]), node.ops[0]
            if isinstance(operator, ast.LtE | ast.Lt | ast.Gt) and stamp in left and limit in right:
                return True
            if isinstance(operator, ast.GtE | ast.Gt) and limit in left and stamp in right:
                return True
    return False
