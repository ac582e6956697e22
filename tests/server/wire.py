"""What goes between a page and a server: a relay that keeps it, and can be cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

from server.serving import LONG, Served

from seehear.remote.messages import FromClient, FromServer, from_client, from_server


class Wire:
    """Listens at an address of its own and carries every byte to a server and back.

    Parameters
    ----------
    served : where to.

    Attributes
    ----------
    url : where it listens.
    port : of the server for connections from now on.
    open : whether it takes connections; else they are closed at once.
    """

    def __init__(self, served: Served) -> None:
        self.port = served.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.open = True
        self._lines: list[_Line] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.open:
                    self._lines.append(_Line(near, self.port))
                else:
                    near.close()

    def cut(self) -> None:
        """End all connections, as when somebody pulls the plug."""
        for line in self._lines:
            line.cut()

    def streams(self) -> list[tuple[list[FromClient], list[FromServer]]]:
        """What has gone each way over the websockets so far, one after the other."""
        both = [(bytes(line.up), bytes(line.down)) for line in self._lines if line.socket]
        return [
            ([from_client(each) for each in messages(up)], [from_server(each) for each in messages(down)])
            for up, down in both
        ]

    @property
    def over(self) -> bool:
        """Whether all websockets have ended."""
        return all(line.over for line in self._lines if line.socket)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()


class _Line:
    """One connection; `over` when it has ended."""

    over = False

    def __init__(self, near: socket.socket, port: int) -> None:
        self._ends = (near, socket.create_connection(("127.0.0.1", port), LONG))
        self.up, self.down = bytearray(), bytearray()
        for here, there, kept in ((*self._ends, self.up), (*self._ends[::-1], self.down)):
            here.settimeout(None)
            here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._carry, args=(here, there, kept), daemon=True).start()

    def _carry(self, here: socket.socket, there: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):
            while data := here.recv(1 << 16):
                there.sendall(data)
                kept += data
        self.cut()

    @property
    def socket(self) -> bool:
        """Whether it has become a websocket."""
        return self.down.startswith(b"HTTP/1.1 101") and b"\r\n\r\n" in self.down

    def cut(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.over = True


def messages(data: bytes) -> Iterator[bytes | str]:
    """The whole messages of one way of a websocket, its beginning in HTTP left out."""
    at, parts, text = data.index(b"\r\n\r\n") + 4, b"", False
    while at + 2 <= len(data):
        code, masked, size = data[at] & 15, data[at + 1] >> 7, data[at + 1] & 127
        whole, at = data[at] >> 7, at + 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + wide], "big"), at + wide
        mask, at = data[at : at + 4 * masked], at + 4 * masked
        if at + size > len(data):
            return
        content, at = data[at : at + size], at + size
        if masked:
            key = (mask * (size // 4 + 1))[:size]
            content = (int.from_bytes(content, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
        if code > 2:  # close, ping, pong
            continue
        text = text if code == 0 else code == 1
        parts += content
        if whole:
            yield parts.decode() if text else parts
            parts = b""
