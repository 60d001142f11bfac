"""How `tailrace reindex` ends before its end: whatever stops a job is followed by how to go on with it.

Invariant: a job that is left behind is named in the last sentence, with `--resume` and `--abort`.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

import click

from tailrace.errors import TailraceError, UserError
from tailrace.failures import DeadLetterStoreError
from tailrace_cli.main import EXIT_INTERRUPTED


class StoppedError(TailraceError):
    """A job stopped before its end, through no mistake of the user's; the text says how to go on."""


@contextmanager
def say_how_to_go_on(table: str) -> Iterator[None]:
    """Adds to what ends a job that it is still there. Raises UserError, StoppedError."""
    advice = f"the reindex of {table} waits: mend that, then --resume it, or give it up with --abort"
    try:
        yield
    except UserError as error:
        if "--abort" in str(error):
            raise
        raise UserError(f"{error}; {advice}") from error
    except DeadLetterStoreError as error:
        raise StoppedError(f"the bucket takes no dead letter and no record of the job ({error}); {advice}") from error
    except TailraceError as error:
        raise StoppedError(str(error) if "--abort" in str(error) else f"{error}; {advice}") from error


@contextmanager
def end_at_once_on_interrupt(table: str, tidy_up: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C ends the process, whatever its threads are at: nothing is lost, and a page at most is loaded again."""

    def end(*_: object) -> None:
        tidy_up()
        click.echo(f"Interrupted: go on with `tailrace reindex {table} --resume`, or give up with --abort.", err=True)
        os._exit(EXIT_INTERRUPTED)

    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
