"""The console script. Invariant: an interrupt while the command is still being imported ends it without a traceback."""

import signal
import sys


def main() -> None:
    """Import the command with the system's own handling of Ctrl-C, then run it with Python's."""
    ours = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tailrace_cli.main import run

    signal.signal(signal.SIGINT, ours)
    sys.exit(run())
