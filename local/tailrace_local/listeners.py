"""Which addresses a process group listens on, to prove that nothing of it can be reached from outside.

Linux answers from /proc; elsewhere `lsof` is asked, which macOS brings.

Invariant: what cannot be found out counts as an error, never as "nothing".
"""

from __future__ import annotations

import ipaddress
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tailrace.errors import TailraceError, UserError

PROC = Path("/proc")
TCP_LISTEN = "0A"
"""State number of a listening socket in /proc/net/tcp."""

LSOF_TIMEOUT_SECONDS = 30.0


def refuse_open_listeners(group: int, what: str) -> None:
    """Raises `UserError` unless every TCP listener of process group `group` is on a loopback address."""
    exposed = sorted(address for address in listening_addresses(group) if not ipaddress.ip_address(address).is_loopback)
    if exposed:
        raise UserError(f"{what} listens on {', '.join(exposed)}, which is not loopback; it was stopped")


def listening_addresses(group: int) -> set[str]:
    """The IP addresses of all TCP listeners of process group `group`. Raises `TailraceError` where none can be seen."""
    try:
        found = set(_from_proc(group)) if (PROC / "net" / "tcp").exists() else set(_from_lsof(group))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TailraceError(f"the listeners of process group {group} cannot be read: {error}") from error
    if not found:
        raise TailraceError(f"no listener of process group {group} can be seen")
    return found


def parse_proc_address(text: str) -> str:
    """The address of `0100007F:1F90`, or of its IPv6 counterpart: words of 32 bits in the machine's byte order."""
    words = re.findall("........", text.partition(":")[0])
    packed = b"".join(struct.pack("=I", int(word, 16)) for word in words)
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def parse_lsof_address(line: str) -> str:
    """The address of lsof's name field, such as `n127.0.0.1:8080`, `n[::1]:8080` or `n*:8080` (all addresses)."""
    host = line[1:].rpartition(":")[0].strip("[]")
    return "0.0.0.0" if host == "*" else host


def _from_proc(group: int) -> Iterator[str]:
    sockets = {inode for pid in _members(group) for inode in _socket_inodes(pid)}
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == TCP_LISTEN and columns[9] in sockets:
                    yield parse_proc_address(columns[1])


def _members(group: int) -> Iterator[str]:
    for process in PROC.glob("[0-9]*"):
        # The command's name, in brackets, may hold anything; the fields after it are state, parent, group.
        with suppress(OSError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                yield process.name


def _socket_inodes(pid: str) -> Iterator[str]:
    # A process or a descriptor that is gone by now listens no more; any other error counts.
    with suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in (PROC / pid / "fd").iterdir():
            with suppress(FileNotFoundError):
                if found := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
                    yield found[1]


def _from_lsof(group: int) -> Iterator[str]:
    lsof = shutil.which("lsof") or "/usr/sbin/lsof"
    answer = subprocess.run(
        [lsof, "-nP", "-a", "-g", str(group), "-iTCP", "-sTCP:LISTEN", "-Fn"],
        capture_output=True,
        text=True,
        timeout=LSOF_TIMEOUT_SECONDS,
        check=False,
    )
    return (parse_lsof_address(line) for line in answer.stdout.splitlines() if line.startswith("n"))
