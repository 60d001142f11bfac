"""What can go wrong under a reindex, on a real engine: each ends in a sentence, what is searched stays as it was, and
the job goes on once the cause is mended, or is given up.
"""

import gzip
import hashlib
from base64 import b64encode
from contextlib import contextmanager

import orjson
import pytest
import requests
from botocore.credentials import Credentials
from builders import order
from export_builders import TABLE_ARN, MemoryExports
from reindex_builders import World
from reindexing.clients import REGION
from reindexing.live_table import LiveTable
from reindexing.table_server import TableServer, serving
from reindexing.writing import new_item

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.dynamodb_calls import DynamoDBCalls
from tailrace.adapters.export_slices import ExportRequests, ExportSource
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.memory_sides import MemoryTable
from tailrace.adapters.scan_slices import ScanSource
from tailrace.errors import TailraceError, UserError
from tailrace.exports import ExportError
from tailrace.failures import EngineError, ItemReadError
from tailrace.jobs import JobStore, Phase
from tailrace.loading import LoadError
from tailrace.sides import TableShape
from tailrace.tables import load_tables
from tailrace_local.export_writing import write_full_export

pytestmark = pytest.mark.slow

COUNT = 1_000
EXPORT = "s3://exports/daily/AWSDynamoDB/01763726400000-0000aaaa"


class Reindex:
    """A table of orders with a searched generation, an export of it, and a reindex from there."""

    def __init__(self, opensearch, corner):
        self.corner, self.world = corner, World(self.specs(corner), opensearch, OpenSearchIndex(opensearch))
        self.exports = MemoryExports()
        self.fill()

    @staticmethod
    def specs(corner, **orders):
        return load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]} | orders}})

    def fill(self):
        """The items are there, a few of them in the searched generation: enough to see that it stays."""
        for number in range(3):
            self.world.write(order(f"o-{number:04d}"))
        self.world.table.items = [order(f"o-{number:04d}") for number in range(COUNT)]
        write_full_export(self.exports.target(files=1), self.world.table.items, SystemClock().now() + 60)
        [self.data_file] = self.exports.data_files()

    def source(self):
        shape, clock = TableShape("orders", {"id": "S"}), SystemClock()
        return ExportSource(
            self.exports, ExportRequests(None, TABLE_ARN, "own", "own", clock), shape, clock, is_chained=False
        )

    def reindexer(self, specs=None, **parts):
        return self.world.reindexer(specs, **{"source": self.source()} | parts)

    def begin(self, **parts):
        reindexer = self.reindexer(**parts)
        return reindexer, reindexer.begin("job-1", segments=2, exports=[EXPORT])

    def run(self, **parts):
        reindexer, job = self.begin(**parts)
        return reindexer.run(job)

    def resume(self, **parts):
        return self.reindexer(**parts).run(self.job())

    def job(self):
        return JobStore(self.world.box).read("orders")

    def abort(self):
        self.reindexer().abort(self.job())

    def aliases(self):
        url = f"{self.world.engine.url}/{self.corner}*/_alias?expand_wildcards=all"
        answer = requests.get(url, timeout=10).json()
        return {index.removeprefix(self.corner): sorted(a.removeprefix(self.corner) for a in told["aliases"])
                for index, told in answer.items()}  # fmt: skip

    def searched(self):
        self.world.engine.request("POST", f"/{self.corner}orders/_refresh")
        return self.world.engine.request("GET", f"/{self.corner}orders/_count")["count"]

    def replace_lines(self, change):
        """Another content of the data file, with the checksum in the manifest that fits."""
        lines = gzip.decompress(self.exports.objects[self.data_file]).splitlines(keepends=True)
        self.replace_file(gzip.compress(b"".join(change(lines))))

    def replace_file(self, body):
        self.exports.objects[self.data_file] = body
        manifest = f"{EXPORT.partition('exports/')[2]}/manifest-files.json"
        told = orjson.loads(self.exports.objects[manifest])
        told["md5Checksum"] = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        self.exports.objects[manifest] = orjson.dumps(told)


@pytest.fixture
def reindex(opensearch, corner):
    return Reindex(opensearch, corner)


