"""Exports as a source: what is asked of DynamoDB, when, and which files are loaded from where."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import boto3
import orjson
import pytest
from botocore.stub import Stubber
from builders import order
from export_builders import FULL, LATER, TABLE_ARN, TIME, MemoryExports

from tailrace.adapters.export_slices import ExportRequests, ExportSource, split_uri
from tailrace.adapters.memory import ManualClock, MemoryEngine, MemoryItems
from tailrace.adapters.memory_letters import MemoryLetterBox
from tailrace.adapters.throttles import RateThrottle
from tailrace.delivery import DeliveryPolicy
from tailrace.errors import UserError
from tailrace.exports import ExportError
from tailrace.jobs import Checkpoint, Job, JobStore, Phase
from tailrace.loading import Loader
from tailrace.pipeline import Pipeline
from tailrace.sides import TableShape
from tailrace.sources import NotYetError
from tailrace.tables import load_tables
from tailrace_local.export_writing import write_full_export, write_incremental_export

SHAPE = TableShape("orders", {"id": "S"}, 10)
JOB = Job("j-1", "orders", "incremental", "f", TIME, Phase.FENCING, read_from=TIME)
FULL_URI = f"s3://exports/daily/AWSDynamoDB/{FULL}"
LATER_URI = f"s3://exports/daily/AWSDynamoDB/{LATER}"
MINE, FIRST, SECOND = "reindex", "01763726500000-00000001", "01763726600000-00000002"
TABLES = load_tables({"tables": {"orders": {"key": ["id"]}}})


class Scene:
    """Exports in memory, and a DynamoDB that answers only what a test says it is asked."""

    def __init__(self, now=TIME):
        self.exports, self.clock = MemoryExports(), ManualClock(now)
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.dynamodb = Stubber(client)
        self.dynamodb.activate()
        self.requests = ExportRequests(client, TABLE_ARN, "exports", MINE, self.clock)

    def source(self, *, is_chained=True):
        return ExportSource(self.exports, self.requests, SHAPE, self.clock, is_chained)

    def expect_request(self, export_id, token, **what):
        given = {"TableArn": TABLE_ARN, "S3Bucket": "exports", "S3Prefix": MINE, "ClientToken": token, **what}
        self.dynamodb.add_response("export_table_to_point_in_time", describe(export_id, "IN_PROGRESS"), given)

    def expect_look(self, export_id, status="COMPLETED", **more):
        given = {"ExportArn": f"{TABLE_ARN}/export/{export_id}"}
        self.dynamodb.add_response("describe_export", describe(export_id, status, **more), given)

    def expect_refusal(self, code):
        self.dynamodb.add_client_error("export_table_to_point_in_time", code, "no", 400)

    def write_full(self, export_id, time):
        target = replace(self.exports.target(export_id), prefix=MINE)
        write_full_export(target, [order("o-1")], time)

    def write_incremental(self, export_id, begins_at, ends_at):
        target = replace(self.exports.target(export_id), prefix=MINE)
        write_incremental_export(target, [], begins_at, ends_at)


def describe(export_id, status, **more):
    told = {"ExportArn": f"{TABLE_ARN}/export/{export_id}", "ExportStatus": status, "StartTime": moment(TIME)}
    return {"ExportDescription": told | more}


def moment(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def window(begins_at, ends_at):
    times = {"ExportFromTime": moment(begins_at), "ExportToTime": moment(ends_at)}
    spec = times | {"ExportViewType": "NEW_AND_OLD_IMAGES"}
    return {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": spec}


def uri(export_id):
    return f"s3://exports/{MINE}/AWSDynamoDB/{export_id}"


# -- a full export ----------------------------------------------------------------------------------------------------


def test_a_full_export_is_asked_for_once_the_writers_are_ready_and_named_in_the_job_before_it_is_waited_for():
    scene = Scene()
    scene.expect_request(FIRST, "j-1-full")

    assert scene.source(is_chained=False).begin(JOB).exports == (uri(FIRST),)
    scene.dynamodb.assert_no_pending_responses()


def test_a_job_that_was_killed_before_it_knew_its_export_asks_with_the_same_token():
    scene = Scene()
    scene.expect_request(FIRST, "j-1-full")
    scene.expect_request(FIRST, "j-1-full")

    assert scene.source().begin(JOB) == scene.source().begin(JOB)


@pytest.mark.parametrize(("elapsed", "pause"), [(0, 2.0), (10, 5.0), (40, 20.0), (3_600, 30.0)])
def test_an_export_is_looked_at_soon_at_first_and_then_every_half_minute(elapsed, pause):
    scene = Scene(TIME + elapsed)
    scene.expect_look(FIRST, "IN_PROGRESS")

    with pytest.raises(NotYetError) as waited:
        scene.source().begin(replace(JOB, exports=(uri(FIRST),)))

    assert waited.value.seconds == pause


def test_a_full_export_of_the_time_of_reading_needs_nothing_more():
    scene = Scene()
    scene.write_full(FIRST, TIME + 2)
    scene.expect_look(FIRST)

    job = replace(JOB, exports=(uri(FIRST),))
    assert scene.source(is_chained=False).begin(job) == job


def test_clocks_that_differ_a_little_do_not_call_for_another_export():
    scene = Scene()
    scene.write_full(FIRST, TIME - 1.5)
    scene.expect_look(FIRST)

    job = replace(JOB, exports=(uri(FIRST),))
    assert scene.source(is_chained=False).begin(job) == job


def test_an_older_full_export_alone_is_refused():
    scene = Scene()
    scene.exports.full()

    with pytest.raises(
        UserError, match=r"^the export ends at 2025-11-21T12:00:00\+00:00, before every writer wrote to "
    ):
        scene.source(is_chained=False).begin(replace(JOB, read_from=TIME + 3_600, exports=(FULL_URI,)))


def test_an_export_that_failed_says_why():
    scene = Scene()
    scene.expect_look(FIRST, "FAILED", FailureCode="S3NoSuchBucket")

    with pytest.raises(
        ExportError, match=rf"^the export to {uri(FIRST)} failed \(S3NoSuchBucket\): give the reindex up"
    ):
        scene.source().begin(replace(JOB, exports=(uri(FIRST),)))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("PointInTimeRecoveryUnavailableException", "has no point-in-time recovery, which exports need: turn it on"),
        ("AccessDeniedException", "DynamoDB does not export arn:aws:dynamodb:us-east-1:000000000000:table/orders: Acc"),
    ],
)
def test_a_refusal_is_one_sentence(code, sentence):
    scene = Scene()
    scene.expect_refusal(code)

    with pytest.raises(UserError, match=sentence):
        scene.source().begin(JOB)


# -- a chain ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "ends_after"),
    [
        (3_600, 3_600),  # until the writers were ready
        (40, 900),  # DynamoDB: 15 minutes at least
        (200_000, 86_400),  # 24 hours at most: the next one follows
    ],
)
def test_what_changed_since_an_older_full_export_is_asked_for(age, ends_after):
    scene = Scene(now=TIME + 300_000)
    scene.exports.full()
    scene.expect_request(SECOND, f"j-1-{int(TIME)}", **window(TIME, TIME + ends_after))

    job = scene.source().begin(replace(JOB, read_from=TIME + age, exports=(FULL_URI,)))

    assert job.exports == (FULL_URI, uri(SECOND))


def test_a_window_that_has_not_ended_is_waited_for():
    scene = Scene(now=TIME + 100)
    scene.exports.full()

    with pytest.raises(NotYetError) as waited:
        scene.source().begin(replace(JOB, read_from=TIME + 90, exports=(FULL_URI,)))

    assert waited.value.seconds == 800.0


def test_a_window_that_is_too_recent_for_dynamodb_is_asked_for_again():
    scene = Scene(now=TIME + 1_000)
    scene.exports.full()
    scene.expect_refusal("InvalidExportTimeException")

    with pytest.raises(NotYetError, match=r"^DynamoDB cannot export so recent a moment yet$"):
        scene.source().begin(replace(JOB, read_from=TIME + 950, exports=(FULL_URI,)))


def test_a_full_export_from_before_the_recovery_window_is_refused():
    scene = Scene(now=TIME + 40 * 86_400)
    scene.exports.full()
    scene.expect_refusal("InvalidExportTimeException")

    with pytest.raises(UserError, match=r"from 2025-11-21T12:00:00\+00:00 on, which lies before its point-in-time rec"):
        scene.source().begin(replace(JOB, read_from=TIME + 40 * 86_400, exports=(FULL_URI,)))


def test_a_chain_goes_on_until_the_writers_were_ready():
    scene = Scene(now=TIME + 300_000)
    scene.exports.full()
    scene.write_incremental(FIRST, TIME, TIME + 86_400)
    scene.expect_look(FIRST)
    scene.expect_request(SECOND, f"j-1-{int(TIME) + 86_400}", **window(TIME + 86_400, TIME + 100_000))

    job = scene.source().begin(replace(JOB, read_from=TIME + 100_000, exports=(FULL_URI, uri(FIRST))))
    assert job.exports == (FULL_URI, uri(FIRST), uri(SECOND))

    scene.write_incremental(SECOND, TIME + 86_400, TIME + 100_000)
    scene.expect_look(FIRST)
    scene.expect_look(SECOND)
    assert scene.source().begin(job) == job


@pytest.mark.parametrize("begins_at", [TIME + 1, TIME + 60, TIME - 1, TIME - 60])
def test_given_exports_with_a_gap_or_an_overlap_are_refused(begins_at):
    scene = Scene()
    scene.exports.full()
    scene.exports.incremental(begins_at=begins_at, ends_at=TIME + 1_000)

    with pytest.raises(UserError, match=r"has to begin where the one before it ends, at 2025-11-21T12:00:00\+00:00$"):
        scene.source().examine([FULL_URI, LATER_URI])


@pytest.mark.parametrize("given", [[LATER_URI], [FULL_URI, FULL_URI, LATER_URI]])
def test_a_chain_begins_with_one_full_export(given):
    scene = Scene()
    scene.exports.full()
    scene.exports.incremental()

    with pytest.raises(UserError, match=rf"one has to be a full one, and not {given.count(FULL_URI)}$"):
        scene.source().examine(given)


def test_a_chain_tells_everything_until_the_end_of_its_last_export():
    scene = Scene()
    scene.exports.full()
    scene.exports.incremental(ends_at=TIME + 1_000)

    assert scene.source().examine([LATER_URI, FULL_URI]) == TIME + 1_000


def test_an_incremental_export_that_ended_before_the_full_one_is_not_loaded():
    scene = Scene()
    scene.exports.full()
    change = {"Keys": {"id": {"S": "o-1"}}, "micros": 1_763_726_000_000_000, "NewImage": order("o-1")}
    scene.exports.incremental(change, begins_at=TIME - 1_000, ends_at=TIME)

    names = [part.name for part in scene.source().slices(replace(JOB, exports=(FULL_URI, LATER_URI)))]
    assert (len(names), [name for name in names if LATER in name]) == (4, [])


@pytest.mark.parametrize("text", ["daily", "s3://", "s3://exports", "https://exports/daily/AWSDynamoDB/1"])
def test_what_is_no_export_is_named(text):
    with pytest.raises(UserError, match=r"is no export: name its folder, s3://BUCKET/PREFIX/AWSDynamoDB/ID$"):
        split_uri(text)


@pytest.mark.parametrize("end", ["", "/", "/manifest-summary.json"])
def test_an_export_is_named_by_its_folder_or_its_summary(end):
    assert split_uri(FULL_URI + end) == ("exports", f"daily/AWSDynamoDB/{FULL}")


# -- loading ----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def spoil(id_):
    """How the fixture writer writes lines, but for the one of an item, which is cut off."""

    def encode(told, _format):
        line = orjson.dumps(told).decode()
        return line[:-9] if told["Item"]["id"]["S"] == id_ else line

    return encode


class MortalBox(MemoryLetterBox):
    """A bucket whose user may be killed before a checkpoint is stored, or right after."""

    fates = iter(())

    def put(self, key, body):
        fate = next(self.fates, "lives") if key.startswith("reindex/") else "lives"
        if fate == "dies before":
            raise Killed
        super().put(key, body)
        if fate == "dies after":
            raise Killed


class Load:
    """Loads exports into an engine in memory."""

    def __init__(self, scene, job):
        self.source, self.job, self.engine, self.box = scene.source(), job, MemoryEngine(), MortalBox()
        self.jobs = JobStore(self.box)

    def run(self):
        for part in self.source.slices(self.job):
            checkpoint = self.jobs.read_checkpoints(self.job, [part.name])[part.name]
            self.loader(part).load(part, checkpoint)

    def is_done(self):
        told = self.jobs.find_checkpoints(self.job)
        return [part for part in self.source.slices(self.job) if not told.get(part.name, Checkpoint()).is_done] == []

    def loader(self, part):
        clock, policy = ManualClock(TIME), DeliveryPolicy(is_backfill=True)
        items, margin = MemoryItems({}), part.backdated_ns
        pipeline = Pipeline(TABLES, self.engine, self.box, items, clock, policy, backdated_ns=margin)
        return Loader(self.job, self.jobs, pipeline, clock, RateThrottle(0, clock), lambda *_: None)


@pytest.mark.parametrize("seed", range(10))
def test_failure_42_a_load_killed_at_random_points_loads_every_line_and_none_twice_but_a_page(seed, monkeypatch):
    monkeypatch.setattr("tailrace.adapters.export_slices.LINES_PER_PAGE", 7)
    scene, random, kills = Scene(), Random(seed), -1
    scene.exports.full(100, files=3)
    load = Load(scene, replace(JOB, exports=(FULL_URI,)))

    while not load.is_done():
        load.box.fates = iter(random.choices(["lives", "dies before", "dies after"], k=50))
        with suppress(Killed):
            load.run()
        kills += 1

    told = load.jobs.find_checkpoints(load.job).values()
    assert kills > 3
    assert sorted(load.engine.visible("orders")) == [f"o-{number:03d}" for number in range(100)]
    assert sum(each.read for each in told) == sum(each.written + each.stale for each in told) == 100
    sent = sum(body.count(b'"_id"') for body in load.engine.bodies)
    assert 100 <= sent <= 100 + 7 * (kills + 1)  # one page for each kill, and one that found no index at first


def test_failure_42_a_page_that_is_not_durable_has_no_checkpoint():
    scene = Scene()
    scene.exports.full(10, files=1)
    load = Load(scene, replace(JOB, exports=(FULL_URI,)))
    [part] = load.source.slices(load.job)
    load.box.is_down = True

    with pytest.raises(Exception, match="could not be stored"):
        load.loader(part).load(part, Checkpoint())

    load.box.is_down = False
    assert load.jobs.find_checkpoints(load.job) == {}


def test_failure_41_one_corrupt_line_of_a_thousand_is_one_dead_letter_and_the_rest_is_indexed(monkeypatch):
    scene = Scene()
    monkeypatch.setattr("tailrace_local.export_writing._encode", spoil("o-006"))
    scene.exports.full(1_000, files=1)
    load = Load(scene, replace(JOB, exports=(FULL_URI,)))

    load.run()

    [told] = load.jobs.find_checkpoints(load.job).values()
    assert (told.read, told.written, told.dead_lettered, told.is_done) == (1_000, 999, 1, True)
    assert len(load.engine.visible("orders")) == 999
    [letter] = [orjson.loads(body) for key, body in load.box.letters.items() if key.startswith("dead-letters/")]
    assert letter["detail"] == f"line 7 of daily/AWSDynamoDB/{FULL}/data/0000aaaa00000000.json.gz is none of an export"


def test_failure_64_no_two_slices_jobs_or_tables_share_a_checkpoint():
    scene, store = Scene(), JobStore(MemoryLetterBox())
    scene.exports.full(10)
    change = {"Keys": {"id": {"S": "o-1"}}, "micros": 1_763_727_000_000_000, "NewImage": order("o-1")}
    scene.exports.incremental(change)
    names = [part.name for part in scene.source().slices(replace(JOB, exports=(FULL_URI, LATER_URI)))]

    for table in ("orders", "orders-eu"):
        for job in ("j-1", "j-2"):
            for name in [*names, "segment-0-of-4", "segment-0-of-8"]:
                store.write_checkpoint(replace(JOB, id=job, table=table), name, Checkpoint(position=[table, job, name]))

    assert len(names) == len(set(names)) == 5
    assert len(store.box.letters) == 2 * 2 * 7
    assert store.find_checkpoints(JOB)["segment-0-of-4"].position == ["orders", "j-1", "segment-0-of-4"]
