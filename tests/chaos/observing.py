"""What a test of one fault sends and sees: batches of orders, the read alias, the dead letters, the answer.

Invariant: the index is seen through its read alias alone.
"""

import json
from typing import Any

from builders import Indexer, change_record, order

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.reports import BatchReport

WRITING = 1  # the exchange of an invocation that writes: the first one asks for the generations beside
ALWAYS = 1_000_000  # the span of a fault that does not end by itself
POISON = {"born": {"S": "no day"}}


def batch(*ids: str, **attributes: Any) -> list[dict[str, Any]]:
    """One insert per id, numbered from 1."""
    return [change_record(new=order(id_, **attributes), sequence=n) for n, id_ in enumerate(ids, start=1)]


def shown(engine: OpenSearchEngine, corner: str) -> list[str]:
    """The ids that the read alias shows."""
    engine.request("POST", f"/{corner}orders/_refresh?ignore_unavailable=true")
    answer = engine.request("GET", f"/{corner}orders/_search?size=1000&ignore_unavailable=true")
    return sorted(hit["_id"] for hit in answer["hits"]["hits"])


def lettered(indexer: Indexer) -> dict[str, str]:
    """The ids of the items that have a dead letter, with its reason."""
    letters = map(json.loads, indexer.letters.letters.values())
    return {each["record"]["dynamodb"]["Keys"]["id"]["S"]: each["reason"] for each in letters}


def first_failed(report: BatchReport) -> list[str]:
    """What a partial batch response names: the first sequence number that is not settled, if there is any."""
    return [failure["itemIdentifier"] for failure in report.as_response()["batchItemFailures"]]
