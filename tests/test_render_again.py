"""`capforecast report` of a run that another version made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capforecast import configuration, stages
from capforecast.errors import StaleReferenceError, UsageError
from deployments.reports import Wanted, render_again


def test_inputs_of_another_version_are_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "reports/cadence=daily/as_of=2025-09-12"
    folder.mkdir(parents=True)
    content = {"ingested": {"cadence": "daily"}, "units": [], "problems": {}, "settings": {}}
    (folder / "inputs.json").write_text(json.dumps(content))
    loaded = configuration.load(overrides={"store": str(tmp_path)})
    with pytest.raises(UsageError, match=r"another version of capforecast .*run again with --as-of 2025-09-12"):
        render_again(loaded, Wanted("2025-09-12"), ("json",), None)


def test_tables_that_a_later_run_replaced_are_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reports/cadence=daily/as_of=2025-09-12"
    folder.mkdir(parents=True)
    rows = ("rows_read", "rows_used", "rows_rejected", "values_rejected", "duplicates")
    counts = dict.fromkeys(("servers", "files", "files_refused", *rows), 0)
    table = {"uri": "x", "sha256": "0", "rows": 0}
    ingested = {
        "cadence": "daily", "as_of": "2025-09-12T00:00:00+00:00", "known_at": None, "business_units": ["retail"],
        "rejected_by_reason": {}, **dict.fromkeys(("inventory", "shapes", "quarantine", "validation"), table), **counts,
    }  # fmt: skip
    content = {"ingested": ingested, "units": [], "problems": {}, "settings": {}}
    (folder / "inputs.json").write_text(json.dumps(content))
    loaded = configuration.load(overrides={"store": str(tmp_path)})

    def replaced(*given: object) -> None:
        raise StaleReferenceError("risks/...retail has changed")

    monkeypatch.setattr(stages, "render", replaced)
    with pytest.raises(StaleReferenceError, match=r"later run of that day.*retail.*--as-of 2025-09-12"):
        render_again(loaded, Wanted("2025-09-12"), ("json",), None)
