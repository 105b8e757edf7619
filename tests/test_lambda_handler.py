"""The Lambda function, called as AWS calls it, on a lake in S3 (moto over HTTP)."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lambda_samples as samples
import pandas as pd
import pytest
from lambda_samples import DAYS, SETTINGS, WEEK, Bucket, observed

from capforecast.cloud import ssm
from capforecast.cloud.ssm import ParametersError
from capforecast.errors import AccessDeniedError, ConfigError
from capforecast.forecast import pointers
from capforecast.lake import leases
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from deployments import lambda_handler, lambda_work
from deployments.lambda_handler import RecordsLeftError

pytestmark = pytest.mark.usefixtures("own_logging")
FILE = "incoming/week.parquet"
ROOT = Path(__file__).parents[1]
TIERS = {"critical", "high", "watch", "ok", "unknown"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake on a folder in which a weekly run has trained."""
    folder = tmp_path_factory.mktemp("trained")
    samples.train(Store(folder / "lake"), folder)
    return folder / "lake"


@pytest.fixture
def data(bucket: str, template: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The same lake in a bucket, and the function's environment."""
    fill(bucket, template)
    monkeypatch.setenv("CAPFORECAST_STORE", bucket)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"CAPFORECAST_{name.upper().replace('.', '__')}", value)
    monkeypatch.setattr(lambda_handler, "_ready", None)
    return Bucket(bucket)


def fill(bucket: str, template: Path) -> None:
    store = Store(bucket)
    for file in sorted(path for path in template.rglob("*") if path.is_file()):
        store.put(file.relative_to(template).as_posix(), file.read_bytes())


def call(*records: dict[str, Any], seconds: float = 300.0, request: str = "request-1") -> dict[str, Any]:
    return answered({"Records": list(records)}, seconds, request)


def answered(event: Any, seconds: float = 300.0, request: str = "request-1") -> dict[str, Any]:
    context = SimpleNamespace(aws_request_id=request, get_remaining_time_in_millis=lambda: int(seconds * 1000))
    return lambda_handler.handler(event, context)


def runs(data: Bucket) -> list[str]:
    """Manifests of runs that are done."""
    return [key for key in data.store.keys("runs") if key.endswith("/manifest.json")]


def test_an_object_that_came_is_forecast_and_the_answer_says_what_was_made(data: Bucket) -> None:
    reply = call(data.delivered(FILE, observed(DAYS + WEEK)))
    assert reply["request_id"] == "request-1"
    assert 0 < reply["seconds"] < 60
    (record,) = reply["records"]
    assert (record["status"], record["as_of"]) == ("done", "2026-05-08T00:00:00+00:00")
    assert record["event"] == f"s3://{data.name}/{FILE}"
    assert set(record["tiers"]) == TIERS
    assert sum(record["tiers"].values()) == 3
    retail, web = record["business_units"]
    assert (retail["business_unit"], retail["servers"], web["servers"]) == ("retail", 2, 1)
    assert retail["fell_back"] is None
    assert 0 < retail["mae"]["cpu"] < 5
    assert retail["mae_as_of"] == "2026-05-01T00:00:00+00:00"
    for dataset in ("forecasts", "risks", "servers"):
        key = f"{dataset}/cadence=daily/as_of=2026-05-08/business_unit=retail/part-0.parquet"
        assert key in record["written"]
        assert data.store.read(key)
    (summary,) = [key for key in record["written"] if key.endswith("summary.json")]
    assert json.loads(data.store.read(summary))["servers"] == 3
    assert len(json.dumps(reply)) < 3_000


def test_the_same_event_again_is_answered_from_the_record(data: Bucket) -> None:
    event = data.delivered(FILE, observed(DAYS + WEEK))
    first, second = call(event), call(event, request="request-2")
    (one,), (two,) = first["records"], second["records"]
    assert (one["status"], two["status"]) == ("done", "duplicate")
    hidden = {"status", "reason"}
    assert {k: v for k, v in one.items() if k not in hidden} == {k: v for k, v in two.items() if k not in hidden}
    assert len(runs(data)) == 1


def test_twenty_at_once_are_one_run(data: Bucket) -> None:
    event = data.delivered(FILE, observed(DAYS + WEEK))
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda number: call(event, request=f"r{number}"), range(20)))
    statuses = [reply["records"][0]["status"] for reply in replies]
    assert sorted(statuses) == ["done", *["duplicate"] * 19]
    assert len({json.dumps(reply["records"][0]["tiers"], sort_keys=True) for reply in replies}) == 1
    assert len(runs(data)) == 1


