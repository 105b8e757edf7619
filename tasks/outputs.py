"""Tasks on outputs: the report, the run's record, and what people see in the Prefect UI."""

from __future__ import annotations

import json
import re
from typing import Any

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from capforecast import stages
from capforecast.exchange import Ingested, Published, Unit
from capforecast.lake.runs import record
from capforecast.report.model_notes import model_notes
from capforecast.report.style import printable
from capforecast.schema import FLEET, Reference
from tasks.common import Job, executed, slug, stage_task

POOLS = (
    "demand against usable capacity, vCPU and GiB, the first to run out on top. Daily P95s of servers are added up as "
    "if all peaked at once: as a rule more than the pool needs at any moment"
)
MOST_POOLS = 500  # rows of an artifact
FILES = ("pdf", "workbook", "html", "summary")  # of a report, among its references


@stage_task("report", actions=True, run_name="report")
def report(
    job: Job,
    ingested: dict[str, Any],
    units: list[dict[str, Any]],
    problems: dict[str, str],
    extras: dict[str, Any],
) -> dict[str, Any]:
    """Report of the run, and of each business unit, of what is there, saying what is missing."""
    history, finished = Ingested.model_validate(ingested), [Unit.model_validate(unit) for unit in units]

    tables = {name: Reference.model_validate(reference) for name, reference in extras.items()}

    def work() -> dict[str, Any]:
        return stages.report(job.store, job.settings, history, finished, problems, tables).model_dump(mode="json")

    return executed(job, "report", FLEET, work)


@task(name="record", task_run_name="record", cache_policy=NO_CACHE, persist_result=False)
def write_record(
    job: Job, content: dict[str, Any], units: list[dict[str, Any]], published: dict[str, Any] | None
) -> str:
    """The attempt's immutable record in the lake; returns its address."""
    finished = [Unit.model_validate(unit) for unit in units]
    made = Published.model_validate(published) if published is not None else None
    return record(job.store, job.run, content, finished, made).uri


@task(name="show-unit", task_run_name="show-{business_unit}", cache_policy=NO_CACHE)
def show_unit(job: Job, unit: dict[str, Any], business_unit: str) -> None:
    """Tables of one business unit in the Prefect UI: tiers, worst servers, unknown servers."""
    seen = stages.overview(job.store, Unit.model_validate(unit))
    short = slug(business_unit)
    create_table_artifact(
        key=f"tiers-{short}", table=[seen.tiers], description=f"{business_unit}: servers by risk tier"
    )
    create_table_artifact(
        key=f"risks-{short}", table=seen.worst, description=f"{business_unit}: servers at risk, worst first"
    )
    quality = [{"reason": reason, "servers": count} for reason, count in seen.unknown.items()]
    create_table_artifact(
        key=f"quality-{short}", table=quality, description=f"{business_unit}: unknown servers by reason"
    )
    pools = stages.pool_overview(job.store, Unit.model_validate(unit).references["pools"])
    create_table_artifact(key=f"pools-{short}", table=pools, description=f"{business_unit}: {POOLS}")


@task(name="show-pools", task_run_name="show-pools", cache_policy=NO_CACHE)
def show_pools(job: Job, totals: dict[str, Any]) -> None:
    """Sums of pools in the Prefect UI: each business unit, each region, the fleet."""
    if totals:
        rows = stages.pool_overview(job.store, Reference.model_validate(totals["pools"]))
        create_table_artifact(key="pools", table=rows, description=f"Fleet: {POOLS}")


@task(name="show-scorecard", task_run_name="show-scorecard", cache_policy=NO_CACHE)
def show_scorecard(job: Job, scored: dict[str, Any]) -> None:
    """How often past warnings came true, beside the rules of thumb, in the Prefect UI."""
    text = stages.scorecard_overview(job.store, Reference.model_validate(scored["scorecard"]))
    create_markdown_artifact(key="scorecard", markdown=text, description="How often past warnings came true")


@task(name="show-actions", task_run_name="show-actions", cache_policy=NO_CACHE)
def show_actions(job: Job, made: dict[str, Any]) -> None:
    """What the advice saves and costs, in the Prefect UI."""
    rows = stages.actions_overview(job.store, Reference.model_validate(made["savings"]))
    create_table_artifact(
        key="actions", table=rows, description="Advice and its monthly cost; below 0 is a saving, with its 80 % range"
    )


@task(name="show-sources", task_run_name="show-sources", cache_policy=NO_CACHE)
def show_sources(job: Job, ingested: dict[str, Any]) -> None:
    """What became of the rows of each file, in the Prefect UI."""
    rows = stages.source_overview(job.store, Ingested.model_validate(ingested))
    create_table_artifact(key="validation", table=rows, description="Rows of each file: used, rejected, duplicates")


