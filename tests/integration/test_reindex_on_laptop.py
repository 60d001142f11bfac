"""`tailrace reindex` on a real OpenSearch and a DynamoDB wire, from each source, with exports as AWS writes them."""

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
import yaml
from benchmarks.samples import item
from botocore.exceptions import ClientError
from verification_load import KEY_NAMES, fill_table

from tailrace.generations import alias_name
from tailrace.tables import load_tables
from tailrace_cli.main import run
from tailrace_local.clients import Clients
from tailrace_local.export_writing import ExportTarget, write_full_export

pytestmark = pytest.mark.slow
COUNT = 2_000
NOBODY_WRITES = ("--fence", "0")  # so nobody has to be waited for


@pytest.fixture(scope="module")
def emulator_url():
    from tailrace_local.emulator import Emulator

    with Emulator() as emulator:
        yield emulator.url


@pytest.fixture(scope="module")
def clients(emulator_url):
    clients = Clients(emulator_url)
    clients.s3.create_bucket(Bucket="letters")
    return clients


@pytest.fixture
def laptop(clients, emulator_url, engine_url, corner, tmp_path, monkeypatch):
    """A table of 2,000 items of three types, and what the command reads from its environment."""
    for name, value in {
        "OPENSEARCH_URL": engine_url,
        "AWS_ENDPOINT_URL": emulator_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DEAD_LETTER_BUCKET": "letters",
    }.items():
        monkeypatch.setenv(name, value)
    return Laptop(clients, emulator_url, corner, tmp_path)


class Laptop:
    """One table with point-in-time recovery, and its tables file."""

    def __init__(self, clients, url, corner, folder):
        self.dynamodb, self.s3, self.table, self.file = (
            clients.dynamodb,
            clients.s3,
            f"{corner}orders",
            folder / "t.yaml",
        )
        self.write_spec()
        created = self.dynamodb.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY_NAMES],
            KeySchema=[
                {"AttributeName": KEY_NAMES[0], "KeyType": "HASH"},
                {"AttributeName": KEY_NAMES[1], "KeyType": "RANGE"},
            ],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.arn = created["TableDescription"]["TableArn"]
        recovery = {"PointInTimeRecoveryEnabled": True}
        self.dynamodb.update_continuous_backups(TableName=self.table, PointInTimeRecoverySpecification=recovery)
        fill_table(url, self.table, COUNT)
        self.url = url

    def write_spec(self, **more):
        """A tables file in which the table is typed, and may be more."""
        spec = {"key": list(KEY_NAMES), "type_attribute": "status", **more}
        document = {"defaults": {"index_prefix": self.table.partition("-")[0] + "-"}, "tables": {self.table: spec}}
        self.file.write_text(yaml.safe_dump(document))
        self.spec = load_tables(document).spec(self.table)

    def reindex(self, capsys, *options):
        status = run(["reindex", self.table, "--file", str(self.file), "--json", *NOBODY_WRITES, *options])
        captured = capsys.readouterr()
        events = [orjson.loads(line) for line in captured.out.splitlines()]
        return status, events[-1] if events else None, captured.err

    def change(self):
        """One item more, one less, one changed, and one of another type, all after what was exported."""
        self.dynamodb.put_item(TableName=self.table, Item=item(COUNT))
        self.dynamodb.delete_item(TableName=self.table, Key={name: item(0)[name] for name in KEY_NAMES})
        self.dynamodb.put_item(TableName=self.table, Item=item(1) | {"note": {"S": "changed"}})
        moved = "SHIPPED" if item(3)["status"]["S"] != "SHIPPED" else "NEW"
        self.dynamodb.put_item(TableName=self.table, Item=item(3) | {"status": {"S": moved}})

    def export_old(self, seconds_ago):
        """A full export of the items as they were filled, its time some while ago; its name."""
        target = ExportTarget(
            put=lambda key, body: self.s3.put_object(Bucket="letters", Key=key, Body=body),
            bucket="letters",
            prefix=f"old/{self.table}",
            table_arn=self.arn,
            export_id="01763726400000-0000aaaa",
        )
        write_full_export(target, map(item, range(COUNT)), int(time.time()) - seconds_ago)
        return f"s3://letters/old/{self.table}/AWSDynamoDB/{target.export_id}"


def first_load(laptop, capsys, *options):
    status, summary, _ = laptop.reindex(capsys, *options)
    assert (status, summary["phase"], summary["read"], summary["written"]) == (0, "swapped", COUNT, COUNT)
    return summary


