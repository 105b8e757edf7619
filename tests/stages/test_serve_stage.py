"""`serve`: fresh data to forecasts, risks and a summary by the champions, as a Lambda function does."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capforecast import stages
from capforecast.errors import LakeError, ModelError, NoUsableInputError, OutOfTimeError, StaleReferenceError
from capforecast.exchange import Ingested, RunKey, Unit
from capforecast.forecast import champions, frames
from capforecast.lake.datasets import read_frame, read_table
from capforecast.lake.store import Store
from capforecast.schema import SERVER_ID, TIMESTAMP, Reference
from capforecast.settings import Settings

DAYS, WEEK = 120, 7
START = pd.Timestamp("2026-01-01", tz="UTC")
RUN = RunKey(run_id="lambda-1", attempt=1)
ANSWERS = ("forecasts", "risks", "servers", "backtests", "processed", "quality", "anomalies")


def settings(model: str = "fleet") -> Settings:
    return Settings.model_validate({"forecast": {"horizon_days": 14, "origins_daily": 4, "model": model}})


def values_of(server: str) -> Any:
    rng = np.random.default_rng(ord(server[-1]))
    return 40 + 8 * np.sin(2 * np.pi * np.arange(DAYS + WEEK) / 7) + rng.normal(0, 2, DAYS + WEEK)


def observed(folder: Path, days: int, servers: tuple[str, ...] = ("retail-a", "retail-b", "web-c")) -> str:
    stamps = pd.date_range(START, periods=days, unit="us")
    parts = [
        pd.DataFrame({SERVER_ID: name, TIMESTAMP: stamps, "cpu_p95": values_of(name)[:days]}).assign(
            business_unit=name.split("-")[0]
        )
        for name in servers
    ]
    path = folder / f"{len(servers)}-{days}.parquet"
    pd.concat(parts).to_parquet(path, index=False)
    return str(path)


def trained(folder: Path, lake: Path, model: str = "fleet", units: tuple[str, ...] = ("retail", "web")) -> Store:
    """A lake in which a weekly run has trained and forecast these units."""
    store = Store(lake)
    ingested = stages.ingest(store, settings(model), observed(folder, DAYS))
    for name in units:
        unit = stages.validate(store, settings(model), ingested, name)
        for stage in (stages.train, stages.champion, stages.forecast, stages.risk):
            unit = unit.having(**stage(store, settings(model), unit))
    return store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def weekly(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(trained(folder, tmp_path_factory.mktemp("weekly") / "lake").folder or "")


@pytest.fixture
def store(weekly: Path, tmp_path: Path) -> Store:
    shutil.copytree(weekly, tmp_path / "lake")
    return Store(tmp_path / "lake")


def fresh(store: Store, folder: Path, model: str = "fleet") -> Ingested:
    return stages.ingest(store, settings(model), observed(folder, DAYS + WEEK))


def manifest(store: Store) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(store.read("runs/lambda-1/attempt=1/manifest.json"))
    return content


def test_it_gives_what_the_stages_of_a_run_give_byte_for_byte(store: Store, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(Path(store.folder or ""), tmp_path / "other")
    served = stages.serve(store, settings(), fresh(store, folder), RUN)
    other = Store(tmp_path / "other")
    ingested = fresh(other, folder)
    for name in ("retail", "web"):
        unit = stages.validate(other, settings(), ingested, name)
        for stage in (stages.anomalies, stages.champion, stages.forecast, stages.risk):
            unit = unit.having(**stage(other, settings(), unit))
        mine = Unit.model_validate(manifest(store)["units"][name])
        assert {each: mine.references[each] for each in ANSWERS} == {each: unit.references[each] for each in ANSWERS}
    assert served.complete
    assert [each.business_unit for each in served.business_units] == ["retail", "web"]
    assert sum(served.tiers.values()) == 3
    assert all(store.read(key) for key in served.written)


def test_it_tells_how_the_last_forecast_fared_on_what_came_since(store: Store, folder: Path) -> None:
    old = frames.from_table(
        read_table(store, reference(store, "forecasts/cadence=daily/as_of=2026-05-01/business_unit=retail"))
    )
    served = stages.serve(store, settings(), fresh(store, folder), RUN)
    retail = served.business_units[0]
    came = np.column_stack([values_of(name)[DAYS:] for name in old.series[SERVER_ID]])
    assert retail.mae["cpu"] == pytest.approx(np.abs(came - old.median[:WEEK]).mean(), abs=1e-3)
    assert retail.mae_as_of == "2026-05-01T00:00:00+00:00"


def reference(store: Store, below: str) -> Reference:
    found = store.reference(f"{below}/part-0.parquet")
    assert found is not None
    return found


def test_a_finished_run_of_the_same_period_keeps_all_its_tables(store: Store) -> None:
    before = {key: store.read(key) for key in store.keys("") if not key.startswith(("locks/", "raw/"))}
    stages.serve(store, settings(), stages.from_lake(store, settings(), as_of="2026-05-01"), RUN)
    assert {key: store.read(key) for key in before} == before


def test_the_manifest_comes_last_and_holds_the_answer(store: Store, folder: Path) -> None:
    served = stages.serve(store, settings(), fresh(store, folder), RUN)
    assert manifest(store)["served"] == served.model_dump(mode="json")
    summary = json.loads(store.read("runs/lambda-1/attempt=1/summary.json"))
    assert (summary["as_of"], summary["servers"]) == (served.as_of, 3)
    assert summary["models"] == {"fleet": 3}


def test_without_a_source_the_lake_itself_is_forecast_from(store: Store, folder: Path, tmp_path: Path) -> None:
    ingested = fresh(store, folder)
    by_source = stages.serve(store, settings(), ingested, RUN)
    from_lake = stages.from_lake(store, settings())
    same = ("cadence", "as_of", "observations", "shapes", "prices", "quarantine", "business_units", "servers")
    assert all(getattr(from_lake, name) == getattr(ingested, name) for name in same)
    again = stages.serve(store, settings(), from_lake, RUN.model_copy(update={"run_id": "lambda-2"}))
    assert again.business_units == by_source.business_units
    earlier = stages.from_lake(store, settings(), as_of="2026-05-01")
    assert earlier.cut_off == START + pd.Timedelta(days=DAYS)
    for strange in ("2099-01-01", "2026-06-02", "2026-01-01", "1990-01-01"):
        with pytest.raises(
            NoUsableInputError, match=rf"as_of {strange}.* holds daily .* from 2026-01 to before 2026-06"
        ):
            stages.from_lake(store, settings(), as_of=strange)
    with pytest.raises(NoUsableInputError, match="no observations: ingest some"):
        stages.from_lake(Store(tmp_path / "empty"), settings())


def test_a_champion_of_another_kind_answers_with_the_engine_that_is_kept_beside_it(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trained(folder, tmp_path / "naive", "seasonal-naive")
    monkeypatch.setattr(champions, "model_kind", lambda name: pytest.fail(f"{name} was loaded"))  # and its library
    served = stages.serve(other, settings("seasonal-naive"), fresh(other, folder, "seasonal-naive"), RUN)
    assert [each.fell_back for each in served.business_units] == ["seasonal-naive"] * 2
    stages.serve(store, settings(), fresh(store, folder), RUN)
    for dataset in ("forecasts", "risks", "servers", "backtests"):
        key = f"{dataset}/cadence=daily/as_of=2026-05-08/business_unit=retail"
        by_engine, instead = (read_frame(each, reference(each, key)) for each in (store, other))
        hidden = ["model_version"] if dataset == "forecasts" else []
        pd.testing.assert_frame_equal(by_engine.drop(columns=hidden), instead.drop(columns=hidden))
    row = read_frame(other, reference(other, "champions/cadence=daily/as_of=2026-05-08/business_unit=retail")).iloc[0]
    assert row["kind"] == "fleet"
    assert "the model is of kind seasonal-naive, its fall-back forecasts here" in row["reason"]


def test_a_unit_without_champion_is_named_and_the_others_go_on(folder: Path, tmp_path: Path) -> None:
    store = trained(folder, tmp_path / "lake", units=("web",))
    served = stages.serve(store, settings(), fresh(store, folder), RUN)
    assert list(served.problems) == ["retail"]
    assert "train" in served.problems["retail"]
    assert [each.business_unit for each in served.business_units] == ["web"]
    assert not served.complete


@pytest.mark.parametrize(
    ("error", "kind"),
    [(ValueError("odd"), None), (LakeError("503"), LakeError)],
)
def test_whatever_one_unit_meets_the_others_go_on(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception] | None
) -> None:
    """What may pass ends the run after the others, so that it is tried again; the rest is on record."""

    def met(store: Store, settings: Settings, unit: Unit) -> dict[str, Reference]:
        if unit.business_unit == "retail":
            raise error
        return stages.anomalies(store, settings, unit)

    monkeypatch.setattr(sys.modules[stages.serve.__module__], "anomalies", met)
    ingested = stages.ingest(store, settings(), observed(folder, DAYS + WEEK))
    if kind is None:
        made = stages.serve(store, settings(), ingested, RUN)
        assert made.problems == {"retail": "retail: unexpected ValueError: odd"}
    else:
        with pytest.raises(kind, match=str(error)):
            stages.serve(store, settings(), ingested, RUN)
        assert not [key for key in store.keys("runs") if key.endswith("manifest.json")]
    folders = store.keys("risks/cadence=daily/as_of=2026-05-08")
    assert [key.split("/")[3] for key in folders] == ["business_unit=web"]


def test_where_no_unit_can_be_forecast_it_fails(folder: Path, tmp_path: Path) -> None:
    store = trained(folder, tmp_path / "lake", units=())
    with pytest.raises(ModelError, match="retail"):
        stages.serve(store, settings(), fresh(store, folder), RUN)
    assert not store.keys("runs")


def test_what_there_is_no_time_for_is_not_begun_and_nothing_is_on_record(store: Store, folder: Path) -> None:
    asked = []

    def in_time() -> bool:
        asked.append(True)
        return len(asked) < 2

    with pytest.raises(OutOfTimeError, match="1 of 2 business units are left, from 'web' on") as caught:
        stages.serve(store, settings(), fresh(store, folder), RUN, in_time=in_time)
    assert caught.value.retryable
    assert not store.keys("runs")


def test_a_run_that_adds_to_the_history_meanwhile_is_no_problem_of_a_unit(store: Store, folder: Path) -> None:
    """The unit is not left out of a run that is then on record as done: a new run may pass."""
    ingested = fresh(store, folder)
    asked = []

    def in_time() -> bool:
        asked.append(True)
        if len(asked) == 2:  # before the second unit another delivery comes
            stages.ingest(store, settings(), observed(folder, DAYS + WEEK, ("retail-z",)))
        return True

    with pytest.raises(StaleReferenceError, match="another run has added to the lake"):
        stages.serve(store, settings(), ingested, RUN, in_time=in_time)
    assert not store.keys("runs")
