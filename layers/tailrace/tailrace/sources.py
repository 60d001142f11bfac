"""Sources: where the items of a load come from, a table's scan or its exports.

Invariant: a source asks for one thing at a time and waits for nothing, so that what it asked for is written down
before anybody waits, and whoever waits may do so without keeping a process.
"""

from collections.abc import Sequence
from typing import Protocol

from tailrace.errors import TailraceError, UserError
from tailrace.jobs import Job
from tailrace.loading import Slice
from tailrace.tables import TableSpec

EXPORT_FUZZ_SECONDS = 60.0  # semantics 6.3: the time of an export is true to a minute


def lengthen_fence(seconds: float, kind: str) -> float:
    """The fence before a source of this kind is read: an export may lack the changes of the minute before its time, so
    in that minute every writer has to write to both generations. Nothing is added where nobody has to be waited for.
    """
    return seconds + EXPORT_FUZZ_SECONDS if seconds and kind != "scan" else seconds


def refuse_losses(spec: TableSpec, how_to_accept: str, *, is_accepted: bool) -> None:
    """Raises UserError for a table whose index keeps items that the table has no more, unless that is accepted."""
    if not is_accepted and ("remove" in spec.filter.exclude_operations or spec.filter.exclude_ttl_deletes):
        raise UserError(
            f"the filter of {spec.name} keeps removed items in its index, which no reindex finds in the table: "
            f"{how_to_accept} gives them up"
        )


class NotYetError(TailraceError):
    """What a step waits for is not there yet; it may be taken again after `seconds`."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(what)
        self.seconds = seconds


class Source(Protocol):
    """Where the items of a load come from."""

    @property
    def kind(self) -> str:
        """`scan`, `export` or `incremental`: what the job says it is read from, for whoever goes on with it."""

    def slices(self, job: Job) -> Sequence[Slice]:
        """The slices, the same ones for the same job. Raises UserError where the source cannot be used."""

    def begin(self, job: Job) -> Job:
        """The job with what there is to read, as of `read_from` or later; the same job when it names all of it.

        It asks for one thing at most and does not wait for it, so that the job is written down before. Raises
        NotYetError while something that was asked for is not there, UserError, ExportError.
        """
