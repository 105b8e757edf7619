"""Which settings each process of a stack gets: the server's own, and those of whoever works with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stack import postgres
from stack.state import ROOT, Plan, State

BUCKET = "capforecast"
STORE = f"s3://{BUCKET}/lake"
KEY, SECRET = "stack", "stack-secret"  # the S3 server of tests lets everybody in; no secrets of anything
PREFECT = str(Path(sys.executable).with_name("prefect"))


def _outer() -> dict[str, str]:
    """Our own environment without what belongs to another Prefect or another cloud."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AWS_"))}


def client_variables(state: State, plan: Plan) -> dict[str, str]:
    """What `STATE/env` holds: enough to use the stack from a shell, a test or a worker."""
    data = state.folder / "data"
    return {
        "PREFECT_API_URL": plan.api,
        "PREFECT_API_AUTH_STRING": f"admin:{plan.password}",
        "PREFECT_HOME": str(state.folder / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "3",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "AWS_ENDPOINT_URL": plan.s3,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "CAPACITY_POOL": "capacity-process",
        "CAPACITY_PROFILE": "local",
        "CAPFORECAST_HOME": str(ROOT),
        "CAPFORECAST_STORE": STORE,
        "CAPACITY_SOURCE": os.environ.get("CAPACITY_SOURCE") or str(data / "observations.parquet"),
        "CAPACITY_INVENTORY": os.environ.get("CAPACITY_INVENTORY") or str(data / "inventory.csv"),
    }


def client(state: State, plan: Plan) -> dict[str, str]:
    """The whole environment of a worker, or of a command that talks to the server."""
    return _outer() | {"PYTHONPATH": str(ROOT)} | client_variables(state, plan)


def server(state: State, plan: Plan) -> dict[str, str]:
    """The environment of the server and of its background services (prefect.md, section 4)."""
    redis = f"redis://:{plan.password}@127.0.0.1:{plan.ports['redis']}"
    return _outer() | {
        "PREFECT_HOME": str(state.folder / "server"),
        "PREFECT_API_URL": plan.api,
        "PREFECT_API_AUTH_STRING": f"admin:{plan.password}",
        "PREFECT_SERVER_API_AUTH_STRING": f"admin:{plan.password}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_UI_API_URL": plan.api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_API_DATABASE_CONNECTION_URL": postgres.url(plan),
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_REDIS_MESSAGING_URL": f"{redis}/0",
        "PREFECT_SERVER_DOCKET_URL": f"{redis}/1",
        "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": f"{redis}/0",
        # how long a run that never starts holds its deployment's slot; one that runs renews 300 s by itself
        "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "60",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    }