def test_other_deliveries_at_once_are_each_done_whole(data: Bucket) -> None:
    """Two of one day, by server, and one of the day before: they write the same months and periods."""
    parts = [(DAYS + WEEK, samples.SERVERS[:1]), (DAYS + WEEK, samples.SERVERS[1:]), (DAYS + 1, samples.SERVERS)]
    events = [data.delivered(f"incoming/{n}.parquet", observed(*part)) for n, part in enumerate(parts)]
    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda event: call(event, request=event["s3"]["object"]["key"]), events))
    records = [reply["records"][0] for reply in replies]
    assert [(each["status"], each["problems"]) for each in records] == [("done", {})] * 3
    assert [each["as_of"][:10] for each in records] == ["2026-05-08", "2026-05-08", "2026-05-02"]
    for unit in ("retail", "web"):  # who was last has seen all
        key = f"servers/cadence=daily/as_of=2026-05-08/business_unit={unit}/part-0.parquet"
        assert "unknown" not in set(pd.read_parquet(io.BytesIO(data.store.read(key)))["tier"])


def test_other_content_under_the_same_name_is_another_run_and_the_old_event_is_ignored(data: Bucket) -> None:
    old = data.delivered(FILE, observed(DAYS + WEEK - 1))
    new = data.delivered(FILE, observed(DAYS + WEEK))
    late, now = call(old, new)["records"]
    assert (late["status"], now["status"]) == ("ignored", "done")
    assert "was written again since the event" in late["reason"]
    assert now["as_of"] == "2026-05-08T00:00:00+00:00"


def test_events_out_of_order_each_give_their_own_period(data: Bucket) -> None:
    early = data.delivered("incoming/early.parquet", observed(DAYS + 1))
    late = data.delivered("incoming/late.parquet", observed(DAYS + WEEK))
    second, first = call(late, early)["records"]
    assert [each["as_of"][:10] for each in (first, second)] == ["2026-05-02", "2026-05-08"]
    before = data.store.read("forecasts/cadence=daily/as_of=2026-05-08/business_unit=web/part-0.parquet")
    assert call(late)["records"][0]["status"] == "duplicate"
    assert data.store.read("forecasts/cadence=daily/as_of=2026-05-08/business_unit=web/part-0.parquet") == before


def test_what_is_no_delivery_is_ignored_with_the_reason(data: Bucket) -> None:
    gone, prefix, suffix = (data.record(key) for key in ("incoming/gone.csv", "raw/x.csv", "incoming/readme.txt"))
    statuses = [(each["status"], each["reason"]) for each in call(gone, prefix, suffix)["records"]]
    assert [status for status, _ in statuses] == ["ignored"] * 3
    assert "is gone" in statuses[0][1]
    assert "aws_lambda.incoming" in statuses[1][1]
    assert "aws_lambda.suffixes" in statuses[2][1]
    assert not runs(data)


def test_a_broken_file_fails_by_itself_and_the_others_are_done(data: Bucket) -> None:
    broken = data.delivered("incoming/broken file.csv", b"server_id,timestamp\nx,2026-01-01\n")
    broken["s3"]["object"]["key"] = "incoming/broken+file.csv"  # as S3 encodes it
    bad, good = call(broken, data.delivered(FILE, observed(DAYS + WEEK)))["records"]
    assert (bad["status"], good["status"]) == ("failed", "done")
    assert "broken_file.csv" in bad["reason"]


