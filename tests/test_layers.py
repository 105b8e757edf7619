"""Strict reading of YAML layers: each mistake is named with its line, together with all others."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capforecast.configuration import load
from capforecast.errors import ConfigError
from capforecast.layers import Layers, Origin
from capforecast.settings import Settings

EVENT = "{nam: x, start: 2024-01-01, end: 2024-01-02}"
TAG = "1: `store`: the YAML tag tag:yaml.org,2002:python/object:os.system is not supported; write a plain value"


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is said about a file, one string per problem, `<file>:` cut off."""
    file = tmp_path / "my.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(user_file=file, environment={})
    lines = str(caught.value).splitlines()
    return [line.strip().removeprefix(f"{file}:") for line in lines if "problems in the settings" not in line]


@pytest.mark.parametrize(
    ("text", "line", "key", "nearest"),
    [
        ("\nforcast: {}", 2, "forcast", "forecast"),
        ("horizon_days: 9", 1, "horizon_days", "forecast.horizon_days"),
        ("risk:\n  breach:\n    k_dayly: 2", 3, "risk.breach.k_dayly", "risk.breach.k_daily"),
        ("metrics:\n  gpu: {hihg: 2}", 2, "metrics.gpu.hihg", "metrics.gpu.high"),
        ("Forecast: {}", 1, "Forecast", "forecast"),
        ("forecast: {horizon-days: 3}", 1, "forecast.horizon-days", "forecast.horizon_days"),
        (f"calendar:\n  events:\n  - {EVENT}", 3, "calendar.events.0.nam", "calendar.events.0.name"),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_one(tmp_path, text, line, key, nearest):
    expected = f"{line}: unknown key `{key}`; the nearest valid key is `{nearest}`"
    assert expected in problems(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("forecast: 5", "1: `forecast` must be a mapping (`key: value` lines), not `5`"),
        ("quality: [1]", "1: `quality` must be a mapping (`key: value` lines), not a list"),
        ("- a", "1: the file must be a mapping (`key: value` lines), not a list"),
        ("forecast: {horizon_days: ninety}", '1: `forecast.horizon_days` must be a whole number, not "ninety"'),
        ("forecast: {horizon_days: '90'}", '1: `forecast.horizon_days` must be a whole number, not "90"'),
        ("forecast: {horizon_days: 90.5}", "1: `forecast.horizon_days` must be a whole number, not 90.5"),
        ("forecast: {horizon_days: true}", "1: `forecast.horizon_days` must be a whole number, not true"),
        ("forecast: {horizon_days: 1:30}", '1: `forecast.horizon_days` must be a whole number, not "1:30"'),
        ("forecast: {horizon_days: }", "1: `forecast.horizon_days` must be a whole number, not null"),
        ("forecast: {temperature: .nan}", "1: `forecast.temperature` must be a finite number, not NaN"),
        ("metrics: {cpu: {high: .inf}}", "1: `metrics.cpu.high` must be a finite number, not Infinity"),
        ("quality: {max_gap_share: 20}", "1: `quality.max_gap_share` must be less than or equal to 1, not 20"),
        ("risk: {horizons_daily: 7}", "1: `risk.horizons_daily` must be a list: [a, b], not 7"),
        ("risk: {horizons_daily: [7,\n 0]}", "2: `risk.horizons_daily.1` must be greater than or equal to 1, not 0"),
        ("metrics: {disk: {fills_up: yes}}", '1: `metrics.disk.fills_up` must be true or false, not "yes"'),
        ("store: ''", '1: `store` must not be empty, not ""'),
        ("store:", "1: `store` must be text, not null"),
        ("store: a\nstore: b", "2: `store` is also set at {file}:1; remove one"),
        ("store: !!python/object:os.system x", TAG),
        ("risk: {<<: {top: 1}}", "1: a key must be a plain name; merge keys (`<<`) are not supported"),
        ("calendar: {events: &a [*a]}", "1: `calendar.events.0` holds itself"),
        ("metrics: &a {cpu: *a}", "1: `metrics.cpu` holds itself"),
        ("a: [", "2: not valid YAML: did not find expected node content"),
        ("\n\tstore: x", "2: not valid YAML: found character that cannot start any token"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path, text, expected):
    assert expected.replace("{file}", str(tmp_path / "my.yaml")) in problems(tmp_path, text)


def test_all_problems_are_listed_at_once_in_the_order_of_the_file(tmp_path):
    found = problems(tmp_path, "risk: {top: 1}\nlog:\n  level: loud\nforcast: {}\nreport:\n  top_risks: -1\n")
    assert [int(line.split(":")[0]) for line in found] == [1, 3, 4, 6]


def test_a_contradiction_across_layers_names_both_places(tmp_path):
    (found,) = problems(tmp_path, "\nrisk:\n  watch_probability: 0.8\n")
    assert found.startswith("3: `risk`: `watch_probability` (0.8) is above `high_probability` (0.5)")
    default = (Path(__file__).parents[1] / "config/default.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(default, 1) if text.startswith("  high_probability:"))
    assert f"(see also default.yaml:{line})" in found


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "---\n", "forecast:\n", "metrics: {cpu: null}\n", "\ufeffforecast: {}"]
)
def test_nothing_said_changes_nothing(tmp_path, text):
    file = tmp_path / "empty.yaml"
    file.write_text(text, encoding="utf-8")
    assert load(user_file=file, environment={}).settings == Settings()


def test_aliases_and_leading_zeros_read_as_people_mean_them(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("metrics:\n  cpu: &p {high: 070, very_high: 8e1}\n  mem: *p\n")
    metrics = load(user_file=file, environment={}).settings.metrics
    assert (metrics["cpu"].high, metrics["cpu"].very_high) == (70.0, 80.0)
    assert metrics["mem"] == metrics["cpu"]


@pytest.mark.parametrize("content", [b"store: \xff", None])
def test_an_unreadable_file_is_said(tmp_path, content):
    file = tmp_path / "my.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"not UTF-8 text|cannot read the settings file .*No such file"):
        load(user_file=file, environment={})


def test_a_replaced_list_forgets_where_its_old_items_stood(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("calendar:\n  events:\n  - {name: x, start: 2024-01-01, end: 2024-01-02}\n")
    event = "[{start: 2024-01-01, end: 2024-01-02}]"
    with pytest.raises(ConfigError, match=r"^environment CAPFORECAST_CALENDAR__EVENTS: `calendar\.events\.0\.name` is"):
        load(user_file=file, environment={"CAPFORECAST_CALENDAR__EVENTS": event})


KEYS = st.sampled_from(
    ["forecast", "horizon_days", "metrics", "cpu", "high", "store", "events", "source", "columns", "x"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3))
TITLES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the cores are shared


def outcome(text: str) -> tuple[Settings | None, str]:
    layers = Layers()
    try:
        layers.add_text((), text, Origin("my.yaml", 1))
        return layers.result()[0], ""
    except ConfigError as error:
        return None, str(error)


@relaxed
@given(st.dictionaries(KEYS, TREES, max_size=3))
def test_any_tree_is_read_or_refused_with_a_place(tree):
    read, message = outcome(yaml.safe_dump(tree))
    assert read is not None or "my.yaml:" in message


@relaxed
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_read_or_refused_with_a_place(text):
    read, message = outcome(text)
    assert read is not None or "my.yaml" in message


@relaxed
@given(
    st.integers(1, 10**6), st.floats(0, 1), st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)
)
def test_what_is_written_is_what_is_read(days, share, title):
    tree = {"forecast": {"horizon_days": days}, "quality": {"max_gap_share": share}, "report": {"title": title}}
    read, message = outcome(yaml.safe_dump(tree, allow_unicode=True))
    assert read is not None, message
    assert (read.forecast.horizon_days, read.quality.max_gap_share, read.report.title) == (days, share, title)
