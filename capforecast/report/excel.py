"""The workbook: everything the printed report has no room for. Same input, same bytes; text is never a formula."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from capforecast.report import style
from capforecast.report.action_sheets import write_actions
from capforecast.report.answer import headline
from capforecast.report.changes_sheet import write_changes
from capforecast.report.changes_words import changes_fact
from capforecast.report.columns import PLACE, SCORES, Column, columns_of, risk_order
from capforecast.report.data import ReportData, as_of_time, breach_dates, ranked_servers, text_column, worst_first
from capforecast.report.evidence_sheets import write_evidence
from capforecast.report.forecast_sheets import ForecastTable, forecast_table
from capforecast.report.model_sheets import write_models
from capforecast.report.native_charts import tier_chart
from capforecast.report.page_actions import actions_fact
from capforecast.report.page_models import models_fact
from capforecast.report.provenance_words import made_from
from capforecast.report.rollup_charts import by_risk
from capforecast.report.sentences import forecast_by
from capforecast.report.sheets import Over, Sheets
from capforecast.report.summary import Accuracy, RunSummary
from capforecast.report.what_if_part import what_if_fact, write_what_if
from capforecast.report.words import quoted, reason_text
from capforecast.schema import BACKTEST_COLUMNS, DIMENSIONS, RISK_COLUMNS, SERVER_ID, TIER_ORDER, Tier
from capforecast.settings import ReportSettings


def render_workbook(data: ReportData, settings: ReportSettings) -> bytes:
    """The report as .xlsx: all servers and series, accuracy, quality and definitions, dated `as_of`.

    A table longer than a sheet can be is cut; its sheet and the summary say so and where in the lake the whole is.
    """
    import xlsxwriter

    buffer = io.BytesIO()
    options = {"use_zip64": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
               "nan_inf_to_errors": False}  # fmt: skip
    book = xlsxwriter.Workbook(buffer, options)
    summary = data.summary
    book.set_properties(
        {"title": summary.title, "company": summary.organisation, "author": f"capforecast {summary.product_version}",
         "subject": headline(summary), "created": as_of_time(summary).to_pydatetime()}
    )  # fmt: skip
    sheets = Sheets(book, settings.page_size, f"{summary.title}, as of {as_of_time(summary):%Y-%m-%d}", data.partition)
    front = _summary_sheet(sheets, summary)
    forecasts = forecast_table(data)
    for table in _server_tables(data, forecasts):
        table.write(sheets)
    forecasts.write(sheets)
    write_changes(sheets, data)
    write_what_if(sheets, data)
    write_actions(sheets, data)
    write_evidence(sheets, data)
    for table in _accuracy_tables(data):
        table.write(sheets)
    write_models(sheets, data)
    _quality_sheet(sheets, summary)
    _sources_sheet(sheets, data.sources)
    _definitions_sheet(sheets, summary)
    if sheets.shortened:
        front.write_string(2, 0, f"NOT WHOLE HERE: {'. '.join(sheets.shortened)}", sheets.format("alarm"))
    book.close()
    return buffer.getvalue()


class _Table(NamedTuple):
    """A sheet that is one table; columns named neither in `printed` nor in `further` follow."""

    name: str
    frame: pd.DataFrame
    printed: tuple[str, ...]
    further: tuple[str, ...]
    empty: str  # what to say when there is no row
    dataset: str = ""  # of the lake, which holds all rows
    over: tuple[Over, ...] = ()

    def write(self, sheets: Sheets) -> None:
        columns = columns_of(self.frame, (*self.printed, *self.further))
        printed = sum(column.key in self.printed for column in columns)
        sheets.table(
            self.name, self.frame, columns, self.empty, printed, dataset=self.dataset,
            over=[rule for rule in self.over if rule.first in self.frame],
        )  # fmt: skip


def _server_tables(data: ReportData, forecasts: ForecastTable) -> list[_Table]:
    servers = forecasts.outlook(_with_dates(ranked_servers(data), data.summary))
    risks = forecasts.outlook(_with_dates(_columns(worst_first(data.risks), RISK_COLUMNS), data.summary))
    return [
        _Table("Servers", servers, *risk_order(servers), empty="No server was read.", dataset="servers"),
        _Table("Risks", risks, *risk_order(risks), empty="No series was read.", dataset="risks"),
        _Table("Unknown", _unknown(data), (), (), empty="Every server could be forecast."),
    ]


def _accuracy_tables(data: ReportData) -> list[_Table]:
    accuracy = pd.DataFrame([row.model_dump() for row in data.summary.accuracy], columns=list(Accuracy.model_fields))
    accuracy["business_unit"] = accuracy["business_unit"].fillna("(fleet)").astype("str")
    backtests = _columns(data.backtests, BACKTEST_COLUMNS)
    worse = (Over("relative_mae", "relative_mae", 1.0),)
    no_backtest = "No series had enough history for a backtest."
    return [
        _Table("Accuracy", accuracy, ("business_unit", "metric", *SCORES), (), no_backtest, over=worse),
        _Table("Accuracy by series", backtests, (*PLACE, "metric", *SCORES), (), no_backtest, "backtests", worse),
    ]


def _columns(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """The frame, with headings even when it is empty and has none."""
    return frame if len(frame.columns) else pd.DataFrame(columns=list(names))


def _with_dates(frame: pd.DataFrame, summary: RunSummary) -> pd.DataFrame:
    """With the dates that days to breach fall on."""
    names = {"days_q10": "breach_10", "days_q50": "breach_50", "days_q90": "breach_90"}
    return frame.assign(**{to: breach_dates(frame[name], summary) for name, to in names.items() if name in frame})


def _unknown(data: ReportData) -> pd.DataFrame:
    servers = data.servers
    unknown = servers[text_column(servers, "tier") == Tier.UNKNOWN]
    frame = pd.DataFrame({name: text_column(unknown, name) for name in (SERVER_ID, *DIMENSIONS, "reason")})
    texts = [reason_text(reason) for reason in frame["reason"]]
    frame["meaning"] = pd.Series([meaning for meaning, _ in texts], index=frame.index, dtype="str")
    frame["fix"] = pd.Series([fix for _, fix in texts], index=frame.index, dtype="str")
    return frame.sort_values(["reason", "business_unit", SERVER_ID], kind="stable")


def _summary_sheet(sheets: Sheets, summary: RunSummary) -> Any:
    """The answer, the missing units, and servers by tier in every roll-up, with a chart; row 3 is left free."""
    sheet, form = sheets.page("Summary", (34, *(11,) * 7), repeat_row=None)
    for at, height in ((0, 26), (3, 19)):
        sheet.set_row(at, height)
    sheet.write_string(0, 0, style.printable(summary.title), form("title"))
    facts = f"{summary.organisation + ', ' if summary.organisation else ''}as of {as_of_time(summary):%Y-%m-%d} (UTC, "
    facts += f"exclusive), {summary.cadence} data, horizon {summary.horizon}, forecast by {forecast_by(summary.models)}"
    sheet.write_string(1, 0, style.printable(facts), form("muted"))
    sheet.write_string(3, 0, headline(summary), form("headline"))
    row = _notes(sheet, form, summary)
    row = _missing(sheet, form, summary, row)
    finished = sorted(
        (u for u in summary.business_units if u.status != "failed"), key=lambda u: (*by_risk(u.tiers), u.name)
    )
    groups: list[tuple[str, list[tuple[str, Any]]]] = [
        ("Business unit", [(u.name, u.tiers) for u in finished] + [("Fleet", summary.tiers)]),
        ("Region", [(r.region or "", r.tiers) for r in summary.by_region]),
        ("Criticality", [(r.criticality or "", r.tiers) for r in summary.by_criticality]),
        ("Business unit x region",
         [(f"{r.business_unit}, {r.region}", r.tiers) for r in summary.by_unit_and_region]),
    ]  # fmt: skip
    for title, rows in groups:
        if rows:
            first = row
            row = _tier_table(sheet, form, row, title, rows)
            if title == "Business unit" and len(finished) > 1:
                row = tier_chart(sheets, sheet, "Summary", first, len(finished), row)
    sheet.activate()
    return sheet


def _notes(sheet: Any, form: Callable[[str], Any], summary: RunSummary) -> int:
    """What to know besides the headline, below it; returns the first row after."""
    row = 4
    notes = [f"Warnings: {summary.warnings.sentence}"] if summary.warnings is not None else []
    facts = (changes_fact(summary), actions_fact(summary), models_fact(summary), what_if_fact(summary))
    notes += [f"{known[0]}: {known[1]}" for known in facts if known]
    for note in notes:
        sheet.write_string(row, 0, style.printable(note), form("text"))
        row += 1
    return row + 1


def _missing(sheet: Any, form: Callable[[str], Any], summary: RunSummary, row: int) -> int:
    """Business units without figures, and why; returns the first row after."""
    failed = [u for u in summary.business_units if u.status == "failed"]
    if not failed and summary.complete:
        return row
    sheet.write_string(row, 0, f"INCOMPLETE: {len(failed)} business unit(s) missing; no figure here includes them",
                       form("alarm"))  # fmt: skip
    for unit in failed:
        row += 1
        sheet.write_string(row, 0, style.printable(unit.name), form("text"))
        sheet.write_string(row, 1, style.printable(unit.problem or "failed"), form("muted"))
    return row + 2


def _tier_table(sheet: Any, form: Callable[[str], Any], row: int, title: str, rows: list[tuple[str, Any]]) -> int:
    """Servers by tier, one line per group; returns the first row below."""
    for column, head in enumerate((title, "servers", *TIER_ORDER)):
        sheet.write_string(
            row, column, str(head), form(f"tier_{head}_head" if column > 1 else "head_number" if column else "head")
        )
    for name, tiers in rows:
        row += 1
        total = name == "Fleet"
        sheet.write_string(row, 0, style.printable(name), form("total_text" if total else "text"))
        for column, number in enumerate((tiers.total, *(getattr(tiers, t) for t in TIER_ORDER)), 1):
            sheet.write_number(row, column, number, form("total_count" if total else "count"))
    return row + 2


def _quality_sheet(sheets: Sheets, summary: RunSummary) -> None:
    quality = summary.quality
    rows = [("Files read", quality.files), ("Files refused", quality.files_refused), ("Rows read", quality.rows_read),
            ("Rows used", quality.rows_used), ("Rows rejected", quality.rows_rejected),
            ("Duplicates set aside", quality.duplicates),
            ("Values rejected in rows that were used", quality.values_rejected)]  # fmt: skip
    reasons = sorted(quality.rejected_by_reason.items(), key=lambda item: (-item[1], item[0]))
    rows += [(f"Entries in quarantine: {reason.replace('_', ' ')}", number) for reason, number in reasons]
    frame = pd.DataFrame({"what": [r[0] for r in rows], "rows": [r[1] for r in rows]})
    columns = [
        Column("what", "What", "What was counted.", width=60),
        Column("rows", "Number", "How many.", "count", 14),
    ]
    sheets.table("Quality", frame, columns, "")


def _sources_sheet(sheets: Sheets, files: pd.DataFrame) -> None:
    """What became of the rows of each file."""
    columns = [
        Column("file", "File", "Where it was read.", width=50),
        Column("kind", "Kind", "Observations or inventory.", width=13),
        Column("refused", "Refused", "Was the file refused as a whole?", "flag", 9),
        Column("rows_read", "Rows read", "Rows of the file: used, rejected and duplicates together.", "count", 11),
        Column("rows_used", "Rows used", "Rows that went on.", "count", 11),
        Column("rows_rejected", "Rows rejected", "Rows set aside whole; each stands in quarantine.", "count", 11),
        Column("duplicates", "Duplicates", "Rows that say what another row says.", "count", 11),
        Column("values_rejected", "Values rejected", "Single values set aside in rows that were used.", "count", 11),
        Column("rejected_share", "Share rejected", "Rows rejected over rows read.", "share", 9),
        Column("reasons", "Reasons", "Entries in quarantine by reason.", width=44),
        Column("problem", "Problem", "Why the file was refused.", width=60),
    ]
    sheets.table("Sources", files.reindex(columns=[each.key for each in columns]), columns, "No file was counted.", 10)


def _definitions_sheet(sheets: Sheets, summary: RunSummary) -> None:
    """Terms of the report, then every column of the workbook, then what it was made from."""
    terms = [("Term", term.replace("_", " "), quoted(text)) for term, text in summary.definitions.items()]
    columns = [("Column", column.title, quoted(column.note)) for column in sheets.explained]
    origin = [("Report", name, text) for name, text in made_from(summary)]
    frame = pd.DataFrame(terms + columns + origin, columns=["kind", "name", "meaning"])
    sheets.table(
        "Definitions", frame,
        [Column("kind", "Kind", "Term, column of this workbook, or what the report is made from.", width=10),
         Column("name", "Name", "Term or heading.", width=26),
         Column("meaning", "Meaning", "How it is defined.", width=110, wrap=True)],
        "", rows_on_paper=len(frame),
    )  # fmt: skip