def test_what_people_have_to_mend_fails_the_call_so_that_nothing_is_lost_in_silence(
    data: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = data.delivered(FILE, observed(DAYS + WEEK))
    monkeypatch.setattr(lambda_work, "fetch", lambda *_: (_ for _ in ()).throw(AccessDeniedError("allow s3:GetObject")))
    with pytest.raises(RecordsLeftError, match=r"1 of 1 events were not done, try again: .*allow s3:GetObject"):
        call(event)


def test_of_messages_the_failed_ones_are_delivered_again(data: Bucket) -> None:
    good, bad = data.delivered(FILE, observed(DAYS + WEEK)), data.delivered("incoming/bad.csv", b"a,b\n1,2\n")
    bodies = {"m-good": json.dumps({"Records": [good]}), "m-bad": json.dumps({"Records": [bad]}), "m-odd": "{"}
    records = [{"eventSource": "aws:sqs", "messageId": name, "body": body} for name, body in bodies.items()]
    reply = answered({"Records": records})
    assert reply == {"batchItemFailures": [{"itemIdentifier": "m-bad"}, {"itemIdentifier": "m-odd"}]}
    assert len(runs(data)) == 1


def test_a_schedule_forecasts_what_the_lake_holds_once(data: Bucket) -> None:
    fired = {"source": "aws.events", "detail-type": "Scheduled Event", "id": "firing-1"}
    (first,) = answered(fired)["records"]
    assert (first["status"], first["as_of"][:10]) == ("done", "2026-05-01")
    assert answered(fired)["records"][0]["status"] == "duplicate"
    for asked, reason in (
        ({"as_of": "2026-04-20"}, "2026-04-20"),  # its champion has seen later data
        ({"as_of": "0001-01-01"}, "is no date"),
        ({"cadence": "weekly"}, "cadence 'weekly' of the schedule: use daily or hourly"),
    ):
        with pytest.raises(RecordsLeftError, match=reason):
            answered({"schedule": "by hand"} | asked)


def test_with_too_little_time_nothing_is_begun_and_lambda_tries_again(data: Bucket) -> None:
    event = data.delivered(FILE, observed(DAYS + WEEK))
    with pytest.raises(RecordsLeftError, match=r"1 of 1 events were not done, try again: .*too little of the function"):
        call(event, seconds=19)
    assert not runs(data)
    assert call(event)["records"][0]["status"] == "done"


def test_a_run_that_another_call_never_ends_is_postponed_in_time(data: Bucket) -> None:
    event = data.delivered(FILE, observed(DAYS + WEEK))
    run_id = call(event)["records"][0]["run_id"]
    for key in data.store.keys(f"runs/{run_id}"):
        data.store.delete(key)
    lease = leases.acquire(data.store, run_id, owner="a call that hangs")
    left = iter([60.0, 60.0, 22.0, 21.0, 10.0, 10.0])
    context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: int(next(left, 10.0) * 1000))
    with pytest.raises(RecordsLeftError, match=f"run {run_id} is being made by another call"):
        lambda_handler.handler({"Records": [event]}, context)
    lease.release()


def test_an_attempt_that_died_is_followed_by_another(data: Bucket) -> None:
    event = data.delivered(FILE, observed(DAYS + WEEK))
    run_id = call(event)["records"][0]["run_id"]
    data.store.delete(f"runs/{run_id}/attempt=1/manifest.json")
    (record,) = call(event)["records"]
    assert (record["status"], record["attempt"]) == ("done", 2)


def test_a_unit_without_champion_is_named_and_the_rest_is_done(data: Bucket) -> None:
    (record,) = call(data.delivered(FILE, observed(DAYS + WEEK, (*samples.SERVERS, "media-d"))))["records"]
    assert record["status"] == "done"
    assert list(record["problems"]) == ["media"]
    assert record["reason"].startswith("media is missing: media: ")


def test_what_was_missing_is_done_when_the_event_comes_again_and_then_is_done_for_good(data: Bucket) -> None:
    event = data.delivered(FILE, observed(DAYS + WEEK))
    folder = "models/cadence=daily/business_unit=retail/"
    (key,) = [key for key in data.store.keys(folder) if key.endswith("/calibration.parquet")]
    model = data.store.read(key)
    data.store.delete(key)
    (first,) = call(event)["records"]
    assert (first["status"], list(first["problems"])) == ("done", ["retail"])
    data.store.put(key, model)
    (second,) = call(event)["records"]
    assert (second["status"], second["attempt"], second["problems"]) == ("done", 2, {})
    assert call(event)["records"][0]["status"] == "duplicate"


def test_twenty_at_once_with_a_problem_are_one_run_too(data: Bucket) -> None:
    event = data.delivered(FILE, observed(DAYS + WEEK, (*samples.SERVERS, "media-d")))
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda number: call(event, request=f"r{number}"), range(20)))
    assert sorted(reply["records"][0]["status"] for reply in replies) == ["done", *["duplicate"] * 19]


