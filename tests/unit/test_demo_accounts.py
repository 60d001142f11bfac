"""The account of a run is the sum of its batches' accounts, read from the function's log as it grows."""

import json

from tailrace_local.demo.accounts import Ledger, LogFollower

NOTHING = {
    "indexed": 0, "deleted": 0, "superseded": 0, "stale": 0, "duplicate": 0, "filtered": 0, "dead_lettered": 0,
    "failed": 0,
}  # fmt: skip


def batch_line(table="flights", records_in=3, **outcomes):
    entry = {"level": "INFO", "message": "batch", "tables": [table], "records_in": records_in} | NOTHING | outcomes
    return json.dumps(entry).encode()


def test_batches_are_added_up_by_table_and_over_all():
    ledger = Ledger()
    ledger.take(batch_line("flights", 3, indexed=2, stale=1))
    ledger.take(batch_line("planes", 2, indexed=1, deleted=1))
    ledger.take(batch_line("flights", 1, indexed=1))

    assert ledger.batches == 3
    assert ledger.total("flights") == NOTHING | {"records_in": 4, "indexed": 3, "stale": 1}
    assert ledger.total() == NOTHING | {"records_in": 6, "indexed": 4, "stale": 1, "deleted": 1}


def test_an_account_that_does_not_sum_is_noticed():
    ledger = Ledger()
    ledger.take(batch_line(records_in=3, indexed=2))

    assert not ledger.is_balanced


def test_an_account_that_sums_is_balanced():
    ledger = Ledger()
    ledger.take(batch_line(records_in=3, indexed=2, failed=1))

    assert ledger.is_balanced


def test_a_breach_that_the_indexer_reports_is_never_balanced():
    ledger = Ledger()
    ledger.take(b'{"level":"ERROR","message":"conservation breach","detail":"3 records in, 2 outcomes"}')

    assert not ledger.is_balanced


def test_other_lines_of_the_log_are_passed_over():
    ledger = Ledger()
    for line in (b"START RequestId: 1", b'{"_aws": {}, "RecordsIn": [3]}', b'{"message": "rec', b"[1]", b"{}"):
        ledger.take(line)

    assert (ledger.batches, ledger.total()) == (0, NOTHING | {"records_in": 0})


def test_each_complete_line_is_read_once_from_every_instance_of_the_function(tmp_path):
    (tmp_path / "indexer-1.log").write_bytes(b"one\ntw")
    (tmp_path / "indexer-2.log").write_bytes(b"three\n")
    (tmp_path / "other.txt").write_bytes(b"no\n")
    follower = LogFollower(tmp_path, "*.log")

    assert list(follower.read_new()) == [b"one", b"three"]
    with (tmp_path / "indexer-1.log").open("ab") as log:
        log.write(b"o\nfour\n")
    assert list(follower.read_new()) == [b"two", b"four"]
    assert list(follower.read_new()) == []
