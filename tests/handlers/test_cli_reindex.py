"""`tailrace reindex`: mistakes and stops, each in one sentence with its exit status, and what is shown."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import boto3
import orjson
import pytest
from moto import mock_aws

from tailrace.adapters.letters import S3LetterBox
from tailrace.errors import TailraceError, UserError
from tailrace.exports import ExportError
from tailrace.failures import DeadLetterStoreError, EngineError, ItemReadError
from tailrace.generations import spec_fingerprint
from tailrace.jobs import Checkpoint, Job, JobStore, Move, Phase
from tailrace.letterboxes import LetterBoxError
from tailrace.loading import LoadError
from tailrace.tables import load_tables
from tailrace.verifying import Progress
from tailrace_cli.main import run
from tailrace_cli.reindex_ends import StoppedError, say_how_to_go_on
from tailrace_cli.reindex_report import Reporter, open_reporter, show_bytes, show_seconds

CLOSED = "http://127.0.0.1:9"  # the discard port: nothing listens there
TABLES = """\
defaults: {unknown_tables: refuse}
tables:
  orders: {key: [id]}
  planes: {key: [id]}
  kept: {key: [id], filter: {exclude_operations: [remove]}}
  expired: {key: [id], filter: {exclude_ttl_deletes: true}}
"""
SPEC = load_tables({"tables": {"orders": {"key": ["id"]}}}).spec("orders")
JOB = Job("j-1", "orders", "scan", spec_fingerprint(SPEC), 0.0, Phase.LOADING, read_from=1.0, segments=2)
JOB = replace(JOB, moves=(Move("orders", "orders@000002", "orders@000001"),))
DONE = Checkpoint(None, True, read=70, written=60, stale=10, capacity=12.0)
BEGUN = Checkpoint({"id": {"S": "x"}}, False, read=30, written=29, dead_lettered=1, capacity=8.0)
EXPORT = "s3://letters/exports/AWSDynamoDB/01763726400000-0000aaaa"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A tables file in the current folder, credentials for nowhere, and an engine that is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables.yaml").write_text(TABLES)
    for name, value in {
        "OPENSEARCH_URL": CLOSED,
        "DEAD_LETTER_BUCKET": "letters",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "OPENSEARCH_SERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cloud(project):
    """The table `orders` without items and the bucket `letters`, in a cloud of the process's own."""
    with mock_aws():
        dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
        s3.create_bucket(Bucket="letters")
        dynamodb.create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        yield JobStore(S3LetterBox(s3, "letters"))


@pytest.fixture
def under_way(cloud):
    """A job that is loading: one of its slices is done."""
    cloud.write(JOB)
    cloud.write_checkpoint(JOB, "segment-0-of-2", DONE)
    cloud.write_checkpoint(JOB, "segment-1-of-2", replace(BEGUN, problem="the table does not answer"))
    return cloud


