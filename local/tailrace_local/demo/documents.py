"""Reading the index as any client may, through read aliases, with every digit that the documents hold.

Invariant: numbers arrive as their own literals (`("N", "1.50")`), never as floats, and nothing is asked of the engine
that would rewrite a `_source` (no source filter, no `filter_path` over it).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

from tailrace.errors import TailraceError

TIMEOUT_SECONDS = 60.0

Document = dict[str, Any]


class ReadError(TailraceError):
    """The engine did not answer a read, or refused it."""


def parse_exactly(text: bytes | str) -> Any:
    """JSON with each number as the pair ("N", its literal): equal only to a number of the same digits."""
    return json.loads(text, parse_int=_literal, parse_float=_literal, parse_constant=_literal)


def _literal(text: str) -> tuple[str, str]:
    return ("N", text)


class Documents:
    """The documents of one OpenSearch. Not to be shared between threads."""

    def __init__(self, url: str, session: requests.Session | None = None) -> None:
        self._url = url.rstrip("/")
        self._session = session or requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def await_health(self) -> None:
        """Wait until every primary shard is there: after a restart an index may answer later than its neighbour."""
        self.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=50s")

    def read_aliases(self) -> list[str]:
        """The names of all read aliases (generations under construction left out)."""
        indices = json.loads(self.request("GET", "/_alias"))
        return sorted({alias for index in indices.values() for alias in index["aliases"] if "@" not in alias})

    def refresh(self, aliases: Sequence[str]) -> None:
        """Make every write so far visible to searches."""
        for alias in aliases:
            self.request("POST", f"/{_path(alias)}/_refresh")

    def read_some(self, alias: str, ids: Sequence[str]) -> dict[str, Document]:
        """The documents with these ids that a search through the alias (or pattern of aliases) finds."""
        body = {"size": len(ids), "query": {"ids": {"values": list(ids)}}}
        answer = parse_exactly(self.request("POST", f"/{_path(alias)}/_search", body))
        return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}

    def find_ids(self, alias: str, ids: Sequence[str]) -> list[str]:
        """Which of these ids a search through the alias finds now. Raises ReadError while there is no such alias."""
        body = {"size": len(ids), "query": {"ids": {"values": list(ids)}}, "_source": False, "track_total_hits": False}
        answer = json.loads(self.request("POST", f"/{_path(alias)}/_search", body))
        return [hit["_id"] for hit in answer["hits"]["hits"]]

    def search(self, alias: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A search's answer, its numbers as literals."""
        answer: dict[str, Any] = parse_exactly(self.request("POST", f"/{_path(alias)}/_search", body))
        return answer

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """One request; the answer's bytes. Raises ReadError."""
        try:
            response = self._session.request(method, self._url + path, json=body, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise ReadError(f"OpenSearch did not answer: {type(error).__name__}") from error
        if response.status_code >= 400:
            raise ReadError(f"OpenSearch answered {response.status_code} to {method} {path}")
        return response.content


def _path(alias: str) -> str:
    return quote(alias, safe="*,")
