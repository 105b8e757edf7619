"""A stack as a whole, and what tests do to its parts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from stack import components, environments, postgres, processes
from stack.components import Component
from stack.registration import register
from stack.state import Plan, StackError, State

STOP_ORDER = ("worker", "services", "server", "s3", "moto", "redis", "postgres")


class Stack:
    """PostgreSQL, Redis, an S3 endpoint, the Prefect server, its services and workers, all on loopback."""

    def __init__(self, state: Path, say: Callable[[str], None] = lambda _: None) -> None:
        """`state`: folder of the stack; `say`: is told how it goes on."""
        self.state = State(state)
        self.say = say

    @property
    def plan(self) -> Plan:
        """Ports and secrets."""
        return self.state.plan()

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for a command that uses the stack."""
        return environments.client(self.state, self.plan)

    def up(self, workers: int | None = None, port: int | None = None) -> bool:
        """Start all of it; False = it was up already. Raises StackError, with all stopped again."""
        if not Path("/proc/self/stat").exists():
            raise StackError("the stack needs Linux (/proc); elsewhere use docker-compose.yml")
        with self.state.alone():
            dead = [name for name, pid in self.status().items() if pid is None]
            if self.state.processes() and not dead:
                return False
            if len(dead) < len(self.state.processes()):
                raise StackError(
                    f"{', '.join(dead)} died while the rest of the stack runs; `down`, then `up` again, "
                    f"or, for a worker: . {self.state.env}; prefect worker start --pool capacity-process"
                )
            plan = self.state.plan(workers, port)
            self.state.write_env(environments.client_variables(self.state, plan))
            try:
                self._start(plan)
            except BaseException:
                self._stop()
                raise
            return True

    def _start(self, plan: Plan) -> None:
        begun = time.monotonic()
        self._all(components.storage(self.state, plan))
        for component in components.prefect(self.state, plan):
            self._all([component])
        self.say("registering work pool, deployments, blocks and automations")
        register(self.state, plan, self.say)
        self._all(components.workers(self.state, plan))
        self.say(f"up after {time.monotonic() - begun:.0f} s")

    def _all(self, parts: list[Component]) -> None:
        for part in parts:
            self.say(f"starting {part.name}")
            processes.start(self.state, part.name, part.command, part.environment)
        for part in parts:
            processes.wait_for(self.state, part.name, part.ready, part.seconds)

    def down(self, *, remove: bool = False) -> int:
        """Stop all of it, also what a starter that died left behind; how many processes there were."""
        with self.state.alone():
            stopped = self._stop()
            if remove:
                postgres.remove(self.state)
        return stopped

    def _stop(self) -> int:
        names = sorted(self.state.processes(), key=lambda name: STOP_ORDER.index(name.partition("-")[0]))
        running = [name for name in names if processes.running(self.state, name)]
        for name in names:
            number = signal.SIGINT if name == "postgres" else signal.SIGTERM
            processes.stop(self.state, name, number)
        return len(running) + processes.sweep(self.state)

    def status(self) -> dict[str, int | None]:
        """PID of each process that was started, None for one that died."""
        return {name: processes.running(self.state, name) for name in self.state.processes()}

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a part: `worker` is the first worker."""
        name = self._named(name)
        processes.send(self.state, name, number)
        if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            processes.stop(self.state, name, number)

    def start(self, name: str) -> None:
        """Start a part that is not running, and wait until it is ready."""
        name, plan = self._named(name), self.plan
        parts = components.storage(self.state, plan) + components.prefect(self.state, plan)
        parts += components.workers(self.state, plan)
        self._all([part for part in parts if part.name == name])

    def restart(self, name: str, number: int = signal.SIGKILL) -> None:
        """Kill a part where it runs, and start it again."""
        if processes.running(self.state, self._named(name)):
            self.kill(name, number)
        self.start(name)

    def pause(self, name: str, seconds: float) -> None:
        """Take a part away for a while: S3 refuses connections, the others are stopped in their tracks."""
        away, back = (signal.SIGUSR1, signal.SIGUSR2) if name == "s3" else (signal.SIGSTOP, signal.SIGCONT)
        processes.send(self.state, self._named(name), away)
        try:
            time.sleep(seconds)
        finally:
            processes.send(self.state, self._named(name), back)

    def kill_flow_run(self, flow_run: str | None = None, number: int = signal.SIGKILL) -> int:
        """Send a signal to the processes that run flows (of one flow run); how many there are."""
        found = processes.flow_processes(self.state, flow_run)
        for pid in found:
            os.kill(pid, number)
        if number == signal.SIGKILL:
            processes.gone(lambda: not any(map(processes.born, found)), 10.0)
        return len(found)

    @staticmethod
    def _named(name: str) -> str:
        return "worker-1" if name == "worker" else name
