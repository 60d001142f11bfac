"""What the demo says: good only when everything is, differences by id and field name, progress in plain lines."""

import json

import pytest

from tailrace.certificates import Certificate
from tailrace.differences import Difference, Kind, Tally
from tailrace_cli.demo_progress import LiveDisplay, PlainDisplay, draw, open_display
from tailrace_cli.demo_report import print_endpoints, print_report
from tailrace_local.demo.freshness import Freshness
from tailrace_local.demo.results import (
    AccountSummary,
    CrossCheck,
    DemoResult,
    Disagreement,
    Disturbance,
    Progress,
    TableProgress,
)
from tailrace_local.demo.searches import SearchResult

COUNTS = {
    "records_in": 12, "indexed": 9, "deleted": 1, "superseded": 2, "stale": 0, "duplicate": 0, "filtered": 0,
    "dead_lettered": 0, "failed": 0,
}  # fmt: skip
STALE = Difference(Kind.STALE, "planes-glider@000001", "N1", ("ddb.digest", "seats"))
DISAGREEMENT = Disagreement("missing", "planes", "planes-glider", "N2")
DIGEST = "5e336564324abddcf663aed927494b38"


def account(changes=12, breaches=0, is_balanced=True):
    return AccountSummary(3, breaches, changes, COUNTS, {"planes": COUNTS}, is_balanced)


def certificate(differences=(), **overrides):
    tally = Tally()
    for difference in differences:
        tally.add(difference)
    parts = {
        "table": "planes",
        "places": (),
        "items": 9,
        "filtered": 0,
        "documents": 9,
        "tombstones": 2,
        "differences": tally,
        "allowed": Tally(),
        "in_flight": 0,
        "repaired": 0,
        "unrepaired": Tally(),
        "table_digest": DIGEST,
        "index_digest": DIGEST,
        "is_deep": True,
        "lag_seconds": 2.0,
        "started_at": 0.0,
        "ended_at": 1.0,
    }
    return Certificate(**(parts | overrides))


def result(differences=(), second=(), certified=None, **overrides):
    parts = {
        "writes": 13,
        "writing_seconds": 2.0,
        "settling_seconds": 1.0,
        "comparing_seconds": 0.5,
        "account": account(),
        "freshness": Freshness(10, 10, 1.25, 2.5, 2.5),
        "certificates": (certificate(differences, **(certified or {})),),
        "expected_items": {"planes": 9},
        "cross_check": CrossCheck(9, tuple(second)),
        "searches": (SearchResult("Planes by type", "planes-*", {"size": 0}, ("type", "planes"), (("Glider", "9"),)),),
    }
    return DemoResult(**(parts | overrides))


def progress(phase="loading", written=5):
    return Progress(
        phase, 1.5, (TableProgress("planes", 10, written, 2, 3), TableProgress("flights", 1000, 1000, 0, 9))
    )


class Clock:
    """Stands still until it is told otherwise."""

    seconds = 100.0

    def __call__(self):
        return self.seconds


def test_a_result_without_anything_to_complain_of_is_good():
    assert result().is_good


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (result([STALE]), "1 differences between tables and indices"),
        (result(second=[DISAGREEMENT]), "1 differences between tables and indices"),
        (result(account=account(is_balanced=False)), "the conservation account does not balance"),
        (result(account=account(changes=15)), "3 changes never reached the indexer's account"),
        (result(freshness=Freshness(10, 8, 1.0, 2.0, 2.0)), "2 probes were never found by a search"),
        (result(disturbance=Disturbance(11, 1, 1, 1)), "12 changes were made, and 11 went into Kinesis"),
        (result(certified={"index_digest": "0"}), "the digests of table planes and of its index differ"),
        (result(certified={"items": 8}), "table planes holds 8 items, and 9 were written"),
    ],
)
def test_each_flaw_alone_makes_a_result_bad(bad, complaint):
    assert list(bad.complaints()) == [complaint]
    assert not bad.is_good


def test_records_delivered_again_are_no_flaw():
    assert result(account=account(changes=10)).is_good


def test_the_rate_counts_from_the_first_write_to_the_last_change_settled():
    assert result().documents_per_second == 4.0


def test_a_result_is_json():
    found = json.loads(json.dumps(result([STALE], [DISAGREEMENT]).as_dict()))

    assert (found["is_good"], found["documents_per_second"]) == (False, 4.0)
    assert found["certificates"][0]["differences"]["stale"] == 1
    assert found["certificates"][0]["shown"][0]["fields"] == ["ddb.digest", "seats"]
    assert found["cross_check"]["differences"][0]["id"] == "N2"


