"""Generous ceilings under the benchmarks, so that a slip of an order of magnitude is noticed by `make test`."""

import pytest
from benchmarks import decoding, imports

pytestmark = pytest.mark.slow


def test_importing_the_indexer_is_a_small_part_of_a_cold_start(tmp_path):
    assert imports.measure(tmp_path, rounds=3)["more"] < 600


def test_decoding_keeps_up_with_other_deserializers_for_the_same_documents():
    rates = decoding.measure(rounds=6)

    # Timings are noisy where other work runs: half of what `make bench` shows must be there at any time.
    assert rates["tailrace"] > 0.6 * rates["boto3 TypeDeserializer"]
    assert rates["tailrace"] > 0.7 * rates["powertools TypeDeserializer"]
    assert rates["tailrace"] > 2 * rates["dynamodb-json"]


def test_every_contestant_writes_the_same_ids_and_items():
    bodies = {name: body(decoding.event(count=3)) for name, body in decoding.contestants().items()}

    assert {len(body.splitlines()) for body in bodies.values()} == {6}