def reindex(capsys, *arguments):
    status = run(["reindex", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


# -- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bills"], "tables.yaml: table bills is not declared, and unknown tables are refused; declared are orders, "
                    "planes, kept, expired"),
        (["orders", "--file", "none.yaml"], "none.yaml: no such file"),
        (["orders", "--abort", "--resume"], "choose one of --resume, --abort"),
        (["orders", "--dry-run", "--status", "--finish"], "choose one of --dry-run, --status, --finish"),
        (["orders", "--rate", "fast"], "--rate is fast: it must be items a second, such as 500, or a share, such as "
                                       "25%"),
        (["orders", "--rate", "0"], "--rate is 0: it must be items a second, such as 500, or a share, such as 25%"),
        (["orders", "--rate", "120%"], "--rate is 120%: it must be items a second, such as 500, or a share, such as "
                                       "25%"),
        (["orders", "--from", "incremental", "--export", "daily"], "daily is no export: name its folder, "
                                                                   "s3://BUCKET/PREFIX/AWSDynamoDB/ID"),
        (["orders", "--export", EXPORT], "--export names what was exported before this reindex: take --from "
                                         "incremental, which loads what changed since, too"),
        (["orders", "--export", EXPORT, "--from", "export"], "--export names what was exported before this reindex: "
                                                             "take --from incremental, which loads what changed "
                                                             "since, too"),
        (["kept"], "the filter of kept keeps removed items in its index, which no reindex finds in the table: "
                   "--without-removed gives them up"),
        (["expired", "--dry-run"], "the filter of expired keeps removed items in its index, which no reindex finds in "
                                   "the table: --without-removed gives them up"),
        (["orders", "--url", "localhost:9200"], "the URL of OpenSearch must begin with http:// or https:// and name a "
                                                "host"),
        (["planes"], "DynamoDB has no table planes: check the name, AWS_REGION and AWS_ENDPOINT_URL"),
        (["orders"], f"OpenSearch at {CLOSED} does not answer; is it up, and is the URL right?"),
        (["orders", "--dry-run"], f"OpenSearch at {CLOSED} does not answer; is it up, and is the URL right?"),
        (["orders", "--bucket", "none"], "bucket none: S3 refuses to list objects: NoSuchBucket: check --bucket, "
                                         "--region and your credentials"),
        (["orders", "--rate", "25%"], "--rate is a share, but table orders has no provisioned read capacity: give "
                                      "items a second"),
        (["orders", "--rate", "25%", "--from", "export"], "--rate is a share of read capacity, and exports take none: "
                                                          "give items a second"),
        (["orders", "--from", "export"], "table orders has no point-in-time recovery, which exports need: turn it on, "
                                         "or take a scan"),
        *[
            (["orders", action], "there is no reindex of orders in bucket letters: begin one without options")
            for action in ("--status", "--resume", "--abort", "--rollback", "--finish")
        ],
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_leaves_no_job(cloud, capsys, arguments, sentence):
    assert reindex(capsys, *arguments) == (2, "", f"Error: {sentence}\n")
    assert cloud.read("orders") is None


def test_an_export_that_is_not_there_is_found_before_anything_is_made(cloud, capsys):
    recovery = {"PointInTimeRecoveryEnabled": True}
    boto3.client("dynamodb").update_continuous_backups(TableName="orders", PointInTimeRecoverySpecification=recovery)

    assert reindex(capsys, "orders", "--from", "incremental", "--export", EXPORT) == (
        2,
        "",
        f"Error: {EXPORT}/manifest-summary.json is missing: check --export\n",
    )
    assert cloud.read("orders") is None


@pytest.mark.parametrize("option", [("--segments", "0"), ("--fence", "-1"), ("--from", "stream"), ("--service", "x")])
def test_an_option_out_of_range(project, capsys, option):
    status, _, error = reindex(capsys, "orders", *option)

    assert status == 2
    assert f"Error: Invalid value for '{option[0]}'" in error


@pytest.mark.parametrize(("variable", "option"), [("OPENSEARCH_URL", "--url"), ("DEAD_LETTER_BUCKET", "--bucket")])
def test_a_missing_option_is_named(project, capsys, monkeypatch, variable, option):
    monkeypatch.delenv(variable)

    status, _, error = reindex(capsys, "orders")

    assert status == 2
    assert f"Error: Missing option '{option}'" in error


# -- a job that is there ----------------------------------------------------------------------------------------------


def test_the_status_needs_neither_the_table_nor_the_engine(under_way, capsys):
    boto3.client("dynamodb").delete_table(TableName="orders")

    assert reindex(capsys, "orders", "--status") == (
        0,
        "table         orders\n"
        "reindex       j-1, by scan: loading\n"
        "generation    orders: orders@000002 is built\n"
        "loaded        100 items: 89 written, 10 changed since\n"
        "slices        1 done of 2 begun\n"
        "dead letters  1\n"
        "read units    20 to load\n"
        "stopped       segment-1-of-2: the table does not answer\n",
        "",
    )


def test_the_status_for_machines_is_one_line(under_way, capsys):
    _, output, _ = reindex(capsys, "orders", "--status", "--json")

    assert json.loads(output) == {
        "event": "status",
        "phase": "loading",
        "job": "j-1",
        "table": "orders",
        "source": "scan",
        "moves": [{"alias": "orders", "built": "orders@000002", "left": "orders@000001"}],
        "read": 100,
        "written": 89,
        "stale": 10,
        "filtered": 0,
        "dead_lettered": 1,
        "quarantined": 0,
        "capacity": 20.0,
        "slices": 2,
        "slices_done": 1,
        "problems": {"segment-1-of-2": "the table does not answer"},
    }


def test_a_resume_without_the_engine_says_how_to_go_on(under_way, capsys):
    assert reindex(capsys, "orders", "--resume") == (
        2,
        "",
        f"Error: OpenSearch at {CLOSED} does not answer; is it up, and is the URL right?; the reindex of orders waits: "
        "mend that, then --resume it, or give it up with --abort\n",
    )


def test_a_resume_of_a_table_that_is_gone_says_how_to_go_on(under_way, capsys):
    boto3.client("dynamodb").delete_table(TableName="orders")

    assert reindex(capsys, "orders", "--resume") == (
        2,
        "",
        "Error: DynamoDB has no table orders: check the name, AWS_REGION and AWS_ENDPOINT_URL; the reindex of orders "
        "waits: mend that, then --resume it, or give it up with --abort\n",
    )


def test_a_spec_that_changed_since_is_refused(cloud, capsys):
    cloud.write(replace(JOB, fingerprint="another"))

    assert reindex(capsys, "orders", "--resume") == (
        2,
        "",
        "Error: the spec of table orders has changed since its reindex began: run `tailrace reindex orders --abort`, "
        "then begin anew\n",
    )


@pytest.mark.parametrize(
    ("phase", "action", "sentence"),
    [
        (Phase.LOADING, "--rollback", "the reindex of orders has not swapped anything yet: give it up with --abort"),
        (Phase.LOADING, "--finish", "the reindex of orders is not done: go on with --resume"),
        (Phase.SWAPPED, "--abort", "the reindex of orders is done: go back with --rollback, or end it with --finish"),
    ],
)
def test_an_action_that_does_not_fit_the_phase(cloud, capsys, phase, action, sentence):
    cloud.write(replace(JOB, phase=phase))

    assert reindex(capsys, "orders", action) == (2, "", f"Error: {sentence}\n")


def test_a_record_of_another_version_is_one_sentence(cloud, capsys):
    cloud.box.put("reindex/orders/job.json", b'{"format": 99}')

    assert reindex(capsys, "orders", "--status") == (
        1,
        "",
        "Error: the record of the reindex is not one that this version of Tailrace can read\n",
    )


# -- what stops a job -------------------------------------------------------------------------------------------------

WAITS = "; the reindex of orders waits: mend that, then --resume it, or give it up with --abort"


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (EngineError(429, "the engine answered 429"), StoppedError, "the engine answered 429" + WAITS),
        (LoadError("2 documents of a page could not be written"), StoppedError,
         "2 documents of a page could not be written" + WAITS),
        (ExportError("s3://b/k is cut off"), StoppedError, "s3://b/k is cut off" + WAITS),
        (ItemReadError("table orders: throttled"), StoppedError, "table orders: throttled" + WAITS),
        (LetterBoxError("bucket b: S3 refuses"), StoppedError, "bucket b: S3 refuses" + WAITS),
        (DeadLetterStoreError("AccessDenied"), StoppedError,
         "the bucket takes no dead letter and no record of the job (AccessDenied)" + WAITS),
        (UserError("nothing is known between"), UserError, "nothing is known between" + WAITS),
        (UserError("begin anew after --abort"), UserError, "begin anew after --abort"),
    ],
)  # fmt: skip
def test_whatever_stops_a_job_says_how_to_go_on(error, kind, sentence):
    with pytest.raises(TailraceError) as caught, say_how_to_go_on("orders"):
        raise error

    assert (type(caught.value), str(caught.value)) == (kind, sentence)


