"""The settings model: defaults spelled in config/default.yaml, bounds, contradictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from capforecast.configuration import load
from capforecast.errors import ConfigError
from capforecast.schema import Cadence
from capforecast.settings import (
    BreachSettings,
    Event,
    FlowSettings,
    MetricSettings,
    RiskSettings,
    SegmentsSettings,
    Settings,
    SourceSettings,
    ThresholdOverride,
)

DEFAULT = Path(__file__).parents[1] / "config/default.yaml"


def test_default_yaml_spells_every_key_with_the_default_of_the_code():
    assert yaml.safe_load(DEFAULT.read_text(encoding="utf-8")) == Settings().model_dump(mode="json")


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = {model}
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        waiting += getattr(kind, "__args__", ())
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= _models(kind)
    return found


def test_every_key_is_described_strict_and_frozen():
    models = _models(Settings)
    assert len(models) >= 14
    for model in models:
        assert model.model_config["extra"] == "forbid"
        assert model.model_config["frozen"]
        for name, field in model.model_fields.items():
            is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            assert field.description or is_section or name == "metrics", f"{model.__name__}.{name}"


def test_thresholds_take_the_last_matching_override():
    settings = Settings(
        metrics={
            "cpu": MetricSettings(
                high=80,
                very_high=90,
                overrides=(
                    ThresholdOverride(criticality="low", high=85),
                    ThresholdOverride(business_unit="pay", high=60),
                    ThresholdOverride(business_unit="pay", criticality="low", very_high=95),
                ),
            )
        }
    )
    assert settings.thresholds("cpu", "web", "high") == (80, 90)
    assert settings.thresholds("cpu", "web", "low") == (85, 90)
    assert settings.thresholds("cpu", "pay", "high") == (60, 90)
    assert settings.thresholds("cpu", "pay", "low") == (60, 95)
    assert settings.thresholds("gpu", "pay", "low") == (None, None)


def test_the_horizon_follows_the_cadence():
    assert (Settings().horizon(Cadence.DAILY), Settings().horizon(Cadence.HOURLY)) == (90, 168)


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (MetricSettings, {"high": 95, "very_high": 90}, "`high` (95) is above `very_high` (90)"),
        (MetricSettings, {"high": 80, "overrides": [{"very_high": 70}]}, "in `overrides` `high` (80) is above"),
        (MetricSettings, {"high": 120, "maximum": 100}, "`high` (120) is above `maximum` (100)"),
        (MetricSettings, {"minimum": 5, "maximum": 5}, "`minimum` (5) is not below `maximum` (5)"),
        (MetricSettings, {"statistic": "P95"}, "'P95' is not a statistic; use one of p95, mean"),
        (BreachSettings, {"k_daily": 8}, "`k_daily` (8) is above `n_daily` (7)"),
        (BreachSettings, {"k_hourly": 25}, "`k_hourly` (25) is above `n_hourly` (24)"),
        (RiskSettings, {"watch_probability": 0.6}, "`watch_probability` (0.6) is above `high_probability` (0.5)"),
        (RiskSettings, {"horizons_daily": []}, "at least 1 item"),
        (RiskSettings, {"nearest_share": 0}, "greater than 0"),
        (SegmentsSettings, {"k_min": 11}, "`k_min` (11) is above `k_max` (10)"),
        (SourceSettings, {"timezone": "Europe/Berlni"}, "'Europe/Berlni' is not a time zone"),
        (SourceSettings, {"timezone": "../etc/passwd"}, "is not a time zone"),
        (FlowSettings, {"time_zone": "Europe/Londno"}, "'Europe/Londno' is not a time zone"),
        (Event, {"name": "x", "start": "2024-1-1", "end": "2024-01-02"}, "'2024-1-1' is not a day"),
        (Event, {"name": "x", "start": "2024-01-02", "end": "2024-01-01"}, "`start` (2024-01-02) is after `end`"),
        (MetricSettings, {"high": float("nan")}, "finite number"),
        (Settings, {"store": ""}, "at least 1 character"),
        (Settings, {"stroe": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(model, values, message):
    with pytest.raises(ValidationError) as caught:
        model(**values)
    assert message in str(caught.value)


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().forecast.horizon_days = 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"webhook_url_env": "https://hooks.example.com/hunter2"}, "must be the name of an environment variable"),
        ({"webhook_url_env": "CAPFORECAST_HOOK"}, "give it another name"),
        ({"smtp_host": "mail"}, "from whom and to whom"),
        ({"smtp_user_env": "U"}, "go together"),
        ({"smtp_user_env": "U", "smtp_password_env": "P", "smtp_security": "none"}, "in the clear"),
        ({"smtp_from": "Us <a@example.com>\r\nBcc: x@example.com"}, "no e-mail address"),
        ({"smtp_to": ["a@b@c"]}, "no e-mail address"),
        ({"base_url": "https://us:hunter2@example.com"}, "must hold no user or password"),
        ({"base_url": "ftp://example.com"}, "write https://host/path"),
    ],
)
def test_delivery_is_refused_where_it_would_tell_a_secret_or_nobody(changes, words):
    with pytest.raises(ConfigError) as refused:
        load(environment={}, overrides={f"delivery.{key}": value for key, value in changes.items()})
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"webhook_url_env": "https://hooks.example.com/hunter2"}, "must be the name of an environment variable"),
        ({"slack_url_env": "CAPFORECAST_HOOK"}, "give it another name"),
        ({"sns_topic": "capacity-alerts"}, "alerts.sns_topic"),
        ({"new_critical": -1}, "alerts.new_critical"),
        ({"scorecard_floor": 1.5}, "alerts.scorecard_floor"),
        ({"scorecard_flor": 0}, "scorecard_floor"),
    ],
)
def test_alerts_that_could_not_be_sent_are_refused_without_repeating_a_secret(
    given: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(environment={}, overrides={f"alerts.{key}": value for key, value in given.items()})
    assert problem in str(refused.value)
    assert "hunter2" not in str(refused.value)
