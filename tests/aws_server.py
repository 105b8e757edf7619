"""The tests' AWS over HTTP (cloudwatch_server.py), and what it is filled with."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


@contextmanager
def aws(page: int = 100_800, port: int = 0) -> Iterator[str]:
    """Address of a moto server with a GetMetricData of `page` values per page; skips where moto is not installed.

    port: 0 = any that is free.
    """
    python = ROOT / ".venv-services/bin/python"
    if not python.exists() and not os.environ.get("CI"):
        pytest.skip("moto is not installed; `make test` does that")
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        command = [str(python), str(ROOT / "tests/cloudwatch_server.py"), str(port), str(page)]
        server = subprocess.Popen(command, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and server.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            else:
                log.seek(0)
                raise RuntimeError(f"moto did not start: {log.read().decode()[-2000:]}")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def use(monkeypatch: pytest.MonkeyPatch, url: str, region: str) -> None:
    """Point boto3 of this process at `url`."""
    for key, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url, "AWS_REGION": region}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)


def client(service: str, **given: Any) -> Any:
    """boto3's client of this process."""
    import boto3

    return boto3.client(service, **given)


def instances(count: int, kind: str = "m5.large", **tags: str) -> list[str]:
    """So many new instances, by id."""
    told = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
    started = client("ec2").run_instances(
        ImageId="ami-12c6146b",
        MinCount=count,
        MaxCount=count,
        InstanceType=kind,
        TagSpecifications=told if tags else [],
    )
    return sorted(each["InstanceId"] for each in started["Instances"])


def put(
    namespace: str, name: str, dimensions: dict[str, str], times: pd.DatetimeIndex, values: Sequence[float] | np.ndarray
) -> None:
    """Values of one metric, one for each time."""
    named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    rows = [
        {"MetricName": name, "Dimensions": named, "Timestamp": when.to_pydatetime(), "Value": float(value)}
        for when, value in zip(times, values, strict=True)
    ]
    sender = client("cloudwatch")
    for first in range(0, len(rows), 1000):
        sender.put_metric_data(Namespace=namespace, MetricData=rows[first : first + 1000])
