"""One suite for the letter box: the in-memory twin, S3 by moto, and S3 by the emulator of the laptop cloud."""

import itertools

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from tailrace.adapters.letters import S3LetterBox
from tailrace.adapters.memory_letters import MemoryLetterBox
from tailrace.failures import DeadLetterStoreError
from tailrace.letterboxes import LetterBoxError

BUCKET = "letters"
_numbers = itertools.count(1)
CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture(scope="module")
def emulator_url():
    from tailrace_local.emulator import Emulator

    with Emulator() as emulator:
        yield emulator.url


@pytest.fixture(params=["twin", "moto", pytest.param("emulator", marks=pytest.mark.slow)])
def box(request):
    if request.param == "twin":
        yield MemoryLetterBox()
    elif request.param == "moto":
        with mock_aws():
            yield made(boto3.client("s3", **CREDENTIALS))
    else:
        client = boto3.client("s3", endpoint_url=request.getfixturevalue("emulator_url"), **CREDENTIALS)
        yield made(client)


def made(client):
    name = f"{BUCKET}-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    return S3LetterBox(client, name)


def keys(box, prefix):
    return [found.key for found in box.list(prefix)]


def test_what_is_put_is_read_in_the_order_of_the_keys_asked_for(box):
    box.put("dead-letters/a", b'{"a":1}')
    box.put("dead-letters/b", b"\x00\xff")

    assert box.read(["dead-letters/b", "dead-letters/none", "dead-letters/a"]) == [b"\x00\xff", None, b'{"a":1}']


def test_a_second_put_replaces_the_first(box):
    box.put("dead-letters/a", b"1")
    box.put("dead-letters/a", b"22")

    assert [(found.key, found.size) for found in box.list("")] == [("dead-letters/a", 2)]
    assert box.read(["dead-letters/a"]) == [b"22"]


def test_a_prefix_lists_what_begins_with_it_by_key(box):
    for key in ("dead-letters/orders/2", "dead-letters/orders-eu/1", "dead-letters/orders/1", "parked/orders/1"):
        box.put(key, b"")

    assert keys(box, "dead-letters/orders/") == ["dead-letters/orders/1", "dead-letters/orders/2"]
    assert keys(box, "dead-letters/") == ["dead-letters/orders-eu/1", "dead-letters/orders/1", "dead-letters/orders/2"]
    assert keys(box, "aws/") == []


def test_a_listed_object_tells_when_it_was_written(box):
    box.put("dead-letters/a", b"1")

    assert next(box.list("")).modified_at > 1_600_000_000


def test_a_listing_goes_on_past_the_first_thousand(box):
    names = [f"dead-letters/orders/{number:04d}" for number in range(1_030)]
    for name in names:
        box.put(name, b"")

    assert keys(box, "dead-letters/") == names
    box.delete(names)
    assert keys(box, "dead-letters/") == []


def test_what_is_deleted_is_gone_and_may_be_deleted_again(box):
    box.put("dead-letters/a b+c&d<é>", b"1")
    box.put("dead-letters/b", b"1")

    box.delete(["dead-letters/a b+c&d<é>", "dead-letters/never"])
    box.delete(["dead-letters/a b+c&d<é>"])
    box.delete([])

    assert keys(box, "") == ["dead-letters/b"]


# -- what S3 may refuse -----------------------------------------------------------------------------------------------


@pytest.fixture
def refusing():
    """S3 as it refuses: a stubbed client, and the box on it."""
    client = boto3.client("s3", **CREDENTIALS)
    with Stubber(client) as stubber:
        yield stubber, S3LetterBox(client, BUCKET)


@pytest.mark.parametrize(
    ("operation", "verb", "call"),
    [
        ("list_objects_v2", "list", lambda box: list(box.list(""))),
        ("get_object", "read", lambda box: box.read(["a"])),
        ("delete_objects", "delete", lambda box: box.delete(["a"])),
    ],
)
def test_a_refusal_is_an_error_that_names_bucket_verb_and_code(refusing, operation, verb, call):
    stubber, box = refusing
    stubber.add_client_error(operation, "AccessDenied")

    with pytest.raises(LetterBoxError, match=f"^bucket letters: S3 refuses to {verb} objects: AccessDenied$"):
        call(box)


def test_an_object_that_is_still_there_after_a_delete_is_an_error(refusing):
    stubber, box = refusing
    stubber.add_response("delete_objects", {"Errors": [{"Key": "a", "Code": "InternalError"}]})

    with pytest.raises(LetterBoxError, match="1 of 2 objects could not be deleted, the first is a: InternalError"):
        box.delete(["a", "b"])


def test_a_refused_put_is_the_error_of_every_dead_letter_store(refusing):
    stubber, box = refusing
    stubber.add_client_error("put_object", "SlowDown")

    with pytest.raises(DeadLetterStoreError):
        box.put("a", b"")


def test_a_bucket_that_is_not_there_is_an_error():
    with mock_aws():
        box = S3LetterBox(boto3.client("s3", **CREDENTIALS), "none")

        with pytest.raises(LetterBoxError, match="NoSuchBucket"):
            list(box.list(""))
        with pytest.raises(LetterBoxError, match="NoSuchBucket"):
            box.read(["a"])
        with pytest.raises(LetterBoxError, match="NoSuchBucket"):
            box.delete(["a"])
