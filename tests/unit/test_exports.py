"""Exports as DynamoDB writes them, read by their manifests alone."""

import gzip
import json
import tracemalloc
import zlib

import pytest
from builders import order
from export_builders import FULL, LATER, TABLE_ARN, TIME, MemoryExports

from tailrace import acceleration
from tailrace.actions import Planner
from tailrace.deadletters import dead_letter, encode
from tailrace.errors import UserError
from tailrace.exports import (
    ExportError,
    check_file,
    decode_line,
    read_export,
    read_files,
    read_lines,
    refuse_foreign,
)
from tailrace.raw_events import RawMap, as_objects
from tailrace.records import Undecodable
from tailrace.tables import load_tables

FORMATS = pytest.mark.parametrize("format_", ["DYNAMODB_JSON", "ION"])


def load(store, summary):
    """All records of an export, by file and line."""
    export = read_export(store, "exports", summary)
    return [
        decode_line(export, file, number, line, ("id",))
        for file in read_files(store, export)
        for number, line in enumerate(read_lines(store.stream("exports", file.key), file.key), start=1)
    ]


@FORMATS
def test_a_full_export_holds_every_item_once(format_):
    store = MemoryExports()

    records = load(store, store.full(10, format=format_))

    assert sorted(record.keys["id"]["S"] for record in records) == [f"o-{number:03d}" for number in range(10)]
    assert {(record.operation, record.source, record.table) for record in records} == {("backfill", "export", "orders")}
    assert {record.instant_ns for record in records} == {1_763_726_400 * 10**9}
    assert records[0].new_image == order("o-000")


@FORMATS
def test_an_incremental_export_tells_writes_and_removals_with_their_time(format_):
    store = MemoryExports()
    key = {"id": {"S": "o-1"}}
    written = {"Keys": key, "micros": 1_763_726_400_123_456, "NewImage": order("o-1")}
    removed = {"Keys": {"id": {"S": "o-2"}}, "micros": 1_763_726_401_000_000, "OldImage": order("o-2")}

    first, second = sorted(load(store, store.incremental(written, removed, format=format_)), key=lambda r: r.instant_ns)

    assert (first.operation, first.instant_ns, first.source) == ("backfill", 1_763_726_400_123_456_000, "incremental")
    assert (second.operation, second.new_image, second.old_image) == ("remove", None, order("o-2"))


def test_trap_29_a_new_image_of_null_is_a_removal():
    store = MemoryExports()
    export = read_export(store, "exports", store.incremental())
    line = json.dumps({"Metadata": {"WriteTimestampMicros": {"N": "1763726400000000"}}, "Keys": {"id": {"S": "o"}},
                       "NewImage": None})  # fmt: skip

    record = decode_line(export, read_file(), 1, line.encode(), ("id",))

    assert record.operation == "remove"


def read_file():
    from tailrace.exports import DataFile

    return DataFile("daily/file", 1, "")


def test_trap_29_the_manifest_is_read_and_not_the_folder_which_others_share():
    store = MemoryExports()
    mine = store.incremental({"Keys": {"id": {"S": "mine"}}, "micros": 1, "NewImage": order("mine")}, files=1)
    store.objects["daily/AWSDynamoDB/data/other.json.gz"] = gzip.compress(b'{"Item":{}}\n')

    assert [record.keys["id"]["S"] for record in load(store, mine)] == ["mine"]


def test_failure_41_a_corrupt_line_is_one_dead_letter_with_file_and_number():
    store = MemoryExports()
    export = read_export(store, "exports", store.full(1))

    record = decode_line(export, read_file(), 7, b'{"Item":{"id":', ("id",))

    assert isinstance(record, Undecodable)
    assert (record.reason, record.detail, record.table) == (
        "undecodable",
        "line 7 of daily/file is none of an export",
        "orders",
    )
    assert record.wire == {
        "export": f"{TABLE_ARN}/export/{FULL}",
        "file": "daily/file",
        "line": 7,
        "bytes": "eyJJdGVtIjp7ImlkIjo=",
    }


