"""What has to hold of a collection of OpenSearch Serverless, and is written down nowhere: it is asked for.

Invariant: the check leaves nothing behind that a search through the alias could find, and a collection that could
lose a change, or bring an old one back, is refused before it is used.
"""

from collections.abc import Sequence

import orjson

from tailrace.failures import EngineError
from tailrace.ports import ItemResult, SearchEngine

WRONG_TYPE = "the collection takes no document ids: it has to be of type SEARCH, and a type cannot be changed"
NO_VERSIONS = "the collection does not refuse an older external version: an old change could overwrite a newer one"
NO_CONDITIONS = "the collection ignores if_seq_no: the sweeper could remove an item that came back"
_IDS_REFUSED = "Document ID is not supported"
_HIDDEN = b'{"ddb":{"deleted":true}}\n'
_CHECK_ID = "collection-check"
_NO_TERM = 2**62  # a primary term that no index ever reaches


def refuse_wrong_type(results: Sequence[ItemResult]) -> None:
    """A time series or vector collection refuses every id. That is no fault of a document: none is a dead letter.

    Raises EngineError 405 `collection_type` (failure 61).
    """
    if any(result.status == 400 and _IDS_REFUSED in (result.reason or "") for result in results):
        raise EngineError(405, WRONG_TYPE, "collection_type")


def check_collection(engine: SearchEngine, alias: str, version: int) -> None:
    """Write a hidden document, try what has to be refused, and delete it: one request.

    `version` is above that of any check before. Raises EngineError 405 `collection_type` for a collection that Tailrace
    cannot keep its promises on.
    """
    written, older, conditional, _ = engine.bulk(_build_check(alias, version), 4)
    if written.status == 400:
        raise EngineError(405, WRONG_TYPE, "collection_type")
    if written.status not in (200, 201):
        raise EngineError(written.status, f"the collection answered its check with {written.status}")
    if older.status != 409:
        raise EngineError(405, NO_VERSIONS, "collection_type")
    if conditional.status != 409:
        raise EngineError(405, NO_CONDITIONS, "collection_type")


def _build_check(alias: str, version: int) -> bytes:
    place = {"_index": alias, "_id": _CHECK_ID}
    external = place | {"version_type": "external"}
    return b"".join(
        [
            orjson.dumps({"index": external | {"version": version}}) + b"\n" + _HIDDEN,
            orjson.dumps({"index": external | {"version": version - 1}}) + b"\n" + _HIDDEN,
            orjson.dumps({"index": place | {"if_seq_no": 0, "if_primary_term": _NO_TERM}}) + b"\n" + _HIDDEN,
            orjson.dumps({"delete": external | {"version": version + 1}}) + b"\n",
        ]
    )
