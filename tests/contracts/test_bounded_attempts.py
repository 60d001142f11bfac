"""Failure 26: nothing that is deployed tries a poison record for ever, or gives it up without keeping it."""

from pathlib import Path

import pytest
from mapping_builders import VirtualShard, numbers, records

from tailrace.tables import load_tables
from tailrace_cli.rendering import render_template
from tailrace_local.cloudformation import load_document
from tailrace_local.deliveries import Failed, Succeeded
from tailrace_local.template import read_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/{}/stream/2026-11-21T12:51:11.612"
PARAMETERS = {
    name: STREAM.format(each["AllowedPattern"].split(":table/")[1].split("/")[0])
    for name, each in load_document(ROOT / "template.yaml")["Parameters"].items()
    if name.endswith("StreamArn")
}
MAPPINGS = read_template(ROOT / "template.yaml", PARAMETERS | {"ArnOfChangeStream": "create"}).mappings
each_mapping = pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.name)


def poison(number):
    """A function that fails whenever its batch holds this record."""
    return lambda call: Failed("Unhandled") if number in numbers(call.records) else Succeeded()


def sources(document):
    """The properties of every event source that reads a stream."""
    resources = document["Resources"].values()
    of_sam = [each["Properties"].get("Events", {}) for each in resources if each["Type"].endswith("::Function")]
    found = [event for events in of_sam for event in events.values() if event["Type"] in ("DynamoDB", "Kinesis")]
    found += [each for each in resources if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    return [each["Properties"] for each in found]


@each_mapping
def test_failure_26_every_mapping_has_a_cap_on_attempts_and_age_and_a_bucket_for_what_it_gives_up(mapping):
    assert 0 < mapping.policy.max_retries <= 1_000
    assert 0 < mapping.policy.max_age_seconds < 24 * 3_600
    assert mapping.on_failure_bucket is not None


def test_failure_26_tables_that_are_added_later_get_the_same_bounds(tmp_path):
    specs = load_tables({"tables": {name: {"key": ["id"]} for name in ("orders", "returns", "carts")}})
    (tmp_path / "template.yaml").write_text(render_template(TEMPLATE, specs), encoding="utf-8")

    rendered = sources(load_document(tmp_path / "template.yaml"))

    assert len(rendered) == 2 * 3 + 1
    assert all("OnFailure" in each["DestinationConfig"] for each in rendered)
    assert {(each["MaximumRetryAttempts"], each["MaximumRecordAgeInSeconds"]) for each in rendered} == {(100, 43_200)}


@each_mapping
def test_failure_26_a_record_that_always_fails_is_tried_so_often_then_parked_and_the_shard_goes_on(mapping):
    shard = VirtualShard(mapping.policy, poison(3)).offer(*records(1, 6)).run(1_000)

    assert [numbers(discard.records) for discard in shard.discards] == [[3]]
    assert shard.mapping.checkpoint == "6"
    assert shard.batches.count([3]) == mapping.policy.max_retries + 1
