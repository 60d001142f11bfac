"""What to tell a person of a server's log: the one line that says why.

Invariant: never more than one line of `MAX_LINE_CHARACTERS`.
"""

from __future__ import annotations

import re
from pathlib import Path

MAX_LINE_CHARACTERS = 300
TAIL_BYTES = 64 * 1024
NO_LINE = "its log is empty"

CAUSE = re.compile(
    r"\bERROR\b|\bFATAL\b|Error\b.*:|Exception\b|\b[Ii]nvalid\b|\bcan ?not\b|\brequires\b|\balready in use\b"
)
ROOT_CAUSE = re.compile(r"Likely root cause: ")
NOISE = re.compile(
    r"\s+at |\s*\.\.\. \d+ more|For complete error details|Error: Could not create the Java|Error: A fatal exception"
)


def last_meaningful_line(log: Path) -> str:
    """The log file's last line that names a cause, else its last line at all; the file may be absent."""
    if not log.is_file():
        return NO_LINE
    text = log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not NOISE.match(line)]
    causes = [line for line in lines if CAUSE.search(line)]
    root_causes = [ROOT_CAUSE.sub("", line) for line in lines if ROOT_CAUSE.match(line)]
    return (root_causes or causes or lines or [NO_LINE])[-1][:MAX_LINE_CHARACTERS]
