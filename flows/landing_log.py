"""What a landing says of itself in the log: a line for all, one a vendor, one for each failure."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from flows.vendors import Fetched
from python_steps.land_bars import LandingReport
from python_steps.land_payloads import Account


def tell(log: Any, report: LandingReport, fetched: Fetched | None, as_of: dt.datetime) -> None:
    """Log a landing."""
    log.info(
        "Bars landed",
        rows=report.rows_seen,
        new=report.rows_landed,
        restated=report.restated,
        quarantined=report.rows_quarantined,
        as_of=as_of.isoformat(timespec="seconds") + "Z",
    )
    for reason, count in sorted(report.reasons.items()):
        log.warning("Rows quarantined", reason=reason, rows=count)
    if fetched:
        _tell_vendors(log, report.accounts, fetched)


def _tell_vendors(log: Any, accounts: Sequence[Account], fetched: Fetched) -> None:
    """Accounts of answers are the last ones of a landing: files come before them."""
    told = list(zip(fetched.answers, accounts[len(accounts) - len(fetched.answers) :], strict=True))
    failed = [one.vendor for one in fetched.failures]
    for vendor in sorted({*failed, *(one.payload.vendor for one, _ in told)}):
        own = [(one, account) for one, account in told if one.payload.vendor == vendor]
        log.info(
            "Vendor answered",
            vendor=vendor,
            symbols=len({one.payload.symbol for one, _ in own}),
            failed=failed.count(vendor),
            answers=len(own),
            bytes=sum(len(one.payload.content) for one, _ in own),
            rows=sum(account.rows_seen for _, account in own),
            new=sum(account.rows_landed for _, account in own),
            restated=sum(account.rows_restated for _, account in own),
            unchanged=sum(account.rows_unchanged for _, account in own),
            quarantined=sum(account.rows_quarantined for _, account in own),
            not_asked=sum(account.rows_not_asked for _, account in own),
        )
    for failure in fetched.failures:
        log.warning("Not fetched", vendor=failure.vendor, symbol=failure.symbol, reason=failure.reason)
