"""A gate that refuses what OpenSearch Serverless is known to refuse, as its documentation and its users tell.

Whether a collection takes external versions, `if_seq_no` or a sort by `_seq_no` nobody has written down: no test can.
"""

import json
from dataclasses import dataclass

from sigv4_verifier import Gate, RefusedError

LARGEST_BODY = 10 * 1024 * 1024
MISSING = {
    "_refresh", "_flush", "_forcemerge", "_cluster", "_nodes", "_tasks", "_ingest", "_snapshot", "_plugins", "_reindex",
    "_update_by_query", "_delete_by_query",
}  # fmt: skip


@dataclass
class CollectionGate(Gate):
    """A collection of one `type`: SEARCH, TIMESERIES or VECTORSEARCH. `ignores` is a part of requests it overlooks."""

    service: str = "aoss"
    type: str = "SEARCH"
    ignores: bytes = b""

    def refuse(self, method, path, headers, body):
        """See `Gate.refuse`."""
        head, _, query = path.partition("?")
        if head == "/" or MISSING & set(head.split("/")):
            raise RefusedError("not found", 404)
        if headers.get("content-encoding"):
            raise RefusedError("The request signature we calculated does not match the signature you provided.")
        if len(body) > LARGEST_BODY:
            raise RefusedError("too large", 413)
        if "refresh=" in query:
            raise RefusedError("true refresh policy is not supported.", 400)
        if method == "PUT" and "settings" in json.loads(body or b"{}"):
            raise RefusedError("unknown setting", 400)
        if head.endswith("/_bulk") and self.type != "SEARCH":
            raise _IdsRefusedError(body)
        if self.ignores and self.ignores in body:
            raise _HeedlessError(body, self.ignores)


class _IdsRefusedError(RefusedError):
    def __init__(self, body):
        super().__init__("ids", 200)
        reason = "Document ID is not supported in create/index operation request"
        error = {"status": 400, "error": {"type": "illegal_argument_exception", "reason": reason}}
        verbs = [verb for line in body.splitlines() for verb in json.loads(line) if verb in ("index", "delete")]
        self.body = json.dumps({"errors": True, "items": [{verb: error} for verb in verbs]}).encode()


class _HeedlessError(RefusedError):
    """Answers as an engine would that overlooks a condition: what bears it is written, all else is as it should be."""

    def __init__(self, body, ignored):
        super().__init__("heedless", 200)
        lines = [line for line in body.splitlines() if b'"_id"' in line]
        statuses = [200 if ignored in line or number == 0 else 409 for number, line in enumerate(lines)]
        items = [{"index": {"status": status}} for status in statuses]
        self.body = json.dumps({"errors": True, "items": items}).encode()
