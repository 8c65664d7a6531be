"""The command `portfolio`: a thin front over the flows. What a command needs is imported inside it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

DONE, FAILED, STOPPED, BUSY = 0, 1, 3, 75
OURS = {"flows", "python_steps"}

app = typer.Typer(
    help="Target exposures from a point-in-time warehouse, and the evidence for them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
policy_app = typer.Typer(help="Policies of portfolios.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")

Portfolio = Annotated[str, typer.Option(help="Name of a policy in flows/portfolios, or a .yml file.")]
Portfolios = Annotated[
    list[str] | None,
    typer.Option(
        "--portfolio",
        help="Name of a policy in flows/portfolios, or a .yml file; several run together. global without.",
    ),
]
Warehouse = Annotated[Path, typer.Option(help="Folder of the warehouse.")]
Out = Annotated[Path, typer.Option(help="Folder of the files a run writes.")]
Vendors = Annotated[
    list[str] | None, typer.Option("--vendor", help="Whom to ask for what is new; may be repeated.")
]
Symbols = Annotated[
    list[str] | None,
    typer.Option(
        "--symbol", help="Which asset to ask for; may be repeated. All that a vendor serves without."
    ),
]
From = Annotated[str | None, typer.Option("--from", help="First day of a history that is not landed yet.")]
To = Annotated[str | None, typer.Option("--to", help="Last day to ask for; by default that of --as-of.")]
LockWait = Annotated[float, typer.Option(help="Seconds to wait for a run of another portfolio.")]
At = Annotated[
    str | None, typer.Option("--decision-at", "--at", help="The decision, UTC; the last one without.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

WAREHOUSE = Path(".warehouse")
OUT = Path(".out")


@app.command()
def rebalance(
    portfolio: Portfolios = None,
    as_of: Annotated[
        str | None, typer.Option(help="Where the world ends, UTC; by default where the bars do.")
    ] = None,
    bars: Annotated[
        list[Path] | None, typer.Option(help="CSV or Parquet file of bars; may be repeated.")
    ] = None,
    assets: Annotated[
        Path | None, typer.Option(help="File of assets: symbol, asset_class, currency, ...")
    ] = None,
    actions: Annotated[
        Path | None, typer.Option(help="File of splits and dividends: symbol, ex_date, kind, value, ...")
    ] = None,
    holdings: Annotated[
        Path | None,
        typer.Option(help="File of weights really held: symbol, weight. The newest decision starts there."),
    ] = None,
    vendor: Vendors = None,
    symbol: Symbols = None,
    from_date: From = None,
    warehouse: Warehouse = WAREHOUSE,
    out: Out = OUT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print exposures.json, and the log as JSON.")
    ] = False,
    lock_wait: LockWait = 900.0,
    debug: Debug = False,
) -> None:
    """Land what is new, decide what to hold, publish it. Vendors are asked as of now, or as of --as-of."""
    with _errors(debug):
        from flows.requests import day, instant, now, rebalance_request

        portfolios = portfolio or ["global"]
        request = rebalance_request(
            portfolio=portfolios[0],
            as_of=instant(as_of) if as_of else now() if vendor else None,
            vendors=vendor or [],
            symbols=symbol or [],
            from_date=day(from_date, "--from") if from_date else None,
            bars=bars or [],
            assets=assets,
            actions=actions,
            holdings=holdings,
            warehouse=warehouse,
            out=out,
            lock_wait=lock_wait,
            is_json=as_json,
        )
        results = _run(request, portfolios)
        for result in results:
            _show(result, warehouse, as_json=as_json)
    raise typer.Exit(STOPPED if any(result.outcome == "stopped" for result in results) else DONE)


@app.command()
def land(
    vendor: Vendors = None,
    symbol: Symbols = None,
    from_date: From = None,
    to_date: To = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="The instant of the landing, UTC; by default now. Nothing later is asked."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 if anything could not be fetched.")
    ] = False,
    warehouse: Warehouse = WAREHOUSE,
    out: Out = OUT,
    as_json: Annotated[bool, typer.Option("--json", help="The log as JSON.")] = False,
    lock_wait: LockWait = 900.0,
    debug: Debug = False,
) -> None:
    """Land what vendors tell that is new or restated. Nothing is decided; the next rebalance sees it."""
    with _errors(debug):
        from flows.requests import day, instant, land_request, now

        request = land_request(
            vendors=vendor or [],
            symbols=symbol or [],
            from_date=day(from_date, "--from") if from_date else None,
            to_date=day(to_date, "--to") if to_date else None,
            as_of=instant(as_of) if as_of else now(),
            is_strict=strict,
            warehouse=warehouse,
            out=out,
            lock_wait=lock_wait,
            is_json=as_json,
        )
        from flows.land import run_land

        result = run_land(request)
        for line in result.lines():
            typer.echo(line)
    raise typer.Exit(FAILED if strict and result.failures else DONE)


@app.command()
def stream(
    symbol: Symbols = None,
    portfolio: Portfolio = "global",
    batches: Annotated[
        int | None, typer.Option(min=1, help="End after so many that brought something.")
    ] = None,
    decide: Annotated[
        bool, typer.Option("--decide", help="Make the decision, too, as soon as one is due.")
    ] = False,
    warehouse: Warehouse = WAREHOUSE,
    out: Out = OUT,
    as_json: Annotated[bool, typer.Option("--json", help="The log as JSON.")] = False,
    lock_wait: LockWait = 900.0,
    debug: Debug = False,
) -> None:
    """Land closed candles of Binance as they are told, and say where the portfolio stands, until ended."""
    with _errors(debug):
        from flows.requests import rebalance_request
        from flows.streaming.run import Streaming
        from flows.streaming.run import stream as follow

        common: dict[str, Any] = {
            "warehouse": warehouse,
            "out": out,
            "lock_wait": lock_wait,
            "is_json": as_json,
        }
        request = rebalance_request(portfolio=portfolio, **common)
        asked = Streaming(
            symbols=symbol or [],
            portfolio=Path(portfolio).stem,
            batches=batches,
            on_due=(lambda: _run(request, [portfolio])) if decide else None,
            **common,
        )
        for line in follow(asked):
            typer.echo(line)


@app.command()
def backfill(
    portfolio: Portfolio = "global",
    warehouse: Warehouse = WAREHOUSE,
    out: Out = OUT,
    lock_wait: LockWait = 900.0,
    debug: Debug = False,
) -> None:
    """Make every decision of a portfolio again from landed data, with the code and policy of today."""
    with _errors(debug):
        from flows.requests import rebalance_request

        request = rebalance_request(
            portfolio=portfolio, warehouse=warehouse, out=out, lock_wait=lock_wait, is_rebuild=True
        )
        from flows.rebalance import run_rebalance

        result = run_rebalance(request)
        _show(result, warehouse, as_json=False)
    raise typer.Exit(STOPPED if result.outcome == "stopped" else DONE)


@app.command()
def replay(
    decision_at: Annotated[str, typer.Option(help="The decision, UTC.")],
    portfolio: Portfolio = "global",
    warehouse: Warehouse = WAREHOUSE,
    debug: Debug = False,
) -> None:
    """Compute a past decision again, as it was known then, and compare every byte."""
    with _errors(debug):
        from flows.replay import replay as run
        from flows.requests import instant

        found = run(
            portfolio=portfolio, decision_at=instant(decision_at, "--decision-at"), warehouse=warehouse
        )
    verdict = "every byte is the same" if found.is_same else "it is NOT the same"
    typer.echo(
        f"{found.portfolio} at {found.decision_at.isoformat()}Z: {verdict} ({found.rows_compared} rows;"
        f" signals differ by {found.signal_divergence:g})"
    )
    for difference in found.differences:
        typer.echo(f"  {difference}")
    if not found.is_proof:
        typer.echo("The code has changed since that run, so this proves nothing.")
    raise typer.Exit(DONE if found.is_same else FAILED)


@policy_app.command("show")
def policy_show(name: Annotated[str, typer.Argument(help="Name or file.")], debug: Debug = False) -> None:
    """Print the merged policy as YAML."""
    with _errors(debug):
        import yaml

        from python_steps import policy

        _, merged = policy.load(name)
        typer.echo(yaml.safe_dump(json.loads(policy.to_json(merged)), sort_keys=False), nl=False)


@app.command()
def sql(
    command: Annotated[
        str | None, typer.Option("-c", "--command", help="One query; without it, a session.")
    ] = None,
    warehouse: Warehouse = WAREHOUSE,
    debug: Debug = False,
) -> None:
    """Query the published warehouse, read-only."""
    with _errors(debug):
        from flows import sql as session

        con = session.session(warehouse)
        try:
            session.interact(con) if command is None else session.show(con, command)
        finally:
            con.close()


@app.command()
def reset(
    condition: Annotated[str, typer.Option(help="The stop to release.")],
    reason: Annotated[str, typer.Option(help="Why; kept in raw.resets.")],
    portfolio: Portfolio = "global",
    warehouse: Warehouse = WAREHOUSE,
    lock_wait: LockWait = 900.0,
    debug: Debug = False,
) -> None:
    """Release a latched stop from the next decision on."""
    with _errors(debug):
        from flows.reset import reset as run

        reset_at = run(warehouse, Path(portfolio).stem, condition, reason, lock_wait)
    typer.echo(f"{portfolio}: {condition} is released from {reset_at.isoformat()}Z")


@app.command()
def publish(
    repair: Annotated[bool, typer.Option("--repair", help="Write the side files again.")] = False,
    portfolio: Portfolio = "global",
    warehouse: Warehouse = WAREHOUSE,
    out: Out = OUT,
    debug: Debug = False,
) -> None:
    """Write the files of the last decision again, from published rows."""
    with _errors(debug):
        from flows import outputs
        from flows.requests import RequestError

        if not repair:
            raise RequestError("publish: a run publishes itself; expected --repair")
        from flows.monitoring import textfile

        con = outputs.open_published(warehouse)
        evidence = outputs.gather(con, Path(portfolio).stem)
        for file in [
            *outputs.write(evidence, out),
            textfile.write_decision(textfile.told(con, evidence), out),
        ]:
            typer.echo(file)


@app.command()
def report(
    portfolio: Portfolio = "global",
    decision_at: At = None,
    holdings: Annotated[
        Path | None,
        typer.Option(help="File of weights really held: the page shows the trades to the target."),
    ] = None,
    warehouse: Warehouse = WAREHOUSE,
    out: Out = OUT,
    debug: Debug = False,
) -> None:
    """Write report.html, the page of a decision, from published rows."""
    with _errors(debug):
        from flows.report import write_page

        typer.echo(write_page(warehouse, Path(portfolio).stem, _at(decision_at), out, holdings))


@app.command()
def explain(
    symbol: Annotated[str, typer.Argument(help="The asset, as BTC-USD.")],
    portfolio: Portfolio = "global",
    decision_at: At = None,
    warehouse: Warehouse = WAREHOUSE,
    debug: Debug = False,
) -> None:
    """Say why an asset has its weight: steps, views, strategies, gates, limits, bars and their payloads."""
    with _errors(debug):
        from flows import explain as explained

        explained.show(
            explained.explain(warehouse, symbol, Path(portfolio).stem, _at(decision_at)),
        )


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="A run (global-00001) or a decision (2019-09-30T14:00:00Z).")],
    second: Annotated[str, typer.Argument(help="The other one.")],
    portfolio: Portfolio = "global",
    warehouse: Warehouse = WAREHOUSE,
    debug: Debug = False,
) -> None:
    """Say what changed between two decisions: exposures, strategies, inputs, policy, code, study."""
    with _errors(debug):
        from flows import diff as difference

        difference.show(difference.diff(warehouse, first, second, Path(portfolio).stem))


@app.command("app")
def live_app(
    warehouse: Warehouse = WAREHOUSE,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 2718,
    debug: Debug = False,
) -> None:
    """Show the live page on this machine, until interrupted: any decision, any asset, SQL."""
    with _errors(debug):
        from flows.app import serving

        with serving(warehouse, port) as (process, address):
            typer.echo(f"The live page, until you press Ctrl-C: {address}")
            process.wait()


@app.command()
def docs(
    warehouse: Warehouse = WAREHOUSE,
    out: Out = OUT,
    models: Annotated[
        bool, typer.Option("--models", help="Also dbt's page of every table, with lineage.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write pages on signals and learners into docs/ of --out: what files say and what is published."""
    with _errors(debug):
        from flows import docs as pages

        for file in pages.write(warehouse, out / "docs"):
            typer.echo(file)
        if models:
            from flows import model_pages

            typer.echo(model_pages.write(out / "docs"))