@task(name="show-report", task_run_name="show-report", cache_policy=NO_CACHE)
def show_report(job: Job, published: dict[str, Any]) -> None:
    """The fleet at a glance in the Prefect UI, with links to the report's files."""
    made = Published.model_validate(published)
    summary = json.loads(job.store.fetch(made.references["summary"]))
    rows = [
        {"business unit": unit["name"], "status": unit["status"]}
        | (unit["tiers"] if unit["status"] == "finished" else dict.fromkeys(unit["tiers"], ""))
        for unit in summary["business_units"]
    ]
    create_table_artifact(key="fleet-summary", table=rows, description=f"Servers by tier, as of {_day(made.as_of)}")
    pools = [
        {
            name: pool[name]
            for name in ("name", "servers", "usable", "demand_now", "peak_q90", "p_90d", "buy_q90", "buy_by")
        }
        for pool in summary["pools"][:MOST_POOLS]
    ]
    create_table_artifact(
        key="tightest-pools", table=pools, description="Demand against what is usable (vCPU, GiB), tightest first"
    )
    _link(job, made)
    create_markdown_artifact(key="capacity-summary", markdown=_markdown(summary), description="The answer in short")


@task(name="deliver", task_run_name="deliver", cache_policy=NO_CACHE, persist_result=False)
def deliver(job: Job, published: dict[str, Any]) -> list[dict[str, Any]]:
    """Tell people that the report is there; what could not be sent is a warning and stands in the Prefect UI."""
    references = Published.model_validate(published).references
    rows = stages.deliver(job.store, job.settings, references)
    create_table_artifact(key="delivery", table=rows, description="Who was told of the report")
    return rows


def _link(job: Job, made: Published) -> None:
    """A link to each file of the report, and those of the business units in one table."""
    for name in FILES:
        if name in made.references:
            link = job.address(made.references[name])
            create_link_artifact(
                key=f"report-{name}",
                link=link,
                link_text=f"Capacity report ({name})",
                description=f"The report as of {_day(made.as_of)}: {name}",
            )
    rows = []
    for unit, references in made.business_units.items():
        links = {name: job.address(references[name]) for name in FILES if name in references}
        rows.append(
            {"business unit": unit} | {name: f"[{name}]({links[name]})" if name in links else "" for name in FILES}
        )
    if rows:
        create_table_artifact(key="unit-reports", table=rows, description="The report of each business unit")


def _day(moment: str) -> str:
    """A moment as people write it: midnight is left out."""
    return moment[:16].replace("T", " ").removesuffix(" 00:00")


def _markdown(summary: dict[str, Any]) -> str:
    tiers = summary["tiers"]
    lines = [
        f"# {_shown(summary['title'])}, as of {summary['as_of'][:10]}",
        f"**{tiers['critical']}** critical, **{tiers['high']}** high, {tiers['watch']} on watch, {tiers['ok']} ok, "
        f"{tiers['unknown']} unknown, of {summary['servers']} servers; horizon {summary['horizon']}.",
        "",
        *[f"* **{_shown(risk['server_id'])}**: {_shown(risk['sentence'])}" for risk in summary["top_risks"][:8]],
    ]
    if summary["changes"]:
        lines += [
            "",
            f"**Changes.** Since {summary['changes']['since'][:10]}: {_shown(summary['changes']['sentence'])}",
        ]
    if summary["actions"]:
        lines += ["", f"**Actions.** {_shown(summary['actions']['sentence'])}"]
    if summary["warnings"]:
        lines += ["", f"**Warnings.** {_shown(summary['warnings']['sentence'])}"]
    notes = model_notes(summary)
    if notes:
        lines += ["", "**Models and drift.**", *[f"* {_shown(note)}" for note in notes]]
    short = [pool for pool in summary["pools"] if pool["buy_q90"]]
    if short:
        lines += ["", "**Pools.**", *[f"* {_shown(pool['sentence'])}" for pool in short[:5]]]
    missing = [unit for unit in summary["business_units"] if unit["status"] != "finished"]
    lines += ["", *[f"**Missing: {_shown(unit['name'])}** ({_shown(unit['problem'])})" for unit in missing]]
    return "\n".join(lines)


def _shown(text: str) -> str:
    """Text of data as Markdown shows it: no link, image or heading, on one line."""
    return re.sub(r"([\\`*_\[\]<>#|~&])", r"\\\1", printable(text or ""))
