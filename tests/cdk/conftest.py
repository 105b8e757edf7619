"""Both stages, synthesised once."""

from __future__ import annotations

import pytest
from synthesis import Stage, made


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """dev and prod as cdk.json has them, and dev with all that is optional turned round."""
    folder = tmp_path_factory.mktemp("cdk")
    other = {"prefect": "external", "prefect_api_url": "https://prefect.example.com/api", "customer_key": True,
             "nat_gateways": 1, "github_repository": "someone/capacity", "alert_email": "ops@example.com"}  # fmt: skip
    return {
        "dev": made(folder / "dev", "dev"),
        "prod": made(folder / "prod", "prod"),
        "other": made(folder / "other", "dev", **other),
    }


@pytest.fixture(params=["dev", "prod", "other"])
def stage(request: pytest.FixtureRequest, stages: dict[str, Stage]) -> Stage:
    """Each of them."""
    return stages[request.param]