@app.command()
def leakcheck(
    signal: Annotated[
        list[str] | None,
        typer.Option(
            help="A signal, by the name of its file; may be repeated. All of the project without it."
        ),
    ] = None,
    cuts: Annotated[int, typer.Option(min=1, help="Instants at which the future is cut off.")] = 4,
    own: Annotated[
        bool, typer.Option("--own", help="On what the published warehouse was told; takes minutes.")
    ] = False,
    portfolio: Portfolio = "global",
    warehouse: Warehouse = WAREHOUSE,
    lock_wait: LockWait = 900.0,
    debug: Debug = False,
) -> None:
    """Look for leaks: the guards, on this project or on one new signal."""
    with _errors(debug):
        from flows import leak_summary
        from flows.leakcheck import leakcheck as run

        report = run(
            warehouse,
            signals=signal or [],
            cuts=cuts,
            own=Path(portfolio).stem if own else None,
            lock_wait=lock_wait,
            tell=leak_summary.tell,
        )
        leak_summary.show(report)
    raise typer.Exit(FAILED if report.findings else DONE)


@app.command()
def up(
    warehouse: Warehouse = WAREHOUSE,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 4200,
    debug: Debug = False,
) -> None:
    """Start a Prefect server on loopback, a pool, the deployments and a worker."""
    with _errors(debug):
        from flows.up import up as start

        for line in start(warehouse, port):
            typer.echo(line)


