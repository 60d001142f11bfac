"""Bulk bodies and bulk answers as the fault proxy takes them apart and puts them together again.

Invariant: an answer that is put together has one item per action of the request, in its order.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from model.faults import split_body

from chaos.proxy import Answer

Item = dict[str, Any]
BUSY = {"type": "rejected_execution_exception", "reason": "rejected execution of a task"}
WRITE_BLOCK = {"type": "cluster_block_exception", "reason": "index blocked by: [FORBIDDEN/8/index write (api)]"}
NO_PERMISSION = {"type": "security_exception", "reason": "no permissions for [indices:data/write/bulk]"}


class Piece(NamedTuple):
    """One action of a bulk body: its bytes and its verb. `origin` is the event id of the change that it comes from, or
    the document id where the table itself was asked; None for what is no write of a document."""

    content: bytes
    verb: str
    origin: str | None


def read_pieces(body: bytes) -> list[Piece]:
    """The actions of a bulk body."""
    return [_read_piece(content) for content in split_body(body)]


def _read_piece(content: bytes) -> Piece:
    head, _, source = content.partition(b"\n")
    [(verb, meta)] = json.loads(head).items()
    if "if_seq_no" in meta or not source.strip():
        return Piece(content, verb, None)
    return Piece(content, verb, json.loads(source)["ddb"].get("event_id") or meta["_id"])


def read_items(answer: Answer) -> list[Item]:
    """The items of a bulk answer, each without its verb; none where the answer is an error."""
    items = json.loads(answer.body).get("items", []) if answer.status == 200 else []
    return [next(iter(item.values())) for item in items]


def refused_item(verb: str, status: int, error: Item) -> Item:
    """The item of an action that was not carried out."""
    return {verb: {"status": status, "error": error}}


def bulk_answer(items: Sequence[Item]) -> Answer:
    """A bulk answer with these items, each with its verb."""
    has_errors = any("error" in result for item in items for result in item.values())
    return Answer(200, json.dumps({"errors": has_errors, "items": list(items)}).encode())


def forwarded_items(answer: Answer) -> list[Item]:
    """The items of the engine's own answer, each with its verb."""
    items: list[Item] = json.loads(answer.body)["items"]
    return items
