"""`tailrace replay`: dry runs, and the user's mistakes, each in one sentence with exit status 2."""

import json

import boto3
import pytest
from builders import change_record, order
from moto import mock_aws
from replay_builders import Post

from tailrace.replaying import Step
from tailrace.replays import Tally
from tailrace_cli.main import run
from tailrace_cli.replay_report import open_bar, print_report

CLOSED = "http://127.0.0.1:9"  # the discard port: nothing listens there


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A tables file in the current folder, credentials for nowhere, and an engine that is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables.yaml").write_text("tables: {orders: {key: [id]}}\n")
    for name, value in {
        "OPENSEARCH_URL": CLOSED,
        "DEAD_LETTER_BUCKET": "letters",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "OPENSEARCH_SERVICE", "TAILRACE_MAX_HOPS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bucket(project):
    """The bucket `letters`, in a cloud of the process's own."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="letters")
        yield client


@pytest.fixture
def letters(bucket):
    """Two dead letters of one table, one parked batch, and an object of somebody else."""
    post = Post()
    post.refuse("o-1")
    post.index(change_record(), change_record(new=order("o-2", total={"N": "x"}), sequence=2))
    post.park(change_record(new=order("o-3"), sequence=3))
    for key, body in [*post.letters.letters.items(), ("dead-letters/notes.txt", b"hello")]:
        bucket.put_object(Bucket="letters", Key=key, Body=body)
    return post.held()


def replay(capsys, *arguments):
    status = run(["replay", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_dry_run_counts_by_table_and_reason_and_needs_no_engine(letters, capsys):
    assert replay(capsys, "--dry-run") == (
        0,
        "        table   reason                  would be sent  would fail again  would be parked\n"
        "batch   orders  RetryAttemptsExhausted  1              0                 0\n"
        "letter  orders  illegal_item            0              1                 0\n"
        "letter  orders  refused_exception       1              0                 0\n"
        "left dead-letters/notes.txt: it is not JSON\n"
        "2 would be sent; nothing was written (dry run)\n",
        "",
    )


def test_a_dry_run_for_machines(letters, capsys):
    status, output, _ = replay(capsys, "--dry-run", "--json", "--reason", "illegal_item", "--max-hops", "1")

    assert (status, json.loads(output)) == (
        0,
        {
            "letters": {"ready": 0, "refused": 0, "to park": 1},
            "batches": {"ready": 0, "refused": 0},
            "outcomes": {},
            "unreadable": 1,
            "is_finished": True,
            "is_clean": False,
            "lines": [{"kind": "letter", "tables": "orders", "reason": "illegal_item", "to park": 1}],
            "left": [{"key": "dead-letters/notes.txt", "why": "it is not JSON"}],
        },
    )


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--table", "planes"], 0),
        (["--table", "orders"], 3),
        (["--no-batches"], 2),
        (["--parked"], 0),
        (["--parked", "--batches"], 1),
        (["--since", "2025-11-21T12:00:00Z"], 3),
        (["--until", "2025-11-21T12:00:00Z"], 0),
        (["--since", "1h"], 0),
    ],
)
def test_options_select(letters, capsys, options, count):
    _, output, _ = replay(capsys, "--dry-run", "--json", *options)

    counts = json.loads(output)
    assert sum((counts["letters"] | {f"batch {k}": v for k, v in counts["batches"].items()}).values()) == count


def test_nothing_to_replay(bucket, capsys):
    assert replay(capsys, "--dry-run") == (0, "nothing to replay\n", "")


# -- mistakes ---------------------------------------------------------------------------------------------------------


def test_an_engine_that_does_not_answer(letters, capsys):
    sentence = f"Error: OpenSearch at {CLOSED} does not answer; is it up, and is the URL right?\n"

    assert replay(capsys) == (2, "", sentence)


def test_a_bucket_that_is_not_there(bucket, capsys):
    assert replay(capsys, "--dry-run", "--bucket", "none") == (
        2,
        "",
        "Error: bucket none: S3 refuses to list objects: NoSuchBucket: check --bucket, --region and your credentials\n",
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--since", "soon"], "Error: 'soon' is no time: write an instant or a time ago"),
        (["--since", "1h", "--until", "2h"], "Error: nothing lies between 1h and 2h"),
        (["--table", "a/b"], "Error: 'a/b' is no table's name: those are 3 to 255 of a-z, A-Z, 0-9"),
        (["--file", "none.yaml"], "Error: none.yaml: no such file\n"),
        (["--url", "localhost:9200"], "Error: the URL of OpenSearch must begin with http:// or https://"),
    ],
)
def test_a_mistake_is_one_sentence(bucket, capsys, options, sentence):
    status, output, error = replay(capsys, *options)

    assert (status, output, error.count("\n")) == (2, "", 1)
    assert error.startswith(sentence)


@pytest.mark.parametrize("option", [("--max-hops", "0"), ("--service", "x")])
def test_an_option_out_of_range(project, capsys, option):
    status, _, error = replay(capsys, *option)

    assert status == 2
    assert f"Error: Invalid value for '{option[0]}'" in error


@pytest.mark.parametrize(("variable", "option"), [("OPENSEARCH_URL", "--url"), ("DEAD_LETTER_BUCKET", "--bucket")])
def test_a_missing_option_is_named(project, capsys, monkeypatch, variable, option):
    monkeypatch.delenv(variable)

    status, _, error = replay(capsys)

    assert status == 2
    assert f"Error: Missing option '{option}'" in error


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_a_replay_that_was_stopped_says_what_to_do(capsys):
    print_report(Tally().close(is_finished=False))

    assert (
        capsys.readouterr().out
        == "stopped: OpenSearch or the bucket takes nothing; mend that, and repeat (no record)\n"
    )


def test_without_a_terminal_there_is_no_bar(capsys):
    with open_bar(7) as observe:
        observe(Step(7))

    assert capsys.readouterr() == ("", "")


def test_a_terminal_has_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    with open_bar(7) as observe:
        observe(Step(7))

    assert "Letters and batches" in capsys.readouterr().err
