"""Items per second of `tailrace verify` on equal sides, by digests and by contents, with the process's peak memory.

The table is an emulator, which sorts the whole table for every page of a scan: on DynamoDB the scan is not the brake.
`of the client` is what Tailrace's own processor time would allow.
"""

import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from verification_load import CREDENTIALS, KEY_NAMES, create_table, dynamodb_client, fill_index, fill_table

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.table_scan import open_table
from tailrace.tables import load_tables
from tailrace.verifying import VerifyOptions, verify_table

ITEMS = 100_000
NAME = "bench-verify"
DOCUMENT = {"tables": {NAME: {"key": list(KEY_NAMES), "type_attribute": "status"}}}


@dataclass(frozen=True, slots=True)
class VerifySpeed:
    """Items per second of wall time and of the client's processor time, and peak memory in MiB."""

    items_per_second: float
    of_the_client: float
    peak_mib: float


def _verify(engine_url: str, emulator_url: str, is_deep: bool, results: Any) -> None:
    tables = load_tables(DOCUMENT)
    client = dynamodb_client(emulator_url)
    with requests.Session() as session, open_table(NAME, SystemClock(), 1, client, CREDENTIALS) as table:
        index = OpenSearchIndex(OpenSearchEngine(engine_url, session=session))
        started, cpu = time.perf_counter(), time.process_time()
        certificate = verify_table(tables, table, index, SystemClock(), VerifyOptions(is_deep=is_deep))
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    if not certificate.is_clean or certificate.items != ITEMS:
        raise RuntimeError("the sides are not equal, so the figure would mean nothing")
    results.put(VerifySpeed(ITEMS / wall, ITEMS / cpu, _peak_mib()))


def _peak_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(engine_url: str, emulator_url: str) -> dict[str, VerifySpeed]:
    """`digests` and `contents`, each in a fresh process. Fills table and index first and deletes both."""
    engine, client = OpenSearchEngine(engine_url), dynamodb_client(emulator_url)
    create_table(client, NAME)
    fill_table(emulator_url, NAME, ITEMS)
    fill_index(engine, load_tables(DOCUMENT), NAME, ITEMS)
    try:
        return {name: _run(engine_url, emulator_url, name == "contents") for name in ("digests", "contents")}
    finally:
        client.delete_table(TableName=NAME)
        for type_ in ("paid", "new", "shipped"):
            engine.request("DELETE", f"/{NAME}-{type_}@000001")


def _run(engine_url: str, emulator_url: str, is_deep: bool) -> VerifySpeed:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_verify, args=(engine_url, emulator_url, is_deep, results))
    process.start()
    speed: VerifySpeed = results.get(timeout=300)
    process.join()
    return speed