@pytest.mark.parametrize(
    "line", [b"", b"null", b"[]", b'{"Item":null}', b'{"Item":[]}', b'{"Item":{}}', b"\xff", b'{"item":{}}', b"1"]
)
def test_failure_41_whatever_a_line_holds_it_is_a_record_or_a_dead_letter(line):
    store = MemoryExports()
    export = read_export(store, "exports", store.full(1))

    assert isinstance(decode_line(export, read_file(), 1, line, ("id",)), Undecodable)


SPELLED = {
    "ordinary": b'{"Item":{"id":{"S":"o-1"},"n":{"N":"1.50"},"t":{"SS":["b","a"]}}}',
    "blanks": b' { "Item" : { "id" : { "S" : "o-1" } } } ',
    "escapes": b'{"Item":{"id":{"S":"o\\u002d\\n1"},"a":{"S":"\\ud83d\\ude00"}}}',
    "an escaped name": b'{"Item":{"\\u0069d":{"S":"o-1"}}}',
    "a number for a key": b'{"Item":{"id":{"N":"1.0"}}}',
    "a binary for a key": b'{"Item":{"id":{"B":"AA=="}}}',
    "a key twice": b'{"Item":{"id":{"S":"o-1"},"id":{"S":"o-2"}}}',
    "an attribute twice": b'{"Item":{"id":{"S":"o-1"},"a":{"S":"1"},"a":{"S":"2"}}}',
    "a key of two types": b'{"Item":{"id":{"S":"o-1","N":"1"}}}',
    "no key": b'{"Item":{"a":{"S":"o-1"}}}',
    "more than an item": b'{"Item":{"id":{"S":"o-1"}},"more":1}',
    "two lines in one": b'{"Item":{"id":{"S":"o-1"}}}{"Item":{}}',
    "no utf-8": b'{"Item":{"id":{"S":"\xff"}}}',
    "half a character": b'{"Item":{"id":{"S":"\\ud83d"}}}',
    "an illegal value": b'{"Item":{"id":{"S":"o-1"},"a":{"Z":1}}}',
    "cut off": b'{"Item":{"id":{"S":"o-1"}}',
}


@pytest.mark.parametrize("name", SPELLED)
def test_law_3_a_line_is_told_and_planned_alike_with_and_without_the_accelerator(name, monkeypatch):
    store = MemoryExports()
    export = read_export(store, "exports", store.full(1))
    tables = load_tables({"tables": {"orders": {"key": ["id"], "source": "streams"}}})

    def told():
        record = decode_line(export, read_file(), 7, SPELLED[name], ("id",))
        if isinstance(record, Undecodable):
            return record, None
        letter = encode(dead_letter(record, "reason", "detail", 1, 0.0))
        return [as_objects(part) for part in record], Planner(tables).plan(record, 0), letter

    accelerated = told()
    monkeypatch.setattr(acceleration, "NATIVE", None)
    assert repr(accelerated) == repr(told())


@pytest.mark.skipif(acceleration.NATIVE is None, reason="the native accelerator is not built: make setup")
def test_an_ordinary_line_is_left_unread():
    store = MemoryExports()
    record = load(store, store.full(1))[0]
    assert (type(record.keys), type(record.new_image), record.new_image) == (dict, RawMap, order("o-000"))
    assert dict(record.wire)["line"] == 1


def test_failure_83_a_manifest_that_is_missing_ends_in_a_sentence():
    with pytest.raises(ExportError, match=r"^s3://exports/daily/manifest-summary.json is missing$"):
        read_export(MemoryExports(), "exports", "daily/manifest-summary.json")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"exportArn":1}'])
