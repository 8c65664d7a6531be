"""Reads a query as the static check sees it: what columns need to be known, and what their stamps cover."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from flows.guards.static_sql_facts import (
    DATE,
    DAY,
    KEY,
    NONE,
    ORDINAL,
    STAMPS,
    TIMES,
    UNTIL,
    VERSION,
    Col,
    Edge,
    Rel,
    Table,
    Token,
    export,
    kind_of,
    nested,
    use,
)


class Unresolved(Exception):
    """A name that nobody can say the meaning of."""

    def __init__(self, node: exp.Expr, reason: str) -> None:
        super().__init__(reason)
        self.node = node


@dataclass
class Use:
    """One use of a table or query: how it was joined decides what a leak through it is called."""

    alias: str
    table: str
    line: int
    tags: set[str] = field(default_factory=set)
    leak: str | None = None
    evidence: str = ""
    version_of: Table | None = None
    tables: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Side:
    """One side of a comparison: the column it turns on, its shift, and whether null means for ever."""

    node: exp.Expr
    col: Col
    shift: int
    is_optional: bool


@dataclass
class Scope:
    """One select: what it reads, and what holds for its rows."""

    node: exp.Expr
    outer: "Scope | None" = None
    env: Mapping[str, Rel] = field(default_factory=dict)
    uses: dict[str, tuple[int, Rel]] = field(default_factory=dict)
    aliases: dict[str, exp.Expr] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)
    row: set[Token] = field(default_factory=set)
    edges: set[Edge] = field(default_factory=set)
    same: dict[Token, Token] = field(default_factory=dict)
    held: list[exp.Expr] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    resolving: set[str] = field(default_factory=set)

    def root(self, token: Token) -> Token:
        """The one that stands for all columns equal to it."""
        while token in self.same:
            token = self.same[token]
        return token

    def unite(self, one: Token, other: Token) -> None:
        """Two columns are equal in every row."""
        if self.root(one) != self.root(other):
            self.same[self.root(one)] = self.root(other)


def line_of(node: exp.Expr) -> int | None:
    """First line of an expression in the SQL it was parsed from."""
    at: exp.Expr | None = node
    while at is not None:
        lines = [part.meta["line"] for part in at.walk() if "line" in part.meta]
        if lines:
            return int(min(lines))
        at = at.parent
    return None


def conjuncts(node: exp.Expr | None) -> Iterator[exp.Expr]:
    """The parts of a condition that all hold."""
    if node is None:
        return
    node = node.unnest()
    if isinstance(node, exp.And):
        yield from conjuncts(node.left)
        yield from conjuncts(node.right)
    else:
        yield node


class Reader:
    """Reads the queries of one model, given the tables it may read."""

    def __init__(self, model: str, tables: Mapping[str, Table]) -> None:
        self.model, self.tables = model, tables
        self.seen: dict[int, Use] = {}
        self.found: dict[tuple[str, int | None, str], None] = {}
        self.undecided: dict[tuple[int | None, str], None] = {}
        self.conditions: set[str] = set()

    def note(self, leak: str, node: exp.Expr, evidence: str) -> None:
        """A leak that can be seen where it stands."""
        self.found[leak, line_of(node), evidence] = None

    def doubt(self, node: exp.Expr, reason: str) -> None:
        """Something that cannot be decided."""
        self.undecided[line_of(node), reason] = None

    def number(self, alias: str, table: str, node: exp.Expr) -> int:
        """A new use of a table, subquery or window."""
        number = len(self.seen)
        self.seen[number] = Use(alias, table, line_of(node) or 1, tables={table})
        return number

    def held(self, node: exp.Expr, scope: Scope) -> None:
        """Takes down a condition, its columns named by the table they come from."""

        def origin(part: exp.Expr) -> exp.Expr:
            if not isinstance(part, exp.Column) or isinstance(part.this, exp.Star):
                return part
            try:
                ident = self.column(part, scope).ident
            except Unresolved:  # a column of a query inside, or the variable of a list
                return part
            return exp.column(ident.column, self.seen[ident.path[-1]].table) if ident else part

        self.conditions.add(node.transform(origin).sql("duckdb").lower())

    # Queries

    def query(self, node: exp.Expr, env: Mapping[str, Rel], outer: Scope | None = None) -> Rel:
        """The rows of a select, a union, or either in parentheses."""
        since = len(self.seen)
        inside = dict(env)
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ else []:
            if with_ is not None and with_.args.get("recursive") and _reads(cte.this, cte.alias):
                self.doubt(cte, f"the recursive query {cte.alias}")
                inside[cte.alias] = Rel({}, definition=cte.alias)
                continue
            rel = _renamed(self.query(cte.this, inside, outer), cte.args.get("alias"))
            inside[cte.alias] = replace(rel, definition=f"{cte.alias}@{id(cte)}")
        if isinstance(node, exp.Subquery):
            rel = self.query(node.this, inside, outer)
        elif isinstance(node, exp.Union):
            rel = self._union(node, inside, outer)
        elif isinstance(node, exp.Select):
            rel = self._select(node, inside, outer)
        elif isinstance(node, exp.SetOperation):
            rel = self.query(node.left, inside, outer)
            other = self.query(node.right, inside, outer)
            rel.row |= other.row
            rel.edges |= other.edges
        elif isinstance(node, exp.Values):
            rel = Rel({})
        else:
            raise Unresolved(node, f"a query of a kind unknown here: {type(node).__name__}")
        rel.since = since
        return rel

    def _union(self, node: exp.Union, env: Mapping[str, Rel], outer: Scope | None) -> Rel:
        branches = [self.query(side, env, outer) for side in _sides(node)]
        names = list(branches[0].columns)
        if node.args.get("by_name"):
            names = list(dict.fromkeys(name for branch in branches for name in branch.columns))
            branches = [
                replace(rel, columns={name: rel.columns.get(name, Col()) for name in names})
                for rel in branches
            ]
        else:
            branches = [
                replace(rel, columns=dict(zip(names, rel.columns.values(), strict=False))) for rel in branches
            ]
        table, rows_open, open_ = export("union", branches)
        number = self.number("union", "union", node)
        everything = [col for branch in branches for col in branch.columns.values()]
        self.seen[number].tables = {name.rpartition(".")[0] for col in everything for name in col.names}
        rel = use(table, number)
        rel.table = None
        rel.row = frozenset(t for t in rel.row if t.column != "~") | rows_open
        rel.edges = frozenset().union(*(branch.edges for branch in branches))
        for name, col in rel.columns.items():
            needs = frozenset(t for t in col.needs if t.column != "~") | open_.get(name, set()) | rows_open
            names_ = frozenset().union(*(b.columns[name].names for b in branches if name in b.columns))
            rel.columns[name] = replace(col, needs=needs, names=names_)
        return rel

    def _select(self, node: exp.Select, env: Mapping[str, Rel], outer: Scope | None) -> Rel:
        from flows.guards import static_sql_links as links
        from flows.guards import static_sql_rules as rules
        from flows.guards.static_sql_expressions import fact, holds

        scope = Scope(node, outer, env)
        scope.windows = {window.name.lower(): window for window in node.args.get("windows") or []}
        scope.aliases = {e.alias.lower(): e.this for e in node.expressions if isinstance(e, exp.Alias)}
        joined: list[exp.Join] = []
        from_ = node.args.get("from_")
        if from_ is not None:
            self._add(from_.this, env, scope, joined, None)
        for join in node.args.get("joins") or []:
            self._add(join.this, env, scope, joined, join)
        for lateral in node.args.get("laterals") or []:
            self._add(lateral, env, scope, joined, None)
        for join in joined:
            is_optional = join.side in {"LEFT", "FULL"}
            for part in conjuncts(join.args.get("on")):
                holds(self, part, scope, is_needed=not is_optional)
            links.join(self, join, scope)
        where = node.args.get("where")
        for part in conjuncts(where.this if where else None):
            holds(self, part, scope, is_needed=True)
        links.link(self, scope)
        qualify, having = node.args.get("qualify"), node.args.get("having")
        columns = self._columns(node, env, scope)
        for part in conjuncts(qualify.this if qualify else None):
            holds(self, part, scope, is_needed=True)
        for part in conjuncts(having.this if having else None):
            holds(self, part, scope, is_needed=True)
        row = frozenset(scope.row)
        keys = self._keys(node, scope)
        is_counted = having is not None and bool(fact(self, having.this, scope).needs)
        is_counted |= node.args.get("limit") is not None
        if keys is not None:
            pooled = {t for t in row if any("aggregated" in self.seen[n].tags for n in t.path)}
            if not any(col.axis != 0 for col in keys):
                for number, _ in scope.uses.values():
                    self.seen[number].tags.add("aggregated")
            grouped = {col.ident for col in keys if col.ident and col.kind in {KEY, ORDINAL, VERSION}}
            if not is_counted and all(not c.needs for c in columns.values() if c.ident not in grouped):
                row = frozenset(pooled)  # the first of all is first whatever comes later
                columns = {name: replace(col, needs=NONE) for name, col in columns.items()}
        elif self._says_only_who(columns, scope):
            row = NONE
            columns = {name: replace(col, needs=NONE) for name, col in columns.items()}
        order = node.args.get("order")
        if node.args.get("limit") is not None or node.args.get("distinct") is not None:
            row |= rules.picked(self, node, order, scope, fact)
        rules.select(self, node, columns, scope)
        return Rel(columns, row, frozenset(scope.edges))

    def _keys(self, node: exp.Select, scope: Scope) -> list[Col] | None:
        """What rows are grouped by; None where they are not."""
        from flows.guards.static_sql_expressions import fact

        group = node.args.get("group")
        if group is None:
            return [] if any(_aggregates(e) for e in node.expressions) else None
        if group.args.get("all"):
            return [fact(self, e.unalias(), scope) for e in node.expressions if not _aggregates(e)]
        keys = []
        for key in group.expressions:
            if isinstance(key, exp.Literal) and not key.is_string:
                key = node.expressions[int(key.name) - 1].unalias()
            keys.append(fact(self, key, scope))
        return keys

    def _says_only_who(self, columns: Mapping[str, Col], scope: Scope) -> bool:
        """Whether the rows say no more than that something exists: that it does is part of the study."""
        if not columns or not any(col.kind == KEY for col in columns.values()):
            return False
        if any((col.needs or col.names) and col.kind != KEY for col in columns.values()):
            return False
        from flows.guards.static_sql_expressions import fact

        parts = [fact(self, column, scope) for held in scope.held for column in held.find_all(exp.Column)]
        return all(col.kind == KEY or not col.needs for col in parts)

    # Sources

    def _add(
        self,
        node: exp.Expr,
        env: Mapping[str, Rel],
        scope: Scope,
        joined: list[exp.Join],
        join: exp.Join | None,
    ) -> None:
        alias, rel = self._source(node, env, scope)
        number = self.number(alias, rel.definition or alias, node)
        # The rows of a table are numbered as they are read; a query's keep the numbers they have inside.
        rel = (
            use(rel.table, number) if rel.table and rel.table.name == rel.definition else nested(rel, number)
        )
        self.seen[number].version_of = rel.table
        scope.uses[alias.lower()] = (number, rel)
        scope.edges |= rel.edges
        if join is not None:
            joined.append(join)
            if join.side == "RIGHT":
                scope.row = set()
            if not join.args.get("on") and not join.args.get("using"):
                self.seen[number].tags.add("cross")
        if join is None or join.side not in {"LEFT", "FULL"}:
            scope.row |= rel.row
        for more in node.args.get("joins") or []:
            self._add(more.this, env, scope, joined, more)

    def _source(self, node: exp.Expr, env: Mapping[str, Rel], scope: Scope) -> tuple[str, Rel]:
        from flows.guards.static_sql_expressions import fact

        alias = node.alias_or_name
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            return alias, _renamed(self._table(node, env), node.args.get("alias"))
        if isinstance(node, exp.Subquery):
            rel = self.query(node, env, scope.outer)
            return alias, _renamed(rel, node.args.get("alias"))
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            return alias, _renamed(self.query(node.this, env, scope), node.args.get("alias"))
        functions = [part for part in node.iter_expressions() if not isinstance(part, exp.TableAlias)]
        inner = [fact(self, part, scope) for part in functions]
        named = node.args.get("alias")
        names = [column.name for column in named.columns] if named is not None else []
        col = Col(
            needs=frozenset().union(*(c.needs for c in inner)),
            names=frozenset().union(*(c.names for c in inner)),
            axis=1 if any(c.axis for c in inner) or list(node.find_all(exp.GenerateSeries)) else 0,
        )
        name = alias or "unnest"
        return name, Rel({c: replace(col, kind=kind_of(c)) for c in names or [name, "unnest"]})

    def _table(self, node: exp.Table, env: Mapping[str, Rel]) -> Rel:
        if not node.db and node.name in env:
            return env[node.name]
        name = f"{node.db}.{node.name}" if node.db in {"raw", "steps"} else node.name
        if name == self.model:
            self.note("build_state", node, f"{name} reads itself as it was built before")
            return Rel({}, definition=name)
        if name not in self.tables:
            self.doubt(node, f"reads {name}, which is neither a model nor a declared table")
            return Rel({}, definition=name)
        return Rel({}, definition=name, table=self.tables[name])

    # Columns

    def column(self, node: exp.Column, scope: Scope) -> Col:
        """What is known of a column that an expression names."""
        table, name = node.table.lower(), node.name.lower()
        at: Scope | None = scope
        while at is not None:
            if table in at.uses and (found := _get(at.uses[table][1], name)):
                return found
            if not table:
                hits = [hit for _, rel in at.uses.values() if (hit := _get(rel, name))]
                if hits:
                    return hits[0]
                if name in at.aliases and name not in at.resolving:
                    return self._aliased(name, at)
                if name in at.uses:
                    return Col(needs=at.uses[name][1].row)
            elif table not in at.uses and (struct := self._struct(table, at)):
                kind = kind_of(name)
                return Col(axis=0 if kind in {KEY, "value"} else 1, kind=kind, needs=struct.needs)
            at = at.outer
        if name in scope.bound or table in scope.bound:
            return Col()
        if any(not rel.columns for _, rel in scope.uses.values()):
            return Col(axis=None)
        raise Unresolved(node, f"the column {node.sql()}")

    def _aliased(self, name: str, scope: Scope) -> Col:
        from flows.guards.static_sql_expressions import fact

        scope.resolving.add(name)
        try:
            return fact(self, scope.aliases[name], scope)
        finally:
            scope.resolving.discard(name)

    def _struct(self, name: str, scope: Scope) -> Col | None:
        return next((hit for _, rel in scope.uses.values() if (hit := _get(rel, name))), None)

    def _columns(self, node: exp.Select, env: Mapping[str, Rel], scope: Scope) -> dict[str, Col]:
        from flows.guards.static_sql_expressions import fact

        columns: dict[str, Col] = {}
        for number, part in enumerate(node.expressions):
            star = part if isinstance(part, exp.Star) else part.this if _is_star(part) else None
            if star is not None:
                left_out = {c.name.lower() for c in star.args.get("except_") or []}
                wanted = part.table.lower() if isinstance(part, exp.Column) else None
                for alias, (_, rel) in scope.uses.items():
                    if wanted in (None, alias):
                        columns |= {
                            c: col for c, col in rel.columns.items() if c not in left_out and c not in columns
                        }
                for replaced in star.args.get("replace") or []:
                    columns[replaced.alias.lower()] = fact(self, replaced.this, scope)
                continue
            name = (part.alias_or_name or f"column_{number}").lower()
            columns[name] = named(name, fact(self, part.unalias(), scope))
        return columns


def named(name: str, col: Col) -> Col:
    """A column under the name that a query gives it."""
    kind = kind_of(name)
    if kind == UNTIL and col.kind in STAMPS:
        return replace(col, kind=UNTIL)
    if (
        col.kind == "value"
        and kind in TIMES | {ORDINAL, VERSION, KEY}
        and not col.needs
        and col.axis in (0, 1)
    ):
        return replace(col, kind=kind, axis=0 if kind == KEY else 1)
    if col.kind == DAY and kind == DATE and not col.needs:
        return replace(col, kind=DATE, early=None)  # a day of a calendar
    if col.kind == "value" and kind == KEY:
        return replace(col, kind=KEY)
    return col


def _get(rel: Rel, name: str) -> Col | None:
    return rel.columns.get(name)


def _is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and isinstance(node.this, exp.Star)


def _sides(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Union) and not node.args.get("with_"):
        yield from _sides(node.left)
        yield from _sides(node.right)
    elif isinstance(node, exp.Union):
        yield node.left
        yield node.right
    else:
        yield node


def _aggregates(node: exp.Expr) -> bool:
    """Whether an expression sums up rows of its own select."""
    if isinstance(node, exp.Query):
        return False
    if isinstance(node, exp.Window):
        node = node.this
        while isinstance(node, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
            node = node.this
        return any(_aggregates(part) for part in node.iter_expressions())
    if isinstance(node, exp.AggFunc) and not isinstance(node, exp.Explode):
        return True
    return any(_aggregates(part) for part in node.iter_expressions())


def _reads(node: exp.Expr, name: str) -> bool:
    return any(table.name == name and not table.db for table in node.find_all(exp.Table))


def _renamed(rel: Rel, alias: exp.Expr | None) -> Rel:
    names = [column.name.lower() for column in alias.columns] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return rel
    kept = list(rel.columns.values())
    return replace(rel, columns={**dict(zip(names, kept, strict=False))}, table=None)
