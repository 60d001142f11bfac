"""Bulk bodies: actions to NDJSON, cut by count and by encoded bytes.

Invariant: no body exceeds the byte limit unless one action alone does, and no action is left out or sent twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import orjson

from tailrace import acceleration
from tailrace.actions import Action
from tailrace.chunking import chunk
from tailrace.identity import MAX_ID_BYTES
from tailrace.versions import MAX_VERSION, Verdict, compare_changes

MAX_BULK_ACTIONS = 5_000

T = TypeVar("T")
Heads = dict[tuple[str, bool], bytes]


class Body(NamedTuple, Generic[T]):
    """One `_bulk` request body with the actions that it carries, in order."""

    actions: Sequence[T]
    content: bytes


def render(action: Action, heads: Heads) -> bytes:
    """The action line, with external version, and the source line where there is one; both end in a newline.

    `heads` remembers the rendered beginning per alias for the batch.
    """
    source = action.source
    head = heads.get((action.alias, source is None))
    if head is None:
        verb = b"delete" if source is None else b"index"
        head = b'{"%b":{"_index":%b,"_id":' % (verb, orjson.dumps(action.alias))
        heads[action.alias, source is None] = head
    line = b'%b%b,"version":%d,"version_type":"external"}}\n' % (head, orjson.dumps(action.id), action.version)
    return line if source is None else b"%b%b\n" % (line, source)


def is_legal(action: Action) -> bool:
    """Whether OpenSearch takes id and version: 1 to 512 bytes of UTF-8, and 0 to 2^63-1."""
    characters = len(action.id)
    is_short = characters <= MAX_ID_BYTES // 4 or len(action.id.encode()) <= MAX_ID_BYTES
    return characters > 0 and is_short and 0 <= action.version <= MAX_VERSION


def pack(actions: Iterable[Action], max_bytes: int, max_actions: int = MAX_BULK_ACTIONS) -> Iterator[Body[Action]]:
    """Bodies of at most `max_bytes` encoded bytes, action lines counted, and `max_actions` actions."""
    waiting, start = list(actions), 0
    while acceleration.NATIVE is not None and start < len(waiting):
        packed = acceleration.NATIVE.pack(waiting, start, max_bytes, max_actions)
        if packed is None:
            break
        content, end = packed
        yield Body(waiting[start:end], content)
        start = end
    heads: Heads = {}
    yield from cut(((action, render(action, heads)) for action in waiting[start:]), max_bytes, max_actions)


def cut(rendered: Iterable[tuple[T, bytes]], max_bytes: int, max_actions: int = MAX_BULK_ACTIONS) -> Iterator[Body[T]]:
    """As `pack`, for whatever else is sent to `_bulk`: each with its rendered lines."""
    for taken in chunk((((action, line), len(line)) for action, line in rendered), max_bytes, max_actions):
        yield Body([action for action, _ in taken], b"".join([line for _, line in taken]))


def halve(actions: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Two halves of at least two actions, the first no larger than the second."""
    middle = len(actions) // 2
    return actions[:middle], actions[middle:]


def coalesce(actions: Iterable[Action]) -> tuple[list[Action], list[Action]]:
    """The last change of each document, and the ones it supersedes.

    Sequence numbers decide, or else the instants, and never the order of arrival: a batch may repeat and, from
    Kinesis, reorder (failures 22, 23, trap 13). A document for which neither decides stays `is_undecided`.
    """
    last: dict[tuple[str, str], Action] = {}
    superseded: list[Action] = []
    for action in actions:
        document = (action.alias, action.id)
        other = last.get(document)
        if other is None:
            last[document] = action
            continue
        verdict = compare_changes(action, other)
        newer, older = (action, other) if verdict is Verdict.NEWER else (other, action)
        superseded.append(older)
        if verdict is Verdict.UNDECIDED:
            # The first to arrive goes on, so that a failure brings back both, at the version that covers both.
            newer = newer._replace(version=max(action.version, other.version), is_undecided=True)
        last[document] = newer._replace(is_undecided=True) if other.is_undecided else newer
    return list(last.values()), superseded