def test_failure_83_what_is_no_summary_ends_in_a_sentence(body):
    store = MemoryExports({"key": body})

    with pytest.raises(ExportError, match=r"^s3://exports/key is no summary of an export by DynamoDB$"):
        read_export(store, "exports", "key")


def test_failure_83_a_list_of_files_that_is_cut_off_ends_in_a_sentence():
    store = MemoryExports()
    summary = store.full(10)
    [key] = [key for key in store.objects if key.endswith("manifest-files.json")]
    store.objects[key] = store.objects[key].splitlines(keepends=True)[0]

    with pytest.raises(ExportError, match="names files of 3 items, and the summary says 10"):
        read_files(store, read_export(store, "exports", summary))


def test_a_file_whose_checksum_differs_is_refused_before_a_line_of_it_is_read():
    store = MemoryExports()
    export = read_export(store, "exports", store.full(10))
    file = read_files(store, export)[0]
    store.objects[file.key] = gzip.compress(b'{"Item":{"id":{"S":"other"}}}\n')

    with pytest.raises(ExportError, match="is not the file of the manifest: its MD5 differs"):
        check_file(store, export, file)


def test_a_missing_data_file_ends_in_a_sentence():
    store = MemoryExports()
    export = read_export(store, "exports", store.full(10))
    file = read_files(store, export)[0]
    del store.objects[file.key]

    with pytest.raises(ExportError, match=f"^s3://exports/{file.key} is missing$"):
        check_file(store, export, file)


def test_files_without_items_are_left_out():
    store = MemoryExports()

    assert len(read_files(store, read_export(store, "exports", store.full(2, files=4)))) == 2


def test_a_foreign_export_is_refused():
    store = MemoryExports()
    export = read_export(store, "exports", store.full(1))

    with pytest.raises(UserError, match="is an export of table orders, not of invoices: name one of invoices"):
        refuse_foreign(export, "invoices")


def test_an_incremental_export_knows_its_window():
    store = MemoryExports()

    export = read_export(store, "exports", store.incremental())

    assert (export.is_incremental, export.begins_at, export.ends_at) == (True, TIME, TIME + 3_600)
    assert export.arn.endswith(LATER)


# -- lines ------------------------------------------------------------------------------------------------------------


def pieces(body, size=7):
    return (body[start : start + size] for start in range(0, len(body), size))


def test_lines_are_read_across_pieces_and_members():
    body = gzip.compress(b"one\ntwo\nthr") + gzip.compress(b"ee\nfour")

    assert list(read_lines(pieces(body), "file")) == [b"one", b"two", b"three", b"four"]


@pytest.mark.parametrize("cut", [0, 1, 10, 30])
def test_a_file_that_is_cut_off_ends_in_a_sentence(cut):
    body = gzip.compress(b"one\ntwo\n" * 100)[:cut]

    with pytest.raises(ExportError, match="file is cut off"):
        list(read_lines(pieces(body), "file"))


def test_what_is_no_gzip_ends_in_a_sentence():
    with pytest.raises(ExportError, match="file is no gzip, or damaged"):
        list(read_lines([b'{"Item":{}}\n'], "file"))


def test_a_line_without_end_is_refused_before_it_fills_the_memory():
    deflate = zlib.compressobj(wbits=31)
    body = deflate.compress(b"x" * 40_000_000) + deflate.flush()

    with pytest.raises(ExportError, match="has a line of over 16,777,216 bytes"):
        list(read_lines([body], "file"))


def test_failure_47_a_file_of_a_hundred_megabytes_takes_a_few_of_memory():
    line = json.dumps({"Item": order("o-1", note={"S": "x" * 400})}).encode() + b"\n"

    def stream():
        deflate = zlib.compressobj(level=1, wbits=31)
        for _ in range(200):
            yield deflate.compress(line * 1_000)
        yield deflate.flush()

    tracemalloc.start()
    count = sum(1 for _ in read_lines(stream(), "file"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 200_000
    assert peak < 16 * 1024 * 1024
