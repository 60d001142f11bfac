"""What another process has spent and holds, read from the system.

Linux answers exactly; elsewhere `ps` is asked, which macOS brings, with hundredths of a second.
Invariant: a reading is of the whole process, all its threads included, and not of its children.
"""

import subprocess
import sys
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system time, in seconds. Raises OSError or CalledProcessError where the process has ended."""
    if sys.platform == "linux":
        return time.clock_gettime(~pid << 3 | 2)  # the clock that clock_getcpuclockid(3) would name
    return parse_clock(_ask_ps("time", pid))


def resident_mib(pid: int) -> float:
    """What of it is in memory now. Raises OSError or CalledProcessError where the process has ended."""
    if sys.platform != "linux":
        return int(_ask_ps("rss", pid)) / 1024
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def parse_clock(text: str) -> float:
    """Seconds of what `ps` prints: `1:02.50`, or `1:01:02.50`."""
    seconds = 0.0
    for part in text.strip().split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _ask_ps(column: str, pid: int) -> str:
    command = ["ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
