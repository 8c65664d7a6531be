"""What joins say of stamps: rows of one bar, and earlier rows of the same table."""

from sqlglot import exp

from flows.guards.static_sql_facts import (
    DATE,
    DAY,
    EVENT,
    STAMPS,
    Col,
    Rel,
    Token,
)
from flows.guards.static_sql_scopes import Reader, Scope


def join(reader: Reader, node: exp.Join, scope: Scope) -> None:
    """What `using` and natural joins make equal."""
    using = [part.name.lower() for part in node.args.get("using") or []]
    alias = node.this.alias_or_name.lower()
    if not using or alias not in scope.uses:
        return
    mine = scope.uses[alias][1].columns
    if node.args.get("method") == "ASOF":
        using, last = using[:-1], using[-1]
        for name, (_, rel) in scope.uses.items():
            if name != alias and last in rel.columns and last in mine:
                low, high = mine[last], rel.columns[last]
                if high.ident:
                    scope.edges |= {(frozenset({high.ident}), token) for token in low.least}
                if low.kind in {DATE, DAY, EVENT}:
                    reader.seen[scope.uses[alias][0]].tags.add("date<=")
    for column in using:
        for name, (_, rel) in scope.uses.items():
            one, other = rel.columns.get(column), mine.get(column)
            if name != alias and one and other and one.ident and other.ident:
                scope.unite(one.ident, other.ident)
                scope.edges |= {(frozenset({one.ident}), token) for token in other.least}
                scope.edges |= {(frozenset({other.ident}), token) for token in one.least}
                if one.kind == DATE:
                    reader.seen[scope.uses[alias][0]].tags.add("date=")


def link(reader: Reader, scope: Scope) -> None:
    """What equalities between keys say of stamps: rows of one bar, and earlier rows of the same table."""
    _equal_stamps(scope)
    uses = list(scope.uses.values())
    for number, rel in uses:
        for other_number, other in uses:
            if number != other_number:
                _same_bar(reader, scope, rel, other)
                _earlier_row(reader, scope, (number, rel), (other_number, other))
    _two_vintages(reader, scope)
    for _, rel in uses:
        if rel.table is not None and rel.table.name in {"steps.forecasts", "forecasts"}:
            _forecasts(scope, rel)


def _equal_stamps(scope: Scope) -> None:
    for one, other in list(scope.same.items()):
        scope.edges |= {(frozenset({one}), other), (frozenset({other}), one)}


def _are_equal(scope: Scope, one: Rel, other: Rel, column: str) -> bool:
    left, right = one.columns.get(column), other.columns.get(column)
    return bool(
        left and right and left.ident and right.ident and scope.root(left.ident) == scope.root(right.ident)
    )


def _same_bar(reader: Reader, scope: Scope, rel: Rel, other: Rel) -> None:
    """A derived row of a bar is known when the bar is: whoever stands on the same bar covers it."""
    columns = rel.columns
    if (
        "session_date" not in columns
        or "decision_at" in columns
        or not _are_equal(scope, rel, other, "symbol")
    ):
        return
    stamp, date = columns.get("known_at"), columns["session_date"].ident
    if stamp is None or stamp.is_max or stamp.ident is None or date is None:
        return
    if "quarantined_bars" in reader.seen[stamp.ident.path[-1]].table:
        return
    if "version" in columns and not _says(scope, "version", "1"):
        return
    if "vintage" in columns and not (_says(scope, "is_own") or _is_shared(scope, columns["vintage"])):
        return
    for name, col in other.columns.items():
        if (col.kind == DATE and col.ident and col.needs and name != "rebalance_date") and (
            scope.root(col.ident) == scope.root(date) and stamp.ident not in col.needs
        ):
            scope.edges.add((col.needs, stamp.ident))


def _says(scope: Scope, column: str, value: str | None = None) -> bool:
    for held in scope.held:
        if value is None and isinstance(held, exp.Column) and held.name.lower() == column:
            return True
        if (value is not None and isinstance(held, exp.EQ) and held.right.name == value) and (
            held.left.name.lower() == column
        ):
            return True
    return False


def _is_shared(scope: Scope, col: Col) -> bool:
    root = scope.root(col.ident) if col.ident else None
    return root is not None and (root != col.ident or root in scope.same.values())


def _earlier_row(reader: Reader, scope: Scope, mine: tuple[int, Rel], theirs: tuple[int, Rel]) -> None:
    """An earlier row of the same table is known when the later one is, as in a window that looks back."""
    (number, rel), (other_number, other) = mine, theirs
    if not rel.definition or rel.definition != other.definition:
        return
    if "symbol" in rel.columns and not _are_equal(scope, rel, other, "symbol"):
        return
    if {"forward", "backward"} & reader.seen[number].tags != {"backward"}:
        return
    if {"forward", "backward"} & reader.seen[other_number].tags != {"forward"}:
        return
    needed = rel.row.union(*(col.needs for col in rel.columns.values()))
    for token in needed:
        if token.path[0] == number:
            later = Token((other_number, *token.path[1:]), token.column, token.reach)
            scope.edges.add((frozenset({later}), token))
    for name, col in rel.columns.items():
        their = other.columns[name]
        if col.kind in STAMPS and col.ident and their.ident:
            scope.edges.add((frozenset({their.ident}), col.ident))


def _two_vintages(reader: Reader, scope: Scope) -> None:
    uses = [
        (n, rel)
        for n, rel in scope.uses.values()
        if {"vintage", "close"} & rel.columns.keys() == {"vintage", "close"}
    ]
    for place, (number, rel) in enumerate(uses):
        for _, other in uses[place + 1 :]:
            if not _are_equal(scope, rel, other, "vintage"):
                use = reader.seen[number]
                reader.found[
                    "adjusted_price", use.line, f"prices of {use.table} from two vintages side by side"
                ] = None


def _forecasts(scope: Scope, rel: Rel) -> None:
    """A forecast is known at the later of its decision and its window."""
    stamp, decision = rel.columns.get("known_at"), rel.columns.get("decision_at")
    for _, other in scope.uses.values():
        if "test_from" in other.columns and _are_equal(scope, rel, other, "window_id"):
            window = other.columns["test_from"].ident
            if stamp and decision and window and stamp.ident and decision.ident:
                scope.edges.add((frozenset({window, decision.ident}), stamp.ident))
