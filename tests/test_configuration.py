"""Layers of settings as a user meets them: who wins, where a value came from, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from capforecast.configuration import (
    PROFILES,
    Loaded,
    config_folder,
    config_hash,
    explain,
    load,
    usable_store,
)
from capforecast.errors import ConfigError
from capforecast.settings import MetricSettings, Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def user_file(tmp_path: Path):
    """Write a settings file and return its path."""

    def write(text: str) -> Path:
        file = tmp_path / "my.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def refused(*args, **kwargs) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*args, **{"environment": {}, **kwargs})
    return str(caught.value)


def test_without_layers_the_settings_are_those_of_the_code():
    assert load(environment={}).settings == Settings()


def test_later_layers_win_and_provenance_names_the_winner(user_file):
    text = "forecast:\n  horizon_days: 60\n  origins_daily: 6\n  temperature: 4\n  history_days: 900\n"
    loaded = load(
        "local",
        user_file(text),
        {"CAPFORECAST_FORECAST__ORIGINS_DAILY": "5", "capforecast_forecast__temperature": "3"},
        {"forecast.temperature": 2.0, "forecast.horizon_hours": None},
    )
    forecast = loaded.settings.forecast
    assert (forecast.horizon_days, forecast.origins_daily, forecast.temperature) == (60, 5, 2.0)
    assert forecast.horizon_hours == Settings().forecast.horizon_hours  # None: option not given
    assert loaded.settings.flow.retries == 1
    where = loaded.provenance
    assert where["forecast.block_size"] == "default.yaml"
    assert where["flow.retries"] == "profile local.yaml"
    assert where["forecast.history_days"].endswith("my.yaml:5")
    assert where["forecast.origins_daily"] == "environment CAPFORECAST_FORECAST__ORIGINS_DAILY"
    assert where["forecast.temperature"] == "option forecast.temperature"


def test_options_are_named_as_they_are_typed():
    loaded = load(environment={}, overrides={"forecast.horizon_days": 30, "store": Path("/tmp/lake")})
    assert loaded.provenance["forecast.horizon_days"] == "option --horizon"
    assert (loaded.settings.store, loaded.provenance["store"]) == ("/tmp/lake", "option --store")


def test_metrics_merge_key_by_key_and_new_ones_are_allowed(user_file):
    loaded = load(
        user_file=user_file("metrics:\n  cpu: {high: 70}\n  gpu: {high: 60, very_high: 75}\n"),
        environment={"CAPFORECAST_METRICS__MEM__VERY_HIGH": "95"},
    )
    metrics = loaded.settings.metrics
    assert metrics["cpu"] == MetricSettings(implausible_above=1000, high=70, very_high=90)
    assert metrics["mem"] == MetricSettings(implausible_above=1000, high=80, very_high=95)
    assert metrics["gpu"] == MetricSettings(high=60, very_high=75)
    assert set(metrics) == {*Settings().metrics, "gpu"}
    assert loaded.provenance["metrics.gpu.high"].endswith("my.yaml:3")
    assert loaded.provenance["metrics.gpu.unit"] == "built-in default"


def test_lists_replace_and_free_mappings_merge(user_file):
    text = "risk: {horizons_daily: [5, 10]}\nsource: {columns: {'CPU usage [%]': cpu_mean, host: server_id}}\n"
    loaded = load(
        user_file=user_file(text),
        environment={
            "CAPFORECAST_SOURCE__COLUMNS": "{'Memory used': mem_mean}",
            "CAPFORECAST_RISK__HORIZONS_HOURLY": "[12]",
        },
    )
    assert loaded.settings.risk.horizons_daily == (5, 10)
    assert loaded.settings.risk.horizons_hourly == (12,)
    expected = {"CPU usage [%]": "cpu_mean", "host": "server_id", "Memory used": "mem_mean"}
    assert loaded.settings.source.columns == expected
    assert loaded.provenance["source.columns.Memory used"] == "environment CAPFORECAST_SOURCE__COLUMNS"
    assert loaded.provenance["source.columns.host"].endswith("my.yaml:2")


def test_text_keys_take_text_whatever_it_looks_like(user_file):
    loaded = load(
        user_file=user_file("calendar: {country: NO}\nreport: {title: 2024}\n"),
        environment={"CAPFORECAST_REPORT__ORGANISATION": "A & B: #1 [EU]", "CAPFORECAST_CALENDAR__SUBDIVISION": "null"},
    )
    assert loaded.settings.calendar.country == "NO"  # not YAML's `false`
    assert loaded.settings.calendar.subdivision is None
    assert (loaded.settings.report.title, loaded.settings.report.organisation) == ("2024", "A & B: #1 [EU]")


@pytest.mark.parametrize(
    ("variable", "value", "nearest"),
    [
        ("CAPFORECAST_FORECAST__HORIZN_DAYS", "30", "CAPFORECAST_FORECAST__HORIZON_DAYS"),
        ("CAPFORECAST_FORECAST_HORIZON_DAYS", "30", "CAPFORECAST_FORECAST__HORIZON_DAYS"),
        ("CAPFORECAST_STOER", "x", "CAPFORECAST_STORE"),
        ("capforecast_metrics__cpu__hihg", "70", "CAPFORECAST_METRICS__CPU__HIGH"),
        ("CAPFORECAST_LOG__LEVEL__X", "INFO", "CAPFORECAST_LOG__LEVEL"),
        ("CAPFORECAST_", "", "CAPFORECAST_STORE"),
    ],
)
def test_a_mistyped_variable_is_refused_with_the_nearest_one(variable, value, nearest):
    message = refused(environment={variable: value})
    assert f"environment {variable}:" in message
    assert f"`{nearest}`" in message


def test_a_wrong_value_names_its_variable():
    message = refused(environment={"CAPFORECAST_RISK__WATCH_PROBABILITY": "1.5", "CAPFORECAST_FLOW__RETRIES": ""})
    assert "environment CAPFORECAST_RISK__WATCH_PROBABILITY: `risk.watch_probability` must be less than" in message
    assert 'environment CAPFORECAST_FLOW__RETRIES: `flow.retries` must be a whole number, not ""' in message


def test_variables_of_others_are_left_alone():
    others = {
        "CAPFORECAST_HOME": "/opt/capforecast",
        "CAPFORECAST_SERVICE_HOST": "10.0.0.1",  # Kubernetes, beside a service of that name
        "CAPFORECAST_UI_PORT_4200_TCP_ADDR": "10.0.0.2",
        "CAPFORECASTER": "x",
        "PATH": "/bin",
    }
    assert load(environment=others).settings == Settings()


def test_one_variable_in_two_spellings_is_refused():
    message = refused(environment={"CAPFORECAST_STORE": "a", "capforecast_store": "b"})
    assert "capforecast_store" in message
    assert "CAPFORECAST_STORE is the same key" in message


def test_a_free_mapping_in_the_environment_must_be_given_whole():
    assert "CAPFORECAST_SOURCE__SCALE='{" in refused(environment={"CAPFORECAST_SOURCE__SCALE__CPU_MEAN": "100"})


def test_the_process_environment_is_read_by_default(monkeypatch):
    monkeypatch.setenv("CAPFORECAST_REPORT__TOP_RISKS", "3")
    assert load().settings.report.top_risks == 3


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("forecast.horizon_dys", 3, "option forecast.horizon_dys: unknown key"),
        ("forecast", 3, "`forecast` must be a mapping"),
        ("calendar.events.0.name", "x", "unknown key `calendar.events.0.name`"),
        ("calendar.events", [{"nam": "x"}], "unknown key `calendar.events.0.nam`"),
        ("forecast.block_size", 0, "option forecast.block_size: `forecast.block_size` must be greater than"),
        ("forecast.horizon_days", True, "must be a whole number, not true"),
        ("report.title", "\udc80", "is not UTF-8"),
    ],
)
def test_options_are_checked_like_files(key, value, expected):
    assert expected in refused(overrides={key: value})


def test_an_unknown_profile_names_the_known_ones():
    assert "unknown profile `asw`: use one of local, aws" in refused("asw")


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_differ_from_the_defaults_and_say_so(profile):
    loaded = load(profile, environment={})
    changed = {key for key, origin in loaded.provenance.items() if origin == f"profile {profile}.yaml"}
    default = {row[0]: row[1] for row in explain(load(environment={}))}
    assert changed
    assert all(default[key] != value for key, value, _, _ in explain(loaded) if key in changed)


def test_profile_aws_shows_but_does_not_run_until_a_bucket_is_named():
    with pytest.raises(ConfigError, match=r"profile aws\.yaml: `store` is `s3://` and names no bucket.*_STORE"):
        usable_store(load("aws", environment={}))
    assert usable_store(load("aws", environment={"CAPFORECAST_STORE": "s3://bucket/p"})) == "s3://bucket/p"
    assert usable_store(load("aws", environment={}, overrides={"store": "/data/lake"})) == "/data/lake"
    assert usable_store(load(environment={})) == "capforecast-lake"


def test_explain_lists_every_key_with_value_origin_and_words(user_file):
    loaded = load(user_file=user_file("metrics: {gpu: {high: 60}}\nsource: {columns: {a: cpu_mean}}\n"), environment={})
    rows = {key: (value, origin, words) for key, value, origin, words in explain(loaded)}
    assert rows["forecast.horizon_days"] == (90, "default.yaml", "days forecast from daily input")
    assert rows["source.columns.a"][0] == "cpu_mean"
    assert rows["source.scale"] == ({}, "default.yaml", rows["source.scale"][2])
    assert rows["metrics.gpu.high"][0] == 60
    assert set(rows) == set(loaded.provenance)
    assert [key for key, row in rows.items() if not row[2]] == []


def test_config_hash_follows_results_and_nothing_else(user_file):
    base = config_hash(Settings())
    assert base == config_hash(load("local", environment={"CAPFORECAST_LOG__LEVEL": "DEBUG"}).settings)
    assert base == config_hash(load(environment={}, overrides={"store": "elsewhere"}).settings)
    changed = [
        config_hash(load(environment={}, overrides={key: value}).settings)
        for key, value in {"forecast.horizon_days": 91, "metrics.gpu.high": 1.0}.items()
    ]
    assert len({base, *changed}) == 3
    titled = load(environment={}, overrides={"report.title": "T"}).settings
    assert base == config_hash(titled)  # no model depends on it
    assert config_hash(Settings(), actions=True) != config_hash(titled, actions=True)
    sent = load(environment={}, overrides={"delivery.retries": 0}).settings
    assert config_hash(Settings(), actions=True) == config_hash(sent, actions=True)
    order = "source: {columns: {%s: cpu_mean, %s: cpu_mean}}"
    first = load(user_file=user_file(order % ("a", "b")), environment={}).settings
    second = load(user_file=user_file(order % ("b", "a")), environment={}).settings
    assert config_hash(first) == config_hash(second)


def test_config_hash_is_the_same_in_another_process():
    code = (
        "from capforecast.configuration import config_hash;from capforecast.settings import Settings;"
        "print(config_hash(Settings()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == config_hash(Settings())


def test_provenance_survives_an_empty_mapping(user_file):
    loaded = load(user_file=user_file("source:\n  columns: {}\nforecast:\n"), environment={})
    assert loaded.provenance["source.columns"].endswith("my.yaml:2")
    assert isinstance(loaded, Loaded)


def _installed(folder: Path) -> None:
    """Lay the package out as pyproject.toml says a wheel does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert "capforecast._config" in project["packages"]
    source = ROOT / project["package-dir"]["capforecast._config"]
    shutil.copytree(ROOT / "capforecast", folder / "capforecast", ignore=shutil.ignore_patterns("__pycache__"))
    for pattern in project["package-data"]["capforecast._config"]:
        for file in source.glob(pattern):
            target = folder / "capforecast/_config" / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


