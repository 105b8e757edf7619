"""What a report was made from stands at its end, in print and in the workbook."""

from __future__ import annotations

import dataclasses

from action_samples import with_actions
from report_samples import report_data, servers_frame
from test_excel import opened

from capforecast.report.pdf import render_html
from capforecast.report.provenance_words import made_from
from capforecast.report.summary_provenance import Provenance
from capforecast.settings import ReportSettings

MADE = Provenance(
    run_key="4711abc", inputs="in1", settings="set2", code="co3", versions={"numpy": "2.4", "pandas": "3.1"}
)


def test_key_versions_and_price_date_are_printed_and_in_the_workbook() -> None:
    data = with_actions(report_data(servers_frame(30), fans=0))
    data = dataclasses.replace(data, summary=data.summary.model_copy(update={"provenance": MADE}))
    rows = dict(made_from(data.summary))
    assert rows["Run key"].startswith("4711abc: from inputs in1, settings set2, code co3")
    assert rows["Versions"] == "numpy 2.4 and pandas 3.1"
    for source in data.summary.actions.price_sources:
        assert source in rows["Prices"]
    page = render_html(data, ReportSettings())
    sheet = [line[:3] for line in opened(data)["Definitions"].iter_rows(values_only=True)]
    for name, text in rows.items():
        assert f"<td>{name}</td><td>{text}</td>" in page
        assert ("Report", name, text) in sheet


def test_what_is_not_on_record_is_not_named() -> None:
    assert made_from(report_data(servers_frame(5), fans=0).summary) == []
