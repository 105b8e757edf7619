"""PostgreSQL of a stack: a cluster of its own with a password, never as root."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from stack.packages import needed
from stack.state import Plan, StackError, State

NAME = "prefect"  # of the user and of the database


def owner() -> list[str]:
    """What goes before a command so that it does not run as root: Postgres refuses that."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = next((name for name in ("postgres", "nobody") if name in names), None)
    if user is None or shutil.which("setpriv") is None:
        raise StackError("PostgreSQL does not run as root, and there is no user `postgres` (or no setpriv) to run it")
    group = pwd.getpwnam(user).pw_gid
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]


def data(state: State) -> Path:
    """Folder of the cluster: in the stack's own, or below /var/tmp where its user could not get there."""
    inside = state.folder / "postgres"
    test = [*owner(), "test", "-x", str(state.folder)]
    if inside.exists() or subprocess.run(test, check=False).returncode == 0:
        return inside
    return Path("/var/tmp") / f"capforecast-postgres-{hashlib.sha256(bytes(state.folder)).hexdigest()[:12]}"


def make(state: State, plan: Plan) -> None:
    """Make the cluster where there is none yet, owned by the user it runs as."""
    folder = data(state)
    if (folder / "cluster" / "PG_VERSION").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    password = folder / "password"
    password.write_text(plan.password)
    if os.geteuid() == 0:
        user = owner()[1].removeprefix("--reuid=")
        for path in (folder, password):
            shutil.chown(path, user)
    password.chmod(0o600)
    command = [*owner(), needed("initdb"), "-D", str(folder / "cluster"), "-U", NAME, "-A", "scram-sha-256"]
    command += [f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    password.unlink()
    if done.returncode != 0:
        raise StackError(f"initdb failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


def command(state: State, plan: Plan) -> list[str]:
    """Start it on loopback, without a Unix socket (whose folder others share)."""
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(plan.ports["postgres"]),
        "unix_socket_directories": "",
        "max_connections": "100",
    }
    chosen = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return [*owner(), needed("postgres"), "-D", str(data(state) / "cluster"), *chosen]


def ready(plan: Plan) -> bool:
    """Does it answer? Makes the database where it is not there yet."""
    connect = ["-h", "127.0.0.1", "-p", str(plan.ports["postgres"]), "-U", NAME]
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": plan.password}
    if subprocess.run([needed("pg_isready"), *connect, "-q"], check=False).returncode != 0:
        return False
    query = f"SELECT 1 FROM pg_database WHERE datname = '{NAME}'"
    asked = subprocess.run(
        [needed("psql"), *connect, "-d", "postgres", "-tAc", query],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode == 0 and asked.stdout.strip() != "1":
        made = subprocess.run([needed("createdb"), *connect, NAME], env=environment, capture_output=True, check=False)
        return made.returncode == 0
    return asked.returncode == 0


def url(plan: Plan) -> str:
    """For Prefect."""
    return f"postgresql+asyncpg://{NAME}:{plan.password}@127.0.0.1:{plan.ports['postgres']}/{NAME}"


def remove(state: State) -> None:
    """Remove the cluster."""
    shutil.rmtree(data(state), ignore_errors=True)
