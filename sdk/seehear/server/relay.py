"""A device that comes back may reach another worker than the one that has its stream: that one's door is next door."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from seehear.remote.messages import Hello, ProtocolError, pack

if TYPE_CHECKING:
    from seehear.server.service import Service


async def relay(connection: Any, service: Service, owner: str, hello: Hello) -> None:
    """Carry messages between a device and the worker that has its stream, until one of them ends.

    Raises
    ------
    ProtocolError
        There is no such worker.
    """
    assert service.doors is not None
    door = service.doors / owner
    if not owner.isalnum() or not door.exists():
        raise ProtocolError("there is no such session any more: begin anew", "gone")
    headers = {"Authorization": value} if (value := connection.headers.get("authorization")) else {}
    try:
        inner = await unix_connect(
            str(door), "ws://localhost/v1/stream", additional_headers=headers, compression=None, ping_interval=None,
            max_size=None, max_queue=16, open_timeout=5,
        )  # fmt: skip
    except (OSError, asyncio.TimeoutError, WebSocketException) as error:
        raise ProtocolError("there is no such session any more: begin anew", "gone") from error
    service.row.count("streams_relayed")

    async def up() -> None:
        await inner.send(pack(hello))
        while True:
            await inner.send(await connection.receive())

    async def down() -> None:
        async for message in inner:
            await connection.send(message)

    tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with suppress(Exception):
            await inner.close()
        for task in tasks:
            with suppress(Exception, asyncio.CancelledError, ConnectionClosed):
                await task
    await connection.close(inner.close_code or 1011)
