"""The tables `champions` and `drift` in the summary."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from model_samples import NONE_BEFORE, champion_row, champions_frame, drift_rows

from capforecast.report.model_parts import drift_checks, model_versions


def test_versions_are_ordered_by_business_unit_and_rounded() -> None:
    found = model_versions(champions_frame({"retail": "kept", "media": "first"}))
    assert [model.business_unit for model in found] == ["media", "retail"]
    assert found[0].relative_mae == pytest.approx(0.781235, abs=0)
    assert (found[0].ratio, found[1].ratio) == (None, 0.99)
    assert (found[0].series_compared, found[1].series_compared) == (0, 118)


def test_columns_a_table_lacks_are_not_known_and_further_ones_do_not_matter() -> None:
    few = ("business_unit", "version", "kind", "model_as_of", "action")
    row = {name: champion_row("media")[name] for name in few} | {"colour": "blue"}
    found = model_versions(pd.DataFrame([row]))[0]
    assert (found.relative_mae, found.challenger, found.previous_as_of, found.age_days) == (None, "", "", None)


@pytest.mark.parametrize("nothing", [None, np.nan, float("inf"), pd.NA])
def test_no_figure_is_null_never_nan(nothing: object) -> None:
    frame = pd.DataFrame([champion_row("media", coverage_80=nothing)])
    assert model_versions(frame)[0].coverage_80 is None


def test_a_time_column_is_told_as_iso() -> None:
    frame = pd.DataFrame([champion_row("media", model_as_of=pd.Timestamp("2025-12-22", tz="UTC"))])
    assert model_versions(frame)[0].model_as_of == "2025-12-22T00:00:00+00:00"


def test_alarms_come_first_and_sentences_begin_with_the_business_unit() -> None:
    rows = drift_rows("media") + drift_rows("retail", alarms=("tier_change",))
    found = drift_checks(pd.DataFrame(rows))
    assert (found[0].business_unit, found[0].check, found[0].alarm) == ("retail", "tier_change", True)
    assert not any(check.alarm for check in found[1:])
    assert [check.check for check in found[1:6]] == sorted(row["check"] for row in rows[:5])
    assert found[0].sentence == "retail: tier change: 41 of 120 series are over their limit"
    again = pd.DataFrame([found[0].model_dump()])
    assert drift_checks(again)[0].sentence == found[0].sentence, "never named twice"


def test_a_check_that_could_not_be_made_has_no_value() -> None:
    found = drift_checks(pd.DataFrame(drift_rows("media", before=False)))
    assert {check.check: check.value is None for check in found} == {
        "forecast_change": True, "tier_change": True, "live_error": True, "input_level": False, "input_spread": False,
    }  # fmt: skip
    assert f"media: {NONE_BEFORE}" in {check.sentence for check in found}


def test_no_table_no_parts() -> None:
    assert model_versions(pd.DataFrame()) == []
    assert drift_checks(pd.DataFrame()) == []