def test_the_lake_itself_is_no_delivery(data: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPFORECAST_AWS_LAMBDA__INCOMING", "fleet/")
    month = next(key for key in data.store.keys("raw/observations") if key.endswith(".parquet"))
    beside = data.delivered("fleet/lake2.parquet", observed(DAYS + WEEK))
    within, outside = call(data.record(f"fleet/lake/{month}"), beside)["records"]
    assert within["status"] == "ignored"
    assert within["reason"].startswith(f"it is of the lake {data.lake}: ")
    assert outside["status"] == "done"


def test_a_schedule_without_id_is_done_again_by_a_new_champion(data: Bucket) -> None:
    due = {"schedule": "weekly"}
    assert [answered(due)["records"][0]["status"] for _ in range(2)] == ["done", "duplicate"]
    known = pointers.current(data.store, Cadence.DAILY, "web")
    assert known is not None
    pointers.append(data.store, Cadence.DAILY, "web", known.pointer, after=known.number)
    assert [answered(due)["records"][0]["status"] for _ in range(2)] == ["done", "duplicate"]


def test_a_champion_of_another_kind_answers_with_its_fall_back_and_says_so(
    data: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_server: str
) -> None:
    name = f"lake-{uuid.uuid4().hex[:12]}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{name}", method="PUT"))
    other = Bucket(f"s3://{name}/lake")
    samples.train(other.store, tmp_path, "seasonal-naive")
    monkeypatch.setenv("CAPFORECAST_STORE", other.lake)
    monkeypatch.setenv("CAPFORECAST_FORECAST__MODEL", "seasonal-naive")
    monkeypatch.setattr(lambda_handler, "_ready", None)
    (record,) = call(other.delivered(FILE, observed(DAYS + WEEK)))["records"]
    assert [unit["fell_back"] for unit in record["business_units"]] == ["seasonal-naive"] * 2
    assert "champion is a seasonal-naive model; its stored fall-back, the fleet engine, answered" in record["reason"]


def test_parameters_lie_below_the_environment_and_a_misspelt_one_stops_it(
    data: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    path = f"/capforecast/{uuid.uuid4().hex[:8]}"
    client = boto3.client("ssm", region_name="us-east-1")
    kept = {"aws_lambda/incoming": "drop/", "forecast/horizon_days": "60", "storage/encryption": "aws:kms"}
    for name, value in kept.items():
        client.put_parameter(Name=f"{path}/{name}", Value=value, Type="SecureString")
    monkeypatch.setenv("CAPFORECAST_SSM_PATH", path)
    monkeypatch.setenv("CAPFORECAST_STORAGE__KMS_KEY", "a-key")  # makes sense with the parameter only
    inside, outside = call(data.delivered("drop/a.parquet", observed(DAYS + WEEK)), data.record(FILE))["records"]
    assert (inside["status"], outside["status"]) == ("done", "ignored")
    assert "drop/ (aws_lambda.incoming)" in outside["reason"]
    client.put_parameter(Name=f"{path}/forecast/horizon", Value="60", Type="String")
    monkeypatch.setattr(lambda_handler, "_ready", None)
    with pytest.raises(ConfigError, match=r"parameter forecast/horizon: unknown key .*forecast.horizon_days"):
        call(data.record(FILE))


def test_a_warm_function_reads_its_settings_anew_after_minutes(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_handler, "_ready", None)
    monkeypatch.setenv("CAPFORECAST_STORE", bucket)

    def horizon(now: float) -> int:
        return lambda_handler._prepared(now).loaded.settings.forecast.horizon_days

    assert horizon(0) == 90
    monkeypatch.setenv("CAPFORECAST_FORECAST__HORIZON_DAYS", "60")
    assert (horizon(299), horizon(301)) == (90, 60)
    monkeypatch.setenv("CAPFORECAST_SSM_PATH", "/capforecast/prod")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9")  # nobody answers there: what is known still counts
    monkeypatch.setattr(ssm, "TRIES", 1)
    assert horizon(602) == 60
    monkeypatch.setattr(lambda_handler, "_ready", None)
    with pytest.raises(ParametersError, match="cannot be reached"):
        horizon(603)


def test_every_log_line_is_json_with_the_request(data: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    call(data.delivered(FILE, observed(DAYS + WEEK)), data.record("raw/x.csv"), request="r-7")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["request_id"] for line in lines} == {"r-7"}
    assert {line["record"]["status"] for line in lines if "record" in line} == {"done", "ignored"}
    assert lines[-1]["counts"] == {"done": 1, "ignored": 1}


def test_it_loads_neither_prefect_nor_libraries_that_train(data: Bucket) -> None:
    event = {"Records": [data.delivered(FILE, observed(DAYS + WEEK))]}
    program = (
        "import json, sys\nfrom deployments.lambda_handler import handler\n"
        f"reply = handler(json.loads({json.dumps(event)!r}))\n"
        "assert reply['records'][0]['status'] == 'done', reply\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split())
    assert "numpy" in loaded
    assert not loaded & {"prefect", "sklearn", "prophet", "cmdstanpy", "matplotlib", "weasyprint", "typer", "flows"}