def test_a_wheel_holds_every_package_of_the_checkout():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    roots = ("capforecast", "tasks", "flows", "deployments")
    found = {
        ".".join(file.parent.relative_to(ROOT).parts) for root in roots for file in (ROOT / root).rglob("__init__.py")
    }
    # the AWS resources are made from a checkout, by an environment of their own
    assert set(project["packages"]) == found - {"deployments.cdk"} | {"capforecast._config"}


def test_an_installed_package_finds_the_files_it_ships(tmp_path):
    _installed(tmp_path)
    (tmp_path / "config").mkdir()  # somebody else's folder beside the package must not matter
    (tmp_path / "config/default.yaml").write_text("nonsense: 1")
    code = (
        "from capforecast.configuration import *\n"
        "print(config_folder()); load('local', environment={}); load('aws', environment={})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(tmp_path / "capforecast/_config")


def test_a_checkout_reads_config_beside_the_package():
    assert config_folder() == ROOT / "config"


def test_a_missing_config_folder_is_said(tmp_path):
    shutil.copytree(ROOT / "capforecast", tmp_path / "capforecast", ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "from capforecast.configuration import *\ntry: load(environment={})\nexcept ConfigError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert "default.yaml is neither in" in run.stdout, run.stderr


def test_shipped_examples_load():
    for file in sorted((ROOT / "config/examples").glob("*.yaml")):
        load("local", file, {})


def test_every_key_of_default_yaml_is_documented_in_place():
    lines = (ROOT / "config/default.yaml").read_text(encoding="utf-8").splitlines()
    keys = set(yaml.safe_load("\n".join(lines)))
    for number, line in enumerate(lines):
        if line.split(":")[0] in keys:  # a section: its own comment above, or its first key's below
            assert lines[number - 1].startswith("#") or lines[number + 1].lstrip().startswith("#"), line


def test_awss_own_variables_say_where_and_count_below_all_that_is_ours(user_file):
    variables = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9001/",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_PROFILE": "ops",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_SESSION_TOKEN": "hunter3",
    }
    loaded = load(environment=variables)
    storage = loaded.settings.storage
    assert (storage.endpoint, storage.region, storage.profile) == ("http://127.0.0.1:9001", "eu-west-1", "ops")
    assert loaded.provenance["storage.endpoint"] == "environment AWS_ENDPOINT_URL_S3"
    assert "hunter" not in repr(loaded)
    assert "AKIA" not in repr(loaded)
    own = load(user_file=user_file("storage: {region: us-west-2}"), environment=variables).settings.storage
    assert own.region == "us-west-2"
    option = load(environment=variables | {"CAPFORECAST_STORAGE__ENDPOINT": "https://s3.example.com"}).settings.storage
    assert option.endpoint == "https://s3.example.com"
    assert config_hash(loaded.settings) == config_hash(Settings())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("storage: {kms_key: k}", "`kms_key` is given, but `encryption` is none"),
        ("storage: {encryption: aes}", "encryption"),
        ("storage: {endpoint: minio}", "'minio' is no address"),
        ("storage: {secret_access_key: x}", "unknown key `storage.secret_access_key`"),
    ],
)
def test_storage_settings_that_cannot_be_meant_are_refused(text, words, user_file):
    assert words in refused(user_file=user_file(text))


