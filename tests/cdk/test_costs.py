"""Costs of docs/aws.md: those that the script works out. Needs no CDK."""

from __future__ import annotations

import json

from deployments.cdk import costs

PAGE = (costs.FILE.parents[2] / "docs/aws.md").read_text()
PROD = json.loads(costs.FILE.read_text())["context"]["stages"]["prod"]


def test_the_page_shows_what_the_script_prints() -> None:
    shown = PAGE.split("<!-- begin costs -->")[1].split("<!-- end costs -->")[0]
    assert shown.strip() == costs.page().strip(), "python -m deployments.cdk.costs prints it anew"


def test_the_sum_is_that_of_its_lines() -> None:
    *lines, last = [[cell.strip(" *") for cell in row.split("|")[3:6]] for row in costs.table(PROD).splitlines()[2:]]
    for place, shown in enumerate(last):
        parts = [line[place].replace(",", "") for line in lines]
        assert abs(sum(float(each) for each in parts if each != "too many") - float(shown)) < 0.6


def test_one_line_by_hand() -> None:
    postgres = next(line for line in costs.fixed(PROD) if line.what == "Postgres")
    assert postgres.cost(1000) == 2 * (0.032 * 730 + 20 * 0.115)