@app.command()
def down(warehouse: Warehouse = WAREHOUSE, debug: Debug = False) -> None:
    """End what `portfolio up` started, and nothing else."""
    with _errors(debug):
        from flows.up import down as end

        for line in end(warehouse):
            typer.echo(line)


def _at(decision_at: str | None) -> Any:
    from flows.requests import instant

    return None if decision_at is None else instant(decision_at, "--decision-at")


def _run(request: Any, portfolios: list[str]) -> list[Any]:
    if len(portfolios) > 1:
        from flows.rebalance import run_together

        return run_together(request, portfolios)
    from flows.rebalance import run_rebalance

    return [run_rebalance(request)]


def _show(result: Any, warehouse: Path, *, as_json: bool) -> None:
    from flows import outputs, summary

    con = outputs.open_published(warehouse)
    try:
        evidence = outputs.gather(con, result.portfolio, result.decision_at)
    finally:
        con.close()
    if as_json:
        typer.echo(outputs.render(evidence)["exposures.json"].decode(), nl=False)
    else:
        summary.show(evidence, result)


@contextmanager
def _errors(debug: bool) -> Iterator[None]:
    """One line on standard error and an exit code, never a traceback unless asked for."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if debug:
            raise
        print(f"error: {_line(error)}", file=sys.stderr)
        raise typer.Exit(BUSY if type(error).__name__ == "Busy" else FAILED) from None
    except KeyboardInterrupt:
        print("error: interrupted; nothing was published", file=sys.stderr)
        raise typer.Exit(130) from None


def _line(error: Exception) -> str:
    if type(error).__name__ == "DbtError":
        return str(error)  # one line a failing node
    text = " ".join(str(error).split())
    if type(error).__module__.split(".")[0] in OURS:
        return text
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if type(error).__module__.split(".")[0] in {"duckdb", "_duckdb"}:
        return text
    return f"unexpected {type(error).__name__}: {text} (--debug shows where)"


if __name__ == "__main__":
    app()
