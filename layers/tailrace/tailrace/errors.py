"""The one exception tree: whatever Tailrace raises on purpose descends from `TailraceError`.

Invariant: a `UserError` is one sentence that says what is wrong, where, and what to do: all that a person is shown.
"""

from __future__ import annotations


class TailraceError(Exception):
    """Root of every exception that Tailrace raises on purpose."""


class UserError(TailraceError):
    """A mistake its user can mend: the command line prints it as `Error: …` and exits with status 2."""