WAITING = """
import time
from tailrace_cli.reindex_ends import end_at_once_on_interrupt
with end_at_once_on_interrupt("orders", lambda: print("tidy", flush=True)):
    print("at work", flush=True)
    time.sleep(60)
"""


def test_an_interrupt_ends_at_once_and_says_how_to_go_on():
    roots = [root for root in sys.path if Path(root).is_dir()]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {roots!r}\n{WAITING}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=30)

    assert (process.returncode, output) == (130, "tidy\n")
    assert error == "Interrupted: go on with `tailrace reindex orders --resume`, or give up with --abort.\n"


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_the_plan_for_people(capsys):
    costs = {"items": 200_000, "bytes": 51_000_000, "read_units": 0, "read_units_to_verify": 12_452}
    Reporter(as_json=False).plan(JOB.moves, costs | {"export_gb": 0.047, "seconds": 230})

    assert capsys.readouterr().out == (
        "generation  orders: orders@000001 -> orders@000002\n"
        "items       200,000, 51.0 MB, by the table's own count\n"
        "read units  0 to load, 12,452 to verify\n"
        "export      0.047 GB, which DynamoDB bills\n"
        "time        about 3 min 50 s, without that of exports\n"
        "Nothing was done.\n"
    )


def test_the_summary_of_a_first_load(capsys):
    Reporter(as_json=False).summarise(replace(JOB, phase=Phase.SWAPPED, moves=()), {"a": DONE}, None)

    assert capsys.readouterr().out == (
        "table       orders\n"
        "reindex     j-1, by scan: swapped\n"
        "loaded      70 items: 60 written, 10 changed since\n"
        "slices      1 done of 1 begun\n"
        "read units  12 to load\n"
        "The table is loaded, and its indices are searched.\n"
    )


