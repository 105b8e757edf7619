"""The run key: the same for the same inputs, settings and code, another for any other."""

from __future__ import annotations

import pytest

from capforecast.exchange import Ingested, Unit
from capforecast.schema import Cadence, Reference
from capforecast.settings import Settings
from capforecast.stages import provenance as module
from capforecast.stages.provenance import provenance


def reference(content: str, uri: str = "x/part-0.parquet") -> Reference:
    return Reference(uri=uri, sha256=content * 8, rows=1)


def ingested(**changes: object) -> Ingested:
    usual = {
        "cadence": Cadence.DAILY, "as_of": "2026-03-02T00:00:00+00:00", "observations": [], "known_at": None,
        "inventory": reference("a"), "shapes": reference("b"), "prices": reference("c"), "quarantine": reference("d"),
        "validation": reference("e"), "business_units": ["media", "retail"], "servers": 2, "files": 1,
        "files_refused": 0, "rows_read": 2, "rows_used": 2, "rows_rejected": 0, "values_rejected": 0, "duplicates": 0,
        "rejected_by_reason": {},
    }  # fmt: skip
    return Ingested(**(usual | changes))


def unit(name: str, **references: Reference) -> Unit:
    usual = {
        "processed": reference(name), "inventory": reference("i"), "risks": reference("r"),
        "model": reference("m", f"models/cadence=daily/business_unit={name}/2026-03-02-{name}/manifest.json"),
    }  # fmt: skip
    return Unit(cadence=Cadence.DAILY, as_of="2026-03-02T00:00:00+00:00", business_unit=name, servers=1, series=1,
                usable=1, horizon=90, references=usual | references)  # fmt: skip


UNITS = [unit("media"), unit("retail")]
USUAL = (ingested(), UNITS, Settings(), {"actions": reference("z")})


def key(*changed: object) -> str:
    return provenance(*changed).run_key  # type: ignore[arg-type]


def test_the_same_run_has_the_same_key_in_every_order_of_units_and_whatever_it_is_called() -> None:
    history, units, settings, extras = USUAL
    assert key(*USUAL) == key(history, units[::-1], settings, extras)
    elsewhere = Settings.model_validate({"store": "/another/place", "flow": {"retries": 0}})
    assert key(*USUAL) == key(history, units, elsewhere, extras)
    later = unit("media", risks=reference("other"))  # what a stage made of the same says nothing new
    assert key(*USUAL) == key(history, [later, units[1]], settings, extras)


@pytest.mark.parametrize(
    "changed",
    [
        (ingested(as_of="2026-03-09T00:00:00+00:00"), *USUAL[1:]),
        (ingested(prices=reference("other")), *USUAL[1:]),
        (ingested(known_at="2026-03-01T00:00:00+00:00"), *USUAL[1:]),
        (USUAL[0], [unit("media", processed=reference("other")), UNITS[1]], *USUAL[2:]),
        (USUAL[0], [unit("media", previous_servers=reference("before")), UNITS[1]], *USUAL[2:]),
        (USUAL[0], UNITS[:1], *USUAL[2:]),
        (*USUAL[:2], Settings.model_validate({"metrics": {"cpu": {"high": 70}}}), USUAL[3]),
        (*USUAL[:2], Settings.model_validate({"prices": {"currency": "EUR"}}), USUAL[3]),
        (*USUAL[:3], {"actions": reference("other decisions")}),
    ],
    ids=["as of", "prices", "known at", "observations", "earlier run", "a unit", "threshold", "currency", "decisions"],
)
def test_any_other_input_or_setting_has_another_key(changed: tuple[object, ...]) -> None:
    assert key(*changed) != key(*USUAL)


def test_other_code_and_other_libraries_have_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = provenance(*USUAL)
    assert before.models == {"media": "2026-03-02-media", "retail": "2026-03-02-retail"}
    assert {"capforecast", "Python", "numpy", "pandas"} <= set(before.versions)
    monkeypatch.setattr(module, "code_fingerprint", lambda: "0" * 64)
    other = provenance(*USUAL)
    assert (other.inputs, other.settings) == (before.inputs, before.settings)
    assert other.run_key != before.run_key
    monkeypatch.setattr(module, "versions", lambda: {"numpy": "1.0"})
    assert provenance(*USUAL).run_key not in (before.run_key, other.run_key)


def test_a_report_drawn_again_by_other_code_keeps_the_key_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    given = USUAL
    made = provenance(*given)
    monkeypatch.setattr(module, "code_fingerprint", lambda: "f" * 64)
    assert provenance(*given).run_key != made.run_key
    assert provenance(*given, made.code + "0" * 52, made.versions) == made
