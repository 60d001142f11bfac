"""A few searches worth seeing, through the read aliases, as any client would send them.

Invariant: a search only reads, and shows what it was asked (`request`) beside what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace_local.demo.documents import Documents
from tailrace_local.demo.edge_values import LONGEST_NUMBER

JFK = {"lat": 40.6398, "lon": -73.7789}
NO_TOMBSTONES = {"bool": {"must_not": {"term": {"ddb.deleted": True}}}}
"""A pattern such as `planes-*` matches the indices behind the aliases, too, and OpenSearch then leaves out the aliases'
filter: a search by pattern says itself that it wants no tombstones."""

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """One search: its title, where it goes, its body, and how its answer becomes rows."""

    title: str
    alias: str
    body: Mapping[str, Any]
    columns: Sequence[str]
    read_rows: Callable[[Mapping[str, Any]], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found."""

    title: str
    alias: str
    body: Mapping[str, Any]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def run_searches(documents: Documents) -> tuple[SearchResult, ...]:
    """Run all of them. Raises ReadError."""
    return tuple(_run(search, documents) for search in SEARCHES)


def _run(search: Search, documents: Documents) -> SearchResult:
    rows = tuple(search.read_rows(documents.search(search.alias, search.body)))
    return SearchResult(search.title, search.alias, search.body, tuple(search.columns), rows)


def _hits(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(answer["hits"]["hits"])


def _delays(answer: Mapping[str, Any]) -> Iterator[Row]:
    for bucket in answer["aggregations"]["carriers"]["buckets"]:
        late = bucket["late"]["values"]["90.0"]
        yield bucket["key"], _digits(bucket["doc_count"]), _minutes(bucket["delay"]["value"]), _minutes(late)


def _airports(answer: Mapping[str, Any]) -> Iterator[Row]:
    for hit in _hits(answer):
        yield hit["_source"]["faa"], hit["_source"]["name"], f"{float(_digits(hit['sort'][0])):.1f}"


def _plane_types(answer: Mapping[str, Any]) -> Iterator[Row]:
    for bucket in answer["aggregations"]["indices"]["buckets"]:
        type_ = next((one["key"] for one in bucket["type"]["buckets"]), "(no type)")
        yield bucket["key"], type_, _digits(bucket["doc_count"]), f"{float(_digits(bucket['seats']['value'])):.0f}"


def _exact(answer: Mapping[str, Any]) -> Iterator[Row]:
    for hit in _hits(answer):
        yield hit["_source"]["carrier"], hit["_source"]["name"], _digits(hit["_source"]["miles_ever_flown"])


def _names(answer: Mapping[str, Any]) -> Iterator[Row]:
    for hit in _hits(answer):
        yield hit["_source"]["faa"], hit["_source"]["name"], hit["_source"].get("tzone", "")


def _digits(number: tuple[str, str] | None) -> str:
    return number[1] if number else "nan"


def _minutes(number: tuple[str, str] | None) -> str:
    return f"{float(_digits(number)):.1f}"


SEARCHES: tuple[Search, ...] = (
    Search(
        "Departure delays by carrier, the worst first",
        "flights",
        {
            "size": 0,
            "query": {"exists": {"field": "dep_delay"}},
            "aggs": {
                "carriers": {
                    "terms": {"field": "carrier", "size": 5, "min_doc_count": 10, "order": {"delay": "desc"}},
                    "aggs": {
                        "delay": {"avg": {"field": "dep_delay"}},
                        "late": {"percentiles": {"field": "dep_delay", "percents": [90]}},
                    },
                }
            },
        },
        ("carrier", "flights", "mean delay, min", "90 % below, min"),
        _delays,
    ),
    Search(
        "Airports within 60 km of JFK, the nearest first",
        "airports",
        {
            "size": 5,
            "query": {"bool": {"filter": {"geo_distance": {"distance": "60km", "location": JFK}}}},
            "sort": [{"_geo_distance": {"location": JFK, "unit": "km"}}],
        },
        ("faa", "airport", "km"),
        _airports,
    ),
    Search(
        "Planes by type: one index for each, all asked at once",
        "planes-*",
        {
            "size": 0,
            "query": NO_TOMBSTONES,
            "aggs": {
                "indices": {
                    "terms": {"field": "_index", "size": 10},
                    "aggs": {"type": {"terms": {"field": "type", "size": 1}}, "seats": {"avg": {"field": "seats"}}},
                }
            },
        },
        ("index", "type", "planes", "mean seats"),
        _plane_types,
    ),
    Search(
        "The airline that has flown exactly this far: 38 digits, looked up digit for digit",
        "airlines",
        {"size": 3, "query": {"term": {"miles_ever_flown.exact": LONGEST_NUMBER}}},
        ("carrier", "airline", "miles ever flown"),
        _exact,
    ),
    Search(
        "Text search in airport names: “regional county”",
        "airports",
        {
            "size": 5,
            "query": {"match": {"name.text": {"query": "regional county", "operator": "and"}}},
            "sort": ["faa"],
        },
        ("faa", "airport", "time zone"),
        _names,
    ),
)
