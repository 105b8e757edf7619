"""`capforecast report` of a run that another version made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capforecast import configuration
from capforecast.errors import UsageError
from deployments.direct import render_again


def test_inputs_of_another_version_are_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "reports/cadence=daily/as_of=2025-09-12"
    folder.mkdir(parents=True)
    content = {"ingested": {"cadence": "daily"}, "units": [], "problems": {}, "settings": {}}
    (folder / "inputs.json").write_text(json.dumps(content))
    loaded = configuration.load(overrides={"store": str(tmp_path)})
    with pytest.raises(UsageError, match=r"another version of capforecast .*run again with --as-of 2025-09-12"):
        render_again(loaded, "2025-09-12", "daily")