@pytest.mark.parametrize(
    ("phase", "sentence"),
    [
        (Phase.SWAPPED, "The new generation is searched. `tailrace reindex orders --rollback` turns back; --finish "
                        "drops the old one, which takes every write until then."),
        (Phase.ROLLED_BACK, "This reindex was rolled back: --rollback once more turns it round again, --finish drops "
                            "what it built."),
        (Phase.VERIFYING, "Nothing was swapped: what is searched is as it was. Mend the cause, then --resume, or "
                          "--abort."),
    ],
)  # fmt: skip
def test_the_summary_ends_with_where_it_stands(capsys, phase, sentence):
    Reporter(as_json=False).summarise(replace(JOB, phase=phase), {}, None)

    assert capsys.readouterr().out.splitlines()[-1] == sentence


def test_machines_get_one_event_a_line_and_the_summary_last(capsys):
    reporter = Reporter(as_json=True, expected=100)
    reporter.begin({})
    reporter.phase(JOB)
    reporter.phase(JOB)
    reporter.page("segment-0-of-2", DONE)
    reporter.phase(replace(JOB, phase=Phase.VERIFYING))
    reporter.summarise(replace(JOB, phase=Phase.SWAPPED), {"segment-0-of-2": DONE}, None)

    events = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["phase", "load", "phase", "summary"]
    assert (events[1]["read"], events[1]["capacity"], events[1]["slices_done"]) == (70, 12.0, 1)
    assert events[0] == {"event": "phase", "phase": "loading", "job": "j-1", "table": "orders"}
    assert (events[3]["phase"], events[3]["written"], events[3]["certificate"]) == ("swapped", 60, None)


def test_without_a_terminal_there_is_no_bar(capsys):
    with open_reporter(as_json=False) as reporter:
        reporter.phase(JOB)
        reporter.page("segment-0-of-2", DONE)

    assert capsys.readouterr() == ("", "")


def test_a_terminal_has_a_bar_with_phase_items_rate_and_read_units(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")

    with open_reporter(as_json=False) as reporter:
        reporter.expect(100)
        reporter.begin({})
        reporter.phase(JOB)
        reporter.page("segment-0-of-2", DONE)
        reporter.page("segment-1-of-2", BEGUN)
        reporter.bar.refresh()
        loading = capsys.readouterr().err
        reporter.phase(replace(JOB, phase=Phase.VERIFYING))
        reporter.verification(Progress("table", 5, 100))
        reporter.bar.refresh()

    shown = ("Loading", "100/100", " items/s", "20 read units", "1 dead letters", " left")
    assert [word for word in shown if word not in loading] == []
    assert "items against documents" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_599, "59 min 59 s"), (7_500, "2 h 5 min")]
)
def test_durations(seconds, text):
    assert show_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(999, "999 bytes"), (1_000, "1.0 kB"), (5.1e7, "51.0 MB"), (2e12, "2.0 TB")]
)
def test_sizes(size, text):
    assert show_bytes(size) == text
