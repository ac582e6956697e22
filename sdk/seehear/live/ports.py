"""Ports that pages and figures are served on."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

from seehear.errors import DeviceError, InputError

#: This computer alone.
LOCAL = "127.0.0.1"


def listening(what: str, bind: str, port: int) -> socket.socket:
    """A socket that listens.

    Parameters
    ----------
    what : the option that asked for it, for messages.
    bind : address of this computer that others connect to, "0.0.0.0" for all of them.
    port : 0..65535; 0 for any that is free.

    Raises
    ------
    DeviceError
        The port is taken or may not be had; the address is none of this computer.
    InputError
        There is no such port.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"{what}: expected a port of 0 to 65535, got {port}")
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        return socket.create_server((bind, port), family=family, backlog=16)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "is taken by another program: choose another, or 0 for any that is free"
        elif error.errno == errno.EACCES:
            reason = "may be had by root alone: choose one above 1023"
        elif (
            error.errno == errno.EADDRNOTAVAIL or (error.errno or 0) < 0
        ):  # names that are unknown have codes below 0
            reason = "cannot be had: the address is none of this computer"
        else:
            reason = f"cannot be had ({os.strerror(error.errno or 0)})"
        raise DeviceError(f"{what}: port {port} of {bind} {reason}") from error


def is_local(bind: str) -> bool:
    """Whether nobody beyond this computer can connect to that address."""
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


def url(listener: socket.socket, path: str = "/") -> str:
    """What to type into a browser."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = _outward() if host == "0.0.0.0" else socket.gethostname()
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"


def _outward() -> str:
    """The address of this computer by which it would reach others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
