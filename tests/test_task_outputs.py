"""What Prefect's pages show of data: text of names stays text."""

from __future__ import annotations

import re

import pytest

from capforecast.schema import TIER_ORDER
from tasks.outputs import _markdown


@pytest.mark.parametrize(
    "name", ["![x](https://evil.example/x.png)", "[x](https://evil.example)", "<img src=x>", "a\n# b"]
)
def test_a_name_is_no_link_image_or_heading_in_the_summary(name: str) -> None:
    unit = {"name": name, "status": "failed", "problem": name}
    summary = {
        "title": name, "as_of": "2026-11-23", "tiers": dict.fromkeys(TIER_ORDER, 0), "servers": 1, "horizon": "90 d",
        "top_risks": [{"server_id": name, "sentence": f"{name}: above"}], "changes": None, "actions": None,
        "warnings": None, "pools": [], "business_units": [unit], "model_versions": [], "drift": [],
    }  # fmt: skip
    shown = _markdown(summary)
    assert not re.search(r"(?<!\\)[\[<]", shown)  # all are escaped
    assert "\n# b" not in shown
    assert name[-3:-1] in shown
