"""The failure table: what the engine answered, what is done about it, and the sentence for the operator.

Invariant: every status has exactly one disposition, found in this one table; reason texts are never matched, since
they differ between engine versions.
"""

from dataclasses import dataclass
from enum import Enum

from tailrace.errors import TailraceError


class Disposition(Enum):
    """What happens next to an item or a request that the engine answered."""

    DONE = "done"
    SETTLE = "settle"
    RETRY = "retry"
    BISECT = "bisect"
    REFUSE = "fail fast"
    ENSURE = "ensure the index, then retry"
    QUARANTINE = "quarantine the field, else dead-letter"
    DEAD_LETTER = "dead-letter"


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One row: which statuses (and, where they do not suffice, which error types) lead to which disposition."""

    statuses: frozenset[int]
    disposition: Disposition
    sentence: str
    error_types: frozenset[str] = frozenset()


NO_ERROR = "no error"  # semantics 5.1: a delete that finds nothing is 404 without an error object

ITEM_FAILURES: tuple[FailureRow, ...] = (
    FailureRow(frozenset({200, 201}), Disposition.DONE, "The engine has the document."),
    FailureRow(
        frozenset({409}), Disposition.SETTLE, "The index holds this version or a newer one: sequence numbers decide."
    ),
    FailureRow(
        frozenset({404}),
        Disposition.ENSURE,
        "The alias is missing: the index is created once and the write repeated.",
        frozenset({"index_not_found_exception"}),
    ),
    FailureRow(frozenset({404}), Disposition.DONE, "The document to delete is not there.", frozenset({NO_ERROR})),
    FailureRow(
        frozenset({403, 429}),
        Disposition.RETRY,
        "The index is blocked for writes, often a full disk: lift the block, the records wait.",
        frozenset({"cluster_block_exception"}),
    ),
    FailureRow(
        frozenset({429, 500, 502, 503, 504}),
        Disposition.RETRY,
        "The engine is overloaded or not ready: the write is repeated within the time budget.",
    ),
    FailureRow(
        frozenset({401, 403}),
        Disposition.REFUSE,
        "The engine refuses this identity: grant the function's role write access to the index; nothing is dropped.",
    ),
    FailureRow(
        frozenset({400}),
        Disposition.QUARANTINE,
        "The engine refuses this document: its fields at fault move to ddb.rejected; with none left, mend the index.",
    ),
    FailureRow(
        frozenset({405, 413}),
        Disposition.DEAD_LETTER,
        "The engine refuses this document: mend the mapping or the item, then run `tailrace replay`.",
    ),
)

REQUEST_FAILURES: tuple[FailureRow, ...] = (
    FailureRow(frozenset({413}), Disposition.BISECT, "The request is too large for the domain: it is cut in half."),
    FailureRow(
        frozenset({401, 403}),
        Disposition.REFUSE,
        "The engine refuses this identity: check the role and the domain's access policy; nothing is dropped.",
    ),
    FailureRow(
        frozenset({404, 405, 406, 411, 415}),
        Disposition.REFUSE,
        "What answers is no bulk endpoint of OpenSearch: check OPENSEARCH_URL; nothing is dropped.",
    ),
    FailureRow(
        frozenset({408, 429, 500, 502, 503, 504}),
        Disposition.RETRY,
        "The engine is unreachable, overloaded or not ready: the request is repeated within the time budget.",
    ),
    FailureRow(
        frozenset({400}),
        Disposition.BISECT,
        "The engine refuses the request as a whole: it is cut in half until the refused document stands alone.",
    ),
)

CREATION_FAILURES: tuple[FailureRow, ...] = (
    FailureRow(
        frozenset({400}),
        Disposition.DEAD_LETTER,
        "The engine refuses to create the index: mend the table's spec, then run `tailrace replay`.",
        frozenset({"invalid_index_name_exception", "mapper_parsing_exception", "illegal_argument_exception"}),
    ),
    FailureRow(
        frozenset({400}),
        Disposition.RETRY,
        "The engine has no room for another index, or refuses it for now: make room, the records wait.",
    ),
)

UNKNOWN_FAILURE = FailureRow(
    frozenset(), Disposition.RETRY, "The engine answered something unknown: it is asked again."
)


def classify_item(status: int, error_type: str | None, is_delete: bool = False) -> FailureRow:
    """The row for one item of a bulk response. Only a delete may be done by finding nothing."""
    no_error = NO_ERROR if is_delete else None
    return _find(ITEM_FAILURES, status, error_type or no_error)


def classify_request(status: int, error_type: str | None = None) -> FailureRow:
    """The row for a bulk request that was refused as a whole."""
    return _find(REQUEST_FAILURES, status, error_type)


def classify_creation(status: int, error_type: str | None = None) -> FailureRow:
    """The row for the creation of an index that was refused."""
    return _find(CREATION_FAILURES + REQUEST_FAILURES, status, error_type)


def _find(rows: tuple[FailureRow, ...], status: int, error_type: str | None) -> FailureRow:
    for row in rows:
        if status in row.statuses and (not row.error_types or error_type in row.error_types):
            return row
    return UNKNOWN_FAILURE


class EngineError(TailraceError):
    """The engine did not answer a request with its result. `status` is its HTTP status, 503 for a broken transport."""

    def __init__(self, status: int, text: str, error_type: str | None = None):
        super().__init__(text)
        self.status = status
        self.error_type = error_type


class PartialAnswerError(EngineError):
    """The engine could not read one of several documents; asked about the others alone, it may answer."""


class DeadLetterStoreError(TailraceError):
    """A dead letter could not be stored: its record counts as failed and comes again."""


class ItemReadError(TailraceError):
    """The table did not answer a consistent read: the record counts as failed and comes again."""


class ChangeStreamError(TailraceError):
    """Kinesis did not answer a call with its results. `disposition` is RETRY or REFUSE, `code` its own word."""

    def __init__(self, code: str, disposition: Disposition):
        super().__init__(f"Kinesis did not take the records: {code}")
        self.code = code
        self.disposition = disposition
