"""What GetMetricData costs: estimated before anything is asked."""

from __future__ import annotations

import pandas as pd

from capforecast.schema import Cadence
from capforecast.settings_sources import CloudWatchSettings
from capforecast.sources.cloudwatch_batches import ASK, COLUMN, Batch, batches
from capforecast.sources.cloudwatch_metrics import COARSE
from capforecast.sources.remote import Estimate, Window

# "CloudWatch pricing": 0.01 USD per 1,000 metrics requested, in most regions. Known from third parties that quote it.
PRICE_OF = "list price of most regions, as quoted by third parties 2026-11-28"
DEFAULT_PRICE = CloudWatchSettings().usd_per_thousand


def estimate(
    series: pd.DataFrame, cadence: Cadence, window: Window, now: pd.Timestamp, settings: CloudWatchSettings
) -> Estimate:
    """Requests, values and USD of reading all `series`; exact unless requests are repeated or cut in halves."""
    plan = batches(series, cadence, window, now)
    billed = sum(batch.billed() for batch in plan)
    price = settings.usd_per_thousand
    source = PRICE_OF if price == DEFAULT_PRICE else "setting remote.cloudwatch.usd_per_thousand"
    return Estimate(
        requests=sum(len(batch.requests()) for batch in plan),
        values=sum(len(batch.queries) * batch.span.points for batch in plan),
        cost=billed * price / 1000,
        priced=f"{price:g} USD per 1,000 metrics, {source}",
        notes=_notes(series, cadence, plan),
        most=settings.most_usd,
    )


def _notes(series: pd.DataFrame, cadence: Cadence, plan: list[Batch]) -> tuple[str, ...]:
    """What old windows cannot have."""
    if not any(batch.span.period == COARSE and each.ask.kind == "amount" for batch in plan for each in batch.series):
        return ()
    names = ", ".join(
        sorted({name for name, ask in zip(series[COLUMN], series[ASK], strict=True) if ask.kind == "amount"})
    )
    if cadence is Cadence.DAILY:
        return (f"{names}: of hourly means where they are older than 63 days, of five minutes since",)
    return (f"{names}: only means of an hour are kept beyond 63 days; other statistics have gaps there",)
