"""How long a stage may take."""

from __future__ import annotations

from pathlib import Path

from capforecast.exchange import RunKey
from capforecast.settings import Settings
from tasks.common import Job, configured
from tasks.models import forecast, train


def test_training_by_a_job_has_the_jobs_time_on_top(tmp_path: Path) -> None:
    own = {"flow": {"stage_timeout_seconds": 100}, "sagemaker": {"most_seconds": 7000}}

    def seconds(by_job: bool) -> list[float | None]:
        settings = Settings.model_validate(own | {"sagemaker": own["sagemaker"] | {"train": by_job}})
        job = Job(store_url=str(tmp_path), settings=settings, run=RunKey(run_id="r", attempt=1))
        return [configured(stage, job).timeout_seconds for stage in (train, forecast)]

    assert seconds(False) == [100, 100]
    assert seconds(True) == [7100, 100]