@pytest.mark.both_engines
@pytest.mark.parametrize("source", ["scan", "export", "incremental"])
def test_a_table_is_loaded_from_each_source_and_proved(laptop, capsys, source):
    summary = first_load(laptop, capsys, "--from", source)

    assert (summary["source"], summary["dead_lettered"], summary["certificate"]["clean"]) == (source, 0, True)
    assert summary["certificate"]["documents"] == COUNT
    assert (summary["capacity"] > 0) == (source == "scan")


@pytest.mark.parametrize("source", ["scan", "export"])
def test_the_next_generation_holds_what_changed_since_the_first_load(laptop, capsys, source):
    first_load(laptop, capsys)
    laptop.change()

    status, summary, _ = laptop.reindex(capsys, "--from", source)

    assert (status, summary["phase"], summary["certificate"]["items"]) == (0, "swapped", COUNT)
    assert [(move["built"][-7:], move["left"][-7:]) for move in summary["moves"]] == [("@000002", "@000001")] * 3


def test_failure_56_what_changed_since_an_older_export_is_loaded_without_a_scan(laptop, capsys, monkeypatch):
    monkeypatch.setattr("tailrace.adapters.export_slices.SHORTEST_WINDOW_SECONDS", 1.0)  # DynamoDB's are 15 minutes
    time.sleep(1.1)  # exports count whole seconds
    export = laptop.export_old(seconds_ago=0)
    time.sleep(1.1)
    laptop.change()

    fence = ("--fence", "2")
    status, summary, _ = laptop.reindex(capsys, "--from", "incremental", "--export", export, *fence)

    assert (status, summary["phase"], summary["capacity"]) == (0, "swapped", 0.0)
    assert summary["read"] == COUNT + 4
    assert (summary["certificate"]["items"], summary["certificate"]["documents"]) == (COUNT, COUNT)
    assert summary["certificate"]["tombstones"] == 2


def test_a_mapping_is_changed_in_production_and_turned_back(laptop, capsys, opensearch):
    first_load(laptop, capsys)
    laptop.write_spec(fields={"note": {"type": "text"}})

    assert laptop.reindex(capsys)[0] == 0
    paid = alias_name(laptop.spec, "paid")
    assert kind_of(opensearch, paid, "note") == "text"

    status, told, _ = laptop.reindex(capsys, "--rollback")
    assert (status, told["event"], told["phase"]) == (0, "rollback", "rolled back")
    assert kind_of(opensearch, paid, "note") == "keyword"
    assert laptop.reindex(capsys, "--finish")[0] == 0
    assert list(opensearch.request("GET", f"/{paid}@*")) == [f"{paid}@000001"]


def kind_of(opensearch, alias, field):
    [index] = opensearch.request("GET", f"/{alias}/_mapping").values()
    return index["mappings"]["properties"][field]["type"]


MEASURED = "import sys; from tailrace_cli.main import run; sys.exit(run(sys.argv[1:]))"


def begin_and_kill(laptop, *options, phase):
    """Run the command in a process of its own, and kill it when it tells of a phase."""
    roots = [root for root in sys.path if Path(root).is_dir()]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {roots!r}; {MEASURED}", "reindex", laptop.table]
    command += ["--file", str(laptop.file), "--json", *NOBODY_WRITES, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as process:
        for line in process.stdout:
            if orjson.loads(line).get("phase") == phase:
                process.send_signal(signal.SIGKILL)
                break
        process.communicate(timeout=60)


@pytest.mark.parametrize("phase", ["fencing", "loading", "verifying"])
def test_a_resume_goes_on_with_the_source_that_the_job_began_with(laptop, capsys, phase):
    first_load(laptop, capsys)
    begin_and_kill(laptop, "--from", "export", "--segments", "3", "--rate", "2000", phase=phase)

    status, _, error = laptop.reindex(capsys)
    assert (status, error) == (
        2,
        f"Error: a reindex of {laptop.table} is under way ({phase}): go on with --resume, or give it up with --abort\n",
    )
    status, summary, _ = laptop.reindex(capsys, "--resume")

    assert (status, summary["phase"], summary["source"], summary["capacity"]) == (0, "swapped", "export", 0.0)
    assert (summary["read"], summary["slices_done"], summary["slices"]) == (COUNT, 4, 4)


def test_an_abort_leaves_the_first_generation_and_no_job_even_when_the_table_is_gone(laptop, capsys, opensearch):
    first_load(laptop, capsys)
    begin_and_kill(laptop, "--rate", "500", phase="loading")
    laptop.dynamodb.delete_table(TableName=laptop.table)

    status, _, error = laptop.reindex(capsys, "--resume")
    assert (status, error) == (
        2,
        f"Error: DynamoDB has no table {laptop.table}: check the name, AWS_REGION and AWS_ENDPOINT_URL; the reindex of "
        f"{laptop.table} waits: mend that, then --resume it, or give it up with --abort\n",
    )
    assert laptop.reindex(capsys, "--abort")[0] == 0
    aliases = [alias_name(laptop.spec, type_) for type_ in ("new", "paid", "shipped")]
    assert sorted(opensearch.request("GET", f"/{laptop.spec.index_prefix}*")) == [f"{name}@000001" for name in aliases]
    assert laptop.reindex(capsys, "--status")[0] == 2


def test_failure_83_a_file_that_was_changed_ends_in_a_sentence_and_a_resume_goes_on_once_it_is_right(laptop, capsys):
    export = laptop.export_old(seconds_ago=3_000)
    bucket, _, folder = export.removeprefix("s3://").partition("/")
    key = f"{folder}/data/0000aaaa00000002.json.gz"
    right = laptop.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    laptop.s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b"{}"))

    status, _, error = laptop.reindex(capsys, "--from", "incremental", "--export", export)
    assert (status, error) == (
        1,
        f"Error: s3://{bucket}/{key} is not the file of the manifest: its MD5 differs; the reindex of {laptop.table} "
        "waits: mend that, then --resume it, or give it up with --abort\n",
    )
    _, told, _ = laptop.reindex(capsys, "--status")
    assert list(told["problems"]) == ["01763726400000-0000aaaa-0000aaaa00000002.json.gz"]

    laptop.s3.put_object(Bucket=bucket, Key=key, Body=right)
    status, summary, _ = laptop.reindex(capsys, "--resume")
    assert (status, summary["phase"], summary["certificate"]["documents"]) == (0, "swapped", COUNT)