def test_a_good_report_ends_with_the_verdict(capsys):
    print_report(result())

    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "All 9 items equal their documents. Every record is accounted for."
    assert "4 documents per second: 12 changes, written in 2.0 s and all indexed 1.0 s later." in lines


def test_a_report_shows_searches_account_freshness_and_certificates(capsys):
    print_report(result())

    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "GET planes-*/_search" in shown
    assert "planes 12 9 1 2 0 0 0 0 0" in shown
    assert f"planes 9 9 2 0 {DIGEST}" in shown
    assert "12 changes were made; 12 records came in, in 3 batches: 0 of them again" in " ".join(shown)
    assert "from write to searchable p50 1.25 s, p99 2.50 s" in " ".join(shown)


def test_a_bad_report_names_ids_and_fields_and_what_is_not_good(capsys):
    print_report(result([STALE], [DISAGREEMENT], {"index_digest": "0"}))

    lines = capsys.readouterr().out.splitlines()
    assert "planes 9 9 2 1 stale they differ" in [" ".join(line.split()) for line in lines]
    assert lines[-3:] == [
        "stale: N1 in planes-glider@000001: ddb.digest, seats",
        "second opinion, missing: N2 in planes-glider",
        "Not good: 2 differences between tables and indices.",
    ]


def test_only_the_first_ten_differences_are_shown(capsys):
    print_report(result([STALE] * 30))

    output = capsys.readouterr().out
    assert output.count("stale: N1") == 10
    assert "and 20 more differences" in output


def test_probes_that_were_never_found_are_said(capsys):
    print_report(result(freshness=Freshness(10, 8, 1.0, 2.0, 2.0)))
    print_report(result(freshness=Freshness(10, 0, None, None, None)))

    output = capsys.readouterr().out
    assert "searched for (2 were never found)" in output
    assert "Freshness: no probe was found." in output


def test_the_endpoints_are_shown_beside_the_result_not_in_it(capsys):
    print_endpoints("http://127.0.0.1:1", "http://127.0.0.1:2")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "curl 'http://127.0.0.1:1/flights/_search" in captured.err
    assert "--endpoint-url http://127.0.0.1:2" in captured.err


def test_without_a_terminal_progress_is_a_line_every_three_seconds_and_at_each_phase(capsys):
    clock = Clock()
    with PlainDisplay(clock) as display:
        display.show(progress(written=5))
        display.show(progress(written=6))
        clock.seconds += 3.0
        display.show(progress(written=7))
        display.show(progress("settling", written=8))

    assert capsys.readouterr().err.splitlines() == [
        "  1.5 s  loading: 1,005 of 1,010 written, 2 in the stream, 12 indexed",
        "  1.5 s  loading: 1,007 of 1,010 written, 2 in the stream, 12 indexed",
        "  1.5 s  settling: 1,008 of 1,010 written, 2 in the stream, 12 indexed",
    ]


def test_a_terminal_gets_bars_and_all_else_lines(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(open_display(), LiveDisplay)
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert isinstance(open_display(), PlainDisplay)


def test_the_bars_show_every_table_and_all_of_them(capsys):
    from rich.console import Console

    Console(width=100).print(draw(progress()))

    shown = [
        line.replace("━", "").replace("╸", "").replace("╺", "").split() for line in capsys.readouterr().out.splitlines()
    ]
    assert ["planes", "5", "10", "2", "3"] in shown
    assert ["all", "1,005", "1,010", "2", "12"] in shown


def test_the_report_says_that_changes_came_by_the_tables_own_streams(capsys):
    print_report(result())

    assert "Source: DynamoDB Streams\n" in capsys.readouterr().out
    assert result().as_dict()["source"] == "streams"


def test_the_report_says_what_happened_on_the_way_by_kinesis(capsys):
    by_kinesis = result(disturbance=Disturbance(12, 3, 2, 0))
    print_report(by_kinesis)

    printed = capsys.readouterr().out
    assert "Source: Kinesis Data Streams for DynamoDB\n" in printed
    assert "12 changes of all tables went into one data stream, 3 of them twice and 2 late" in printed
    assert by_kinesis.as_dict()["source"] == "kinesis"
    assert by_kinesis.is_good
