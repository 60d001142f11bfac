"""Records of DynamoDB Streams, as Lambda delivers them and as the replicator carries them on, to change records.

Invariant: what is returned has a table name, an operation and a sequence number of plain characters only, so that no
later step has to escape them.
"""

import re
from collections.abc import Mapping
from typing import Any

from tailrace.errors import TailraceError
from tailrace.records import ChangeRecord
from tailrace.versions import version_of_seconds

DYNAMODB_SOURCE = "aws:dynamodb"
OPERATIONS: Mapping[str, str] = {"INSERT": "insert", "MODIFY": "modify", "REMOVE": "remove"}
_TTL_PRINCIPAL = "dynamodb.amazonaws.com"  # semantics 1.1: userIdentity of a TTL delete, in the origin Region alone
MAX_SEQUENCE_NUMBER_DIGITS = 40  # API reference: 21 to 40 digits
_is_table_name = re.compile(r"[a-zA-Z0-9_.-]{3,255}").fullmatch


class MisspelledRecordError(TailraceError):
    """A record of a known source that carries no change: `reason` is a word for machines, the text is for people.

    The text holds no value of the item.
    """

    def __init__(self, reason: str, text: str):
        super().__init__(text)
        self.reason = reason


def decode_stream_record(wire: Mapping[str, Any], table: str | None = None) -> ChangeRecord:
    """The change of a DynamoDB Streams record; `table` saves taking the ARN apart when the caller knows its table.

    Raises MisspelledRecordError, KeyError, TypeError, ValueError, OverflowError or AttributeError for what is none.
    """
    change = wire["dynamodb"]
    sequence_number = change["SequenceNumber"]
    is_number = sequence_number.isascii() and sequence_number.isdecimal()  # isdecimal alone takes digits of any script
    if not (is_number and len(sequence_number) <= MAX_SEQUENCE_NUMBER_DIGITS):
        raise misspelled("SequenceNumber")
    arn = wire["eventSourceARN"]
    return ChangeRecord(
        table or table_of_stream(arn),
        OPERATIONS[wire["eventName"]],
        change["Keys"],
        change.get("NewImage"),
        change.get("OldImage"),
        sequence_number,
        wire.get("eventID"),
        version_of_seconds(change["ApproximateCreationDateTime"]),
        "streams",
        arn,
        "userIdentity" in wire and is_ttl_delete(wire["userIdentity"]),
        change.get("StreamViewType"),
        sequence_number,
        wire,
    )


def is_ttl_delete(identity: Mapping[str, Any] | None) -> bool:
    """Whether a record's `userIdentity` is that of DynamoDB's TTL; null stands for none (semantics 2.1)."""
    if identity is None:
        return False
    return (identity.get("principalId") or identity.get("PrincipalId")) == _TTL_PRINCIPAL


def table_of_stream(arn: str) -> str:
    """The table of a stream ARN. The label holds colons, so the ARN is split on `/` (semantics 1.1).

    Raises MisspelledRecordError for any other text.
    """
    parts = arn.split("/")
    if len(parts) != 4 or not parts[0].endswith(":table") or parts[2] != "stream":
        raise misspelled("eventSourceARN")
    return checked_table(parts[1], "eventSourceARN")


def checked_table(name: str, field: str) -> str:
    """The name itself, if it is a table name (DynamoDB: `a-z A-Z 0-9 _ . -`); `field` is where it was read."""
    if not _is_table_name(name):
        raise misspelled(field)
    return name


def misspelled(field: str) -> MisspelledRecordError:
    """A field of the record that is not what it must be."""
    return MisspelledRecordError("undecodable", f"the record lacks or misspells `{field}`")
