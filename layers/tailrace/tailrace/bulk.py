"""Bulk bodies: actions to NDJSON, cut by count and by encoded bytes.

Invariant: no body exceeds the byte limit unless one action alone does, and no action is left out or sent twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson

from tailrace.actions import Action

MAX_BULK_ACTIONS = 5_000


class Body(NamedTuple):
    """One `_bulk` request body with the actions that it carries, in order."""

    actions: Sequence[Action]
    content: bytes


def render(action: Action, heads: dict[tuple[str, bool], bytes]) -> bytes:
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


def pack(actions: Iterable[Action], max_bytes: int, max_actions: int = MAX_BULK_ACTIONS) -> Iterator[Body]:
    """Bodies of at most `max_bytes` encoded bytes, action lines counted, and `max_actions` actions."""
    heads: dict[tuple[str, bool], bytes] = {}
    taken: list[Action] = []
    lines: list[bytes] = []
    size = 0
    for action in actions:
        line = render(action, heads)
        if taken and (size + len(line) > max_bytes or len(taken) >= max_actions):
            yield Body(taken, b"".join(lines))
            taken, lines, size = [], [], 0
        taken.append(action)
        lines.append(line)
        size += len(line)
    if taken:
        yield Body(taken, b"".join(lines))


def halve(actions: Sequence[Action]) -> tuple[Sequence[Action], Sequence[Action]]:
    """Two halves of at least two actions, the first no larger than the second."""
    middle = len(actions) // 2
    return actions[:middle], actions[middle:]


def coalesce(actions: Iterable[Action]) -> tuple[list[Action], list[Action]]:
    """The last change of each document, and the ones it supersedes.

    Within a batch the order is the source's own; where both carry sequence numbers they decide, so that a repeated
    older record inside one batch never wins (failures 22, 23).
    """
    last: dict[tuple[str, str], Action] = {}
    superseded: list[Action] = []
    for action in actions:
        document = (action.alias, action.id)
        earlier = last.get(document)
        if earlier is None:
            last[document] = action
        elif _is_older(action, earlier):
            superseded.append(action)
        else:
            superseded.append(earlier)
            last[document] = action
    return list(last.values()), superseded


def _is_older(action: Action, other: Action) -> bool:
    if action.sequence_number is not None and other.sequence_number is not None:
        return int(action.sequence_number) < int(other.sequence_number)
    return action.version < other.version