def test_a_foreign_export_is_refused_before_anything_is_made(laptop, capsys):
    foreign = laptop.arn.replace("orders", "bills")
    laptop.arn = foreign
    export = laptop.export_old(seconds_ago=3_000)

    status, _, error = laptop.reindex(capsys, "--from", "incremental", "--export", export)

    bills = laptop.table.replace("orders", "bills")
    assert (status, error) == (
        2,
        f"Error: {foreign}/export/01763726400000-0000aaaa is an export of table {bills}, not of {laptop.table}: name "
        f"one of {laptop.table}\n",
    )
    assert laptop.reindex(capsys, "--status")[0] == 2


# -- the exports of the laptop ----------------------------------------------------------------------------------------


def wait_for(laptop, arn):
    deadline = time.monotonic() + 60
    while (told := laptop.dynamodb.describe_export(ExportArn=arn)["ExportDescription"])[
        "ExportStatus"
    ] == "IN_PROGRESS":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return told


@pytest.mark.parametrize("format_", ["DYNAMODB_JSON", "ION"])
def test_the_laptop_writes_the_files_of_an_export_before_it_says_completed(laptop, format_):
    ask = {
        "TableArn": laptop.arn,
        "S3Bucket": "letters",
        "S3Prefix": "mine",
        "ExportFormat": format_,
        "ClientToken": format_ + laptop.table,
    }
    asked = laptop.dynamodb.export_table_to_point_in_time(**ask)["ExportDescription"]
    again = laptop.dynamodb.export_table_to_point_in_time(**ask)["ExportDescription"]
    told = wait_for(laptop, asked["ExportArn"])

    assert (asked["ExportStatus"], again["ExportArn"]) == ("IN_PROGRESS", asked["ExportArn"])
    assert (told["ExportStatus"], told["ItemCount"], told["ExportType"]) == ("COMPLETED", COUNT, "FULL_EXPORT")
    export_id = asked["ExportArn"].rpartition("/")[2]
    assert told["ExportManifest"] == f"mine/AWSDynamoDB/{export_id}/manifest-summary.json"
    summary = orjson.loads(laptop.s3.get_object(Bucket="letters", Key=told["ExportManifest"])["Body"].read())
    assert (summary["itemCount"], summary["outputFormat"]) == (COUNT, format_)


def test_an_export_into_a_bucket_that_is_missing_fails_as_in_dynamodb(laptop):
    asked = laptop.dynamodb.export_table_to_point_in_time(TableArn=laptop.arn, S3Bucket="nowhere")["ExportDescription"]

    told = wait_for(laptop, asked["ExportArn"])
    assert (told["ExportStatus"], told["FailureCode"]) == ("FAILED", "S3NoSuchBucket")


def test_an_export_that_nobody_asked_for_is_not_described(laptop):
    with pytest.raises(ClientError, match="ExportNotFoundException"):
        laptop.dynamodb.describe_export(ExportArn=f"{laptop.arn}/export/01763726400000-00000000")
