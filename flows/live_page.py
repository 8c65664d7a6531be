"""The live page, as a marimo app: the report of any decision, its assets, and SQL. See flows/live.py."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Portfolio")


@app.cell
def _():
    import marimo as mo

    from flows import live

    warehouse = live.folder()
    return live, mo, warehouse


@app.cell
def _(mo):
    refresh = mo.ui.refresh(options=["5s", "30s", "5m"], default_interval="5s", label="look again every")
    return (refresh,)


@app.cell
def _(live, mo, warehouse):
    # A state that is set to what it is wakes no cell: all below runs again after a publish alone.
    version, set_version = mo.state(live.version(warehouse), allow_self_loops=False)
    return set_version, version


@app.cell
def _(live, refresh, set_version, version, warehouse):
    refresh.value
    if version() != (now := live.version(warehouse)):
        set_version(now)
    return


@app.cell
def _(live, mo, version, warehouse):
    version()
    names = live.portfolios(warehouse)
    portfolio = mo.ui.dropdown(names, value=names[0], label="Portfolio")
    return (portfolio,)


@app.cell
def _(live, mo, portfolio, version, warehouse):
    version()
    instants = live.decisions(warehouse, portfolio.value)
    decision = mo.ui.dropdown(instants, value=instants[0], label="Decision", searchable=True)
    return (decision,)


@app.cell
def _(decision, live, mo, portfolio, warehouse):
    universe = live.symbols(warehouse, portfolio.value, decision.value)
    asset = mo.ui.dropdown(universe, value=universe[0], label="Asset", searchable=True)
    return (asset,)


@app.cell
def _(asset, decision, mo, portfolio, refresh):
    mo.hstack([portfolio, decision, asset, refresh], justify="start", wrap=True)
    return


@app.cell
def _(live, mo):
    query = mo.ui.code_editor(value=live.EXAMPLE, language="sql", label="SQL, read-only").form(
        submit_button_label="Run"
    )
    return (query,)


@app.cell
def _(decision, live, mo, portfolio, version, warehouse):
    version()
    report = mo.iframe(live.page(warehouse, portfolio.value, decision.value), height="75vh")
    return (report,)


@app.cell
def _(live, mo, portfolio, version, warehouse):
    version()
    words, weights = live.standing(warehouse, portfolio.value)
    standing = mo.vstack([mo.plain_text(words), mo.ui.table(weights, selection=None)])
    return (standing,)


@app.cell
def _(asset, decision, live, mo, portfolio, version, warehouse):
    version()
    said, rows = live.explained(warehouse, asset.value, portfolio.value, decision.value)
    explained = mo.vstack(
        [mo.plain_text("\n".join(said))]
        + [
            mo.vstack([mo.md(f"**{name}**"), mo.ui.table(table, selection=None)])
            for name, table in rows.items()
        ]
    )
    return (explained,)


@app.cell
def _(live, mo, query, version, warehouse):
    version()
    found = live.asked(warehouse, query.value or live.EXAMPLE)
    answer = mo.plain_text(found) if isinstance(found, str) else mo.ui.table(found, selection=None)
    return (answer,)


@app.cell
def _(answer, explained, mo, query, report, standing):
    mo.ui.tabs({"Report": report, "Now": standing, "Asset": explained, "SQL": mo.vstack([query, answer])})
    return


if __name__ == "__main__":
    app.run()
