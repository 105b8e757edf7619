"""A TCP door before a server: hands connections on, or refuses them as if the server were away.

Run as a process of its own: `python door.py FROM TO`. SIGUSR1 shuts it and cuts what goes through, SIGUSR2 opens it
again. The server behind keeps what it holds, which one that is killed would not (moto keeps all in memory).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys


class Door:
    """Connections from one port of this machine to another."""

    def __init__(self, outside: int, inside: int) -> None:
        """Ports: where callers come, where the server listens."""
        self.outside, self.inside = outside, inside
        self.listening: asyncio.Server | None = None
        self.through: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Let callers in."""
        if self.listening is None:
            self.listening = await asyncio.start_server(self._pass, "127.0.0.1", self.outside, backlog=256)

    def shut(self) -> None:
        """Refuse callers, and cut off those inside."""
        if self.listening is not None:
            self.listening.close()
            self.listening = None
        for writer in list(self.through):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.through.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.inside)
        except OSError:
            writer.transport.abort()
            self.through.discard(writer)
            return
        self.through.add(server_writer)
        try:
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        finally:
            for each in (writer, server_writer):
                each.close()
                self.through.discard(each)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


async def main(outside: int, inside: int) -> None:
    """Stand open until told otherwise."""
    door = Door(outside, inside)
    loop = asyncio.get_running_loop()
    tasks = set()

    def reopen() -> None:
        tasks.add(loop.create_task(door.open()))

    loop.add_signal_handler(signal.SIGUSR1, door.shut)
    loop.add_signal_handler(signal.SIGUSR2, reopen)
    await door.open()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
