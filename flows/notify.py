"""Alerts to an SNS topic: Prefect has no block for it, so automations run this flow as the deployment notify/notify.

It has none of the tags that automations look for: an alert that cannot be sent must not be the cause of another.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from capforecast import configuration
from tasks.alerts import publish


@flow(name="notify", flow_run_name="alert")
def notify(alert: str, profile: str | None = None, config: str | None = None) -> str:
    """Publish an alert to the SNS topic `alerts.sns_topic`; returns the message's id.

    Args:
        alert: JSON with `alert` (its name), `text` and more, as the automations render it.
        profile: Settings profile: `local` (one machine, a folder) or `aws` (a bucket, workers). Default: none.
        config: Settings file of your own, as the worker sees it.
    """
    loaded = configuration.load(profile, Path(config) if config else None)
    return publish(loaded.settings, alert)