def test_a_password_in_an_endpoint_is_refused_and_not_repeated(user_file):
    message = refused(user_file=user_file("storage: {endpoint: 'https://me:hunter2@host'}"))
    assert "no user or password" in message
    assert "hunter2" not in message


def test_parameters_of_a_store_lie_below_the_environment_and_name_themselves() -> None:
    loaded = load(
        parameters={"forecast/horizon_days": "30", "report/title": "Fleet", "models/keep": "3"},
        environment={"CAPFORECAST_MODELS__KEEP": "5"},
    )
    assert (loaded.settings.forecast.horizon_days, loaded.settings.models.keep) == (30, 5)
    assert loaded.provenance["report.title"] == "parameter report/title"
    with pytest.raises(ConfigError, match=r"parameter forecast/horizon.*horizon_days"):
        load(parameters={"forecast/horizon": "30"}, environment={})


@pytest.mark.parametrize("name", ["forecast/horizon_days", "storage/endpoint", "forecast", "report/formats"])
@pytest.mark.parametrize("value", ["s3cr3t", "!s3cr3t x", "[s3cr3t]", "http://s3cr3t@x"])
def test_no_message_repeats_what_a_secret_parameter_holds(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(parameters={name: value}, secret={name}, environment={})
    assert "s3cr3t" not in str(caught.value)
    assert f"parameter {name}" in str(caught.value)


def test_a_role_of_jobs_that_is_none_is_refused_where_it_stands() -> None:
    with pytest.raises(
        ConfigError, match=r"`sagemaker.role`: 'capforecast-jobs' is no role; write it as arn:aws:iam::"
    ):
        load(overrides={"sagemaker.role": "capforecast-jobs"}, environment={})
    load(overrides={"sagemaker.role": "arn:aws-us-gov:iam::111122223333:role/x/jobs"}, environment={})
