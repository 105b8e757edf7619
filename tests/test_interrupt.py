"""Ctrl-C in a terminal reaches every process of its group: the embedded server must not be one of them."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import pipeline


def test_the_embedded_server_is_started_in_a_session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(SubprocessASGIServer, "_run_uvicorn_command", SubprocessASGIServer._run_uvicorn_command)
    monkeypatch.setattr(subprocess, "Popen", lambda **given: started.append(given))
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        pipeline.spare_the_server_from_ctrl_c()
    SubprocessASGIServer._run_uvicorn_command(SubprocessASGIServer(port=8899))
    assert started[0]["start_new_session"] is True
    assert "uvicorn" in started[0]["args"]


def test_a_server_of_the_users_own_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SubprocessASGIServer._run_uvicorn_command
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        pipeline.spare_the_server_from_ctrl_c()
    assert SubprocessASGIServer._run_uvicorn_command is before