@pytest.fixture(params=["resume", "abort"])
def settle(request, reindex):
    """Once the cause is mended: go on with the job, or give it up."""

    def settle():
        if request.param == "resume":
            assert reindex.resume().is_clean
            assert reindex.aliases() == {"orders@000001": ["orders@previous"], "orders@000002": ["orders"]}
            assert reindex.searched() == len(reindex.world.table.items)
        else:
            reindex.abort()
            assert reindex.aliases() == {"orders@000001": ["orders"]}
            assert reindex.searched() == 3
            assert reindex.world.box.letters == {}

    return settle


def assert_untouched(reindex, phase):
    assert reindex.job().phase is phase
    assert reindex.searched() == 3
    assert reindex.aliases()["orders@000001"] == ["orders"]


def test_failure_41_a_corrupt_line_is_a_dead_letter_and_keeps_the_swap_back(reindex):
    reindex.replace_lines(lambda lines: [*lines[:6], b'{"Item": {"id": {"S": "o-00\n', *lines[7:]])

    certificate = reindex.run()

    assert_untouched(reindex, Phase.VERIFYING)
    assert certificate.differences.by_kind()["missing"] == 1
    [letter] = [orjson.loads(body) for body in reindex.world.letters.letters.values()]
    assert (letter["record"]["file"], letter["record"]["line"]) == (reindex.data_file, 7)
    reindex.world.write(order("o-0006", status={"S": "WRITTEN AGAIN"}))
    assert reindex.resume().is_clean
    assert reindex.searched() == COUNT


def test_failure_83_a_wrong_checksum_stops_the_load_before_a_line_of_it(reindex, settle):
    right = reindex.exports.objects[reindex.data_file]
    reindex.exports.objects[reindex.data_file] = gzip.compress(gzip.decompress(right) + b"\n")

    with pytest.raises(ExportError, match=r"^s3://exports/.* is not the file of the manifest: its MD5 differs$"):
        reindex.run()

    assert_untouched(reindex, Phase.LOADING)
    assert [each.read for each in reindex.reindexer().checkpoints(reindex.job()).values()] == [0]
    reindex.exports.objects[reindex.data_file] = right
    settle()


def test_failure_83_a_missing_data_file_is_named(reindex, settle):
    body = reindex.exports.objects.pop(reindex.data_file)

    with pytest.raises(ExportError, match=f"^s3://exports/{reindex.data_file} is missing$"):
        reindex.run()

    assert_untouched(reindex, Phase.LOADING)
    reindex.exports.objects[reindex.data_file] = body
    settle()


def test_failure_83_a_truncated_file_is_named_whatever_its_checksum_says(reindex, settle):
    right = reindex.exports.objects[reindex.data_file]
    reindex.replace_file(right[:-100])

    with pytest.raises(ExportError, match=f"^s3://exports/{reindex.data_file} is cut off$"):
        reindex.run()

    assert_untouched(reindex, Phase.LOADING)
    reindex.replace_file(right)
    settle()


def test_an_export_of_another_table_is_refused_before_anything_is_loaded(reindex):
    reindex.exports = MemoryExports()
    foreign = reindex.exports.target()
    write_full_export(
        type(foreign)(foreign.put, "exports", "daily", TABLE_ARN.replace("orders", "planes"), foreign.export_id),
        [order()],
        SystemClock().now(),
    )

    with pytest.raises(UserError, match=r"is an export of table planes, not of orders: name one of orders$"):
        reindex.run()

    assert_untouched(reindex, Phase.FENCING)
    reindex.abort()
    assert reindex.aliases() == {"orders@000001": ["orders"]}


def test_a_table_that_is_deleted_midway_ends_in_a_sentence(reindex):
    with live_table() as (server, calls):
        source = ScanSource(calls, TableShape("orders", {"id": "S"}))

        def delete_table(_name, _checkpoint):
            server.is_deleted = True

        with pytest.raises(ItemReadError, match=r"^table orders: DynamoDB refused Scan: ResourceNotFoundException$"):
            reindex.run(source=source, on_page=delete_table)

        assert_untouched(reindex, Phase.LOADING)
        checkpoints = reindex.reindexer(source=source).checkpoints(reindex.job()).values()
    assert 0 < sum(each.read for each in checkpoints) < COUNT
    assert any("ResourceNotFoundException" in each.problem for each in checkpoints)
    reindex.abort()
    assert reindex.aliases() == {"orders@000001": ["orders"]}


@contextmanager
def live_table():
    table = LiveTable(page_bytes=20_000)
    for number in range(COUNT):
        table.write(f"x-{number}", new_item(f"x-{number}", number), 1.0)
    server = TableServer(table, lambda *_: None, lambda *_: {}, "orders")
    with serving(server) as url, requests.Session() as session:
        yield server, DynamoDBCalls(url, REGION, Credentials("test", "test"), session, SystemClock())


