"""docker-compose.yml, the Dockerfile and .env.example: hardened, nothing by default, and the settings of scripts/stack.

Whether Compose and hadolint accept them is for `make lint-deploy`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect_lint import read
from stack import environments
from stack.state import Plan, State

import capforecast

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "deployments/docker/Dockerfile").read_text()
STACK = read(TEXT)
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
ONCE = {"migrate", "setup"}  # run to their end
INSIDE = {"postgres", "redis"}
GIVEN = re.compile(r"\$\{([A-Z0-9_]+)(:?[?-][^}]*)?\}")
PINNED = re.compile(r"[a-z0-9/-]+:\d[\w.]*(-[a-z]+)*@sha256:[0-9a-f]{64}")  # a version, and which build of it
# Where a process runs, and which of them migrates, is each stack's own; all else must be the same on both.
OWN = {"PREFECT_HOME", "PREFECT_API_DATABASE_MIGRATE_ON_START"}


def test_the_server_has_the_settings_that_are_tested_without_containers(tmp_path: Path) -> None:
    plan = Plan(dict.fromkeys(("postgres", "redis", "moto", "s3", "server"), 1), "secret", 1)
    tested = environments.server(State(tmp_path), plan)
    tested = {name: value for name, value in tested.items() if name.startswith("PREFECT_") or name == "DO_NOT_TRACK"}
    composed = STACK["x-server-environment"]
    assert set(tested) - OWN == set(composed) - OWN
    for name in set(composed) - OWN:
        if "${" in composed[name] or name == "PREFECT_API_URL":
            assert shape(tested[name]) == shape(composed[name]), name
        else:
            assert tested[name] == composed[name], name


def shape(value: str) -> str:
    """An address or a login without host and password: scheme, driver, database."""
    value = GIVEN.sub("x", value).replace("https://", "http://")
    return re.sub(r"(?<=://)[^/]+|(?<=admin:).+|^x(?=/api)|http://[^/]+(?=/api)", "x", value).replace("http://x", "x")


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode"} & set(service)
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert name in ONCE or name == "services" or "healthcheck" in service
    assert PINNED.fullmatch(service["image"]) or service["image"].startswith("capforecast")
    assert "/var/run/docker.sock" not in str(service)


@pytest.mark.parametrize("name", SERVICES)
def test_others_are_waited_for_until_they_are_ready(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if other in ONCE else "service_healthy")


def test_only_proxy_and_dashboard_listen_on_the_host_and_on_loopback_until_told_otherwise() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["dashboard", "proxy"]
    assert all(port.startswith("${CAPACITY_BIND:-127.0.0.1}:") for port in SERVICES["proxy"]["ports"])
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["dashboard"]["ports"])  # it knows no users


def test_databases_are_reached_by_the_server_alone() -> None:
    assert STACK["networks"]["data"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["data"] for name in INSIDE)
    on_it = {name for name, service in SERVICES.items() if "data" in service["networks"]}
    assert on_it == INSIDE | {"migrate", "server", "services"}


def test_nothing_has_a_default_password() -> None:
    for name, default in GIVEN.findall(TEXT):
        if re.search(r"PASSWORD|KEY", name):
            assert default.startswith(":?"), name
    example = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
    assert all(value == "" for name, value in example.items() if re.search(r"PASSWORD|KEY", name))
    assert {name for name, _ in GIVEN.findall(TEXT)} - {"CAPACITY_REVISION"} == set(example) - {"COMPOSE_PROFILES"}


def test_images_bear_the_version_of_the_package() -> None:
    ours = {service["image"] for service in SERVICES.values() if service["image"].startswith("capforecast")}
    assert {image.split(":")[1] for image in ours} == {capforecast.__version__}
    assert SERVICES["migrate"]["build"]["args"]["VERSION"] == capforecast.__version__
    assert f"ARG VERSION={capforecast.__version__}\n" in DOCKERFILE
    bases = re.findall(r"^ARG [A-Z]+_IMAGE=(\S+)$", DOCKERFILE, re.M)
    assert len(bases) == 2
    assert all(map(PINNED.fullmatch, bases))


def test_the_image_has_the_native_libraries_that_make_system_looks_for() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    from system_libraries import LIBRARIES

    native = DOCKERFILE.partition(" AS native\n")[2].partition("\nFROM ")[0]
    (installed,) = re.findall(r"apt-get install -y --no-install-recommends (.*) \\", native)
    assert set(installed.split()) == set(LIBRARIES)


def test_what_the_dockerfile_copies_is_let_through_and_exists() -> None:
    let = set(re.findall(r"^!(.+)$", (ROOT / "deployments/docker/Dockerfile.dockerignore").read_text(), re.M))
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    for path in " ".join(copied).split():
        assert (ROOT / path).exists(), path
        assert path.split("/")[0] in let, path
