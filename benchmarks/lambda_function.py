"""What the Lambda function takes: init, 1,000 series by their champions on one core, memory, size.

    make .venv-lambda/.installed .venv-services/.installed && python benchmarks/lambda_function.py     (about 3 minutes)

The real function: Amazon's runtime client in an environment that holds what the image holds, pinned to one core, S3 by
moto on the other. Kernels are compiled beforehand for any x86-64-v3 processor, as the image has them. Init is from the
start of the process until it asks for its first event, files warm.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
import pandas as pd
from page import table, target, targets
from results import setting, write_section

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "aws")]
from runtime_api import RuntimeApi  # noqa: E402  (the Runtime API of the tests)

from capforecast import stages  # noqa: E402
from capforecast.fleet import synthetic_files  # noqa: E402
from capforecast.fleet.synthetic import END, Fleet  # noqa: E402
from capforecast.lake.store import Store  # noqa: E402
from capforecast.settings import Settings  # noqa: E402

PYTHON = ROOT / ".venv-lambda/bin/python"
SERVERS, DAYS, WEEK = 200, 400, 7
INIT_SECONDS, SECONDS, MIB, INITS = 1.5, 5.0, 512, 5
KERNELS = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
BUCKET = "lambda-benchmark"


@contextmanager
def s3_server() -> Iterator[str]:
    """Moto on loopback, with a bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [ROOT / ".venv-services/bin/python", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                url = f"http://127.0.0.1:{port}/{BUCKET}"
                urllib.request.urlopen(urllib.request.Request(url, method="PUT"))
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()


def trained(folder: Path) -> tuple[Store, Path, int]:
    """A lake with champions of a week ago, the observations until now, and how many series these are."""
    source = folder / "fleet"
    synthetic_files.write(Fleet(servers=SERVERS, days=DAYS), source)
    observations, inventory = source / synthetic_files.OBSERVATIONS, source / synthetic_files.INVENTORY
    store, settings = Store(f"s3://{BUCKET}/lake"), Settings()
    before = (END - pd.Timedelta(days=WEEK)).isoformat()
    ingested = stages.ingest(store, settings, str(observations), str(inventory), before)
    series = 0
    for name in ingested.business_units:
        unit = stages.validate(store, settings, ingested, name)
        for stage in (stages.train, stages.champion, stages.forecast, stages.risk):
            unit = unit.having(**stage(store, settings, unit))
        series += unit.series
    return store, observations, series


def one_core() -> list[str]:
    """The command that keeps a function on the last core."""
    return ["taskset", "-c", str((os.cpu_count() or 1) - 1)]


def function(api: RuntimeApi, environment: dict[str, str]) -> Any:
    """The runtime client on one core."""
    command = [*one_core(), str(PYTHON), "-m", "awslambdaric", "deployments.lambda_handler.handler"]
    return api.function(PYTHON, environment, command)


def inits(api: RuntimeApi, environment: dict[str, str]) -> list[float]:
    """Seconds from starting the process to its asking for an event, several times."""
    found = []
    for _ in range(INITS + 1):
        began = time.monotonic()
        with function(api, environment):
            found.append(api.asked_first[-1] - began)
    return found[1:]  # the first one may compile byte code


def peak_mib(pid: int) -> float:
    """Most memory a process has had at once, resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answered(api: RuntimeApi, key: str) -> dict[str, Any]:
    """The one record of the answer to an object that came."""
    s3 = {"bucket": {"name": BUCKET}, "object": {"key": key}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}
    made = api.answer({"Records": [record]}, patience=600)
    assert not made.failed, made.content
    (found,) = made.content["records"]
    return found | {"took": made.content["seconds"]}


def measured(api: RuntimeApi, environment: dict[str, str], observations: Path) -> dict[str, float]:
    """Deliver everything; again other bytes of the same, to the function that is warm by now."""
    at = obstore.store.from_url(f"s3://{BUCKET}", client_options={"allow_http": True})
    for number in range(3):
        frame = pd.read_parquet(observations)
        frame.iloc[number:].to_parquet(observations.parent / f"{number}.parquet", index=False)
        obstore.put(at, f"incoming/{number}.parquet", (observations.parent / f"{number}.parquet").read_bytes())
    with function(api, environment):  # kernels that the image has are there from now on
        answered(api, "incoming/0.parquet")
    with function(api, environment) as process:
        first = answered(api, "incoming/1.parquet")
        cpu = cpu_seconds(process.pid)
        second = answered(api, "incoming/2.parquet")
        assert (first["status"], second["status"]) == ("done", "done")
        return {
            "first": first["took"], "warm": second["took"], "cpu": cpu_seconds(process.pid) - cpu,
            "peak": peak_mib(process.pid),
        }  # fmt: skip


def unzipped_mib() -> float:
    """What the packages of the image take on disk."""
    (site,) = (PYTHON.parents[1] / "lib").glob("python3*/site-packages")
    return sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / 2**20


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="print, write nothing")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        with s3_server() as address, RuntimeApi() as api:
            keys = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_REGION": "us-east-1"}
            aws = keys | {"AWS_ENDPOINT_URL": address}
            os.environ.update(aws)
            _, observations, series = trained(folder)
            environment = aws | KERNELS | {
                "CAPFORECAST_STORE": f"s3://{BUCKET}/lake", "NUMBA_CACHE_DIR": str(folder / "kernels"),
                "OMP_NUM_THREADS": "1", "CAPFORECAST_FORECAST__THREADS": "1",
            }  # fmt: skip
            figures = measured(api, environment, observations)
            init = statistics.median(inits(api, environment))
    finally:
        shutil.rmtree(folder)
    rows = [
        target(f"init <= {INIT_SECONDS} s", f"{init:.2f} s", init <= INIT_SECONDS),
        target(
            f"1,000 series from the champion <= {SECONDS:.0f} s on one core",
            f"{figures['first']:.1f} s for {series:,} series ({figures['first'] / series * 1000:.1f} s per 1,000)",
            figures["first"] / series * 1000 <= SECONDS,
        ),
        target(f"<= {MIB} MB", f"{figures['peak']:.0f} MiB at most", figures["peak"] * 1.048576 <= MIB),
    ]
    more = [
        ["first event of a sandbox, s", f"{figures['first']:.1f}"],
        ["next event, s", f"{figures['warm']:.1f}"],
        ["CPU of that, s", f"{figures['cpu']:.1f}"],
        ["packages of the image, unzipped, MiB", f"{unzipped_mib():.0f}"],
    ]
    body = "\n".join(
        [
            "## Lambda", "", "```", "python benchmarks/lambda_function.py", "```", "", setting(), "",
            *targets(rows), "",
            f"{SERVERS} servers, {DAYS} days, {series:,} series in four business units: read from S3, ingested, "
            "validated, forecast, risks, summary and record written to S3.", "", *table(["figure", ""], more), "",
        ]
    )  # fmt: skip
    print(body)
    if not given.dry:
        write_section("lambda", body)


if __name__ == "__main__":
    main()