def test_an_expired_cursor_ends_the_verification_in_a_sentence(reindex, settle, monkeypatch):
    forget = OpenSearchIndex.open_snapshot

    @contextmanager
    def open_and_forget(index, *arguments):
        with forget(index, *arguments) as snapshot:
            index._engine.request("DELETE", "/_search/point_in_time/_all")
            yield snapshot

    with monkeypatch.context() as patched:
        patched.setattr(OpenSearchIndex, "open_snapshot", open_and_forget)
        with pytest.raises(EngineError, match=r"^the engine has forgotten the point in time of this walk: "):
            reindex.run()

    assert_untouched(reindex, Phase.VERIFYING)
    settle()


@contextmanager
def flooded(reindex, generation):
    """The block that the engine puts on an index when a disk is full."""
    path = f"/{reindex.corner}{generation}/_settings"
    reindex.world.engine.request("PUT", path, {"index": {"blocks.read_only_allow_delete": True}})
    try:
        yield
    finally:
        requests.put(
            f"{reindex.world.engine.url}{path}", json={"index": {"blocks.read_only_allow_delete": None}}, timeout=10
        )


def test_failure_30_a_full_disk_stops_the_load_and_a_resume_goes_on(reindex, settle):
    blocks = []

    def on_phase(job):
        if job.phase is Phase.LOADING:
            blocks.append(flooded(reindex, "orders@000002"))
            blocks[-1].__enter__()

    with pytest.raises(LoadError, match=r"^1000 documents of a page could not be written within 5 s \(time_budget\): "):
        reindex.run(on_phase=on_phase)

    assert_untouched(reindex, Phase.LOADING)
    blocks.pop().__exit__(None, None, None)
    settle()


def test_failure_30_a_reindex_is_given_up_while_the_disk_is_full(reindex):
    def on_page(_name, _checkpoint):
        raise TailraceError("stopped")

    with pytest.raises(TailraceError):
        reindex.run(on_page=on_page)

    with flooded(reindex, "orders@000002"):
        reindex.abort()

    assert reindex.aliases() == {"orders@000001": ["orders"]}


def test_a_mapping_that_refuses_documents_keeps_the_swap_back(reindex):
    refusing = Reindex.specs(reindex.corner, fields={"status": {"type": "number"}}, on_type_conflict="dead_letter")

    certificate = reindex.run(specs=refusing)

    assert_untouched(reindex, Phase.VERIFYING)
    assert certificate.differences.by_kind()["missing"] == COUNT
    assert len(reindex.world.letters.letters) == COUNT
    reindex.reindexer(refusing).abort(reindex.job())
    assert reindex.aliases() == {"orders@000001": ["orders"]}


def test_an_index_that_the_engine_itself_refuses_is_not_built(reindex):
    refused = Reindex.specs(reindex.corner, shards=1_024)

    with pytest.raises(EngineError, match=r"^the engine answered 400 .*would add .* shards"):
        reindex.run(specs=refused)

    assert_untouched(reindex, Phase.ANNOUNCING)
    reindex.reindexer(refused).abort(reindex.job())
    assert reindex.aliases() == {"orders@000001": ["orders"]}


def test_a_spec_that_changed_since_is_refused_with_both_ways_out(reindex):
    with pytest.raises(TailraceError):
        reindex.run(on_page=lambda *_: (_ for _ in ()).throw(TailraceError("stopped")))
    other = Reindex.specs(reindex.corner, fields={"total": {"type": "number", "format": "scaled_float",
                                                             "scaling_factor": 100}})  # fmt: skip

    with pytest.raises(UserError, match="has changed since its reindex began: run `tailrace reindex orders --abort`"):
        reindex.resume(specs=other)

    assert_untouched(reindex, Phase.LOADING)
    reindex.reindexer(other).abort(reindex.job())
    assert reindex.aliases() == {"orders@000001": ["orders"]}


def test_failures_42_64_two_tables_in_one_bucket_keep_their_checkpoints_apart(reindex):
    other = MemoryTable(name="planes", items=[order("p-1")])
    reindex.run()

    jobs = JobStore(reindex.world.box)

    assert jobs.read(other.name) is None
    assert {key.split("/")[1] for key in reindex.world.box.letters if key.startswith("reindex/")} == {"orders"}
