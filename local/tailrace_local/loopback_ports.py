"""Ports of 127.0.0.1: whether one is taken, and which one is free.

Invariant: an answer is true of its moment only; whoever starts a server on a port must still see that it came up there.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable

from tailrace.errors import UserError

LOWEST_PORT = 20_000
HIGHEST_PORT = 32_000
"""Below the range that Linux (32768) and macOS (49152) lend to outgoing connections."""

WIDTH = 100
ChooseBelow = Callable[[int, int], int]


def some_ports(choose: ChooseBelow = random.randrange) -> range:
    """A range of 100 ports to take the first free one from.

    Its start is random: a server that is restarted must find its own port free, and another one that starts in that
    moment would take it if all began to look at the same port.
    """
    start = choose(LOWEST_PORT, HIGHEST_PORT)
    return range(start, start + WIDTH)


def is_port_taken(port: int) -> bool:
    """Whether something listens at `port` of 127.0.0.1, on that address alone or on all."""
    with socket.socket() as probe:
        # As servers do, so that connections just closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def refuse_taken_port(port: int) -> None:
    """Raises `UserError` where something listens at `port`."""
    if is_port_taken(port):
        raise UserError(f"port {port} on 127.0.0.1 is taken: stop what listens there, or choose another port")


def free_ports(ports: Iterable[int]) -> Iterable[int]:
    """Those of `ports` that nothing listens at, in their order, each looked at when it is asked for."""
    return (port for port in ports if not is_port_taken(port))
