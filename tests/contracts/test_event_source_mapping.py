"""Specification tests: what AWS publishes of a stream's event source mapping, and what was recorded of it.

Each test is a row of the fact sheet that the laptop cloud relies on; time is virtual.
"""

import orjson
import pytest
from mapping_builders import NOON, VirtualShard, numbers, record, records

from tailrace_local.deliveries import Failed, Invoke, NotInvoked, Reported, Succeeded, build_event
from tailrace_local.partial_responses import read_response
from tailrace_local.shard_mapping import MappingPolicy, RetryPacing, ShardMapping

MB = 1024 * 1024
SEQUENCE_NUMBERS = {"111", "112", "113"}


def raise_always(_: Invoke) -> Failed:
    return Failed("Unhandled")


def poison(number: int):
    """A function that raises whenever its batch holds this record."""
    return lambda call: Failed("Unhandled") if number in numbers(call.records) else Succeeded()


def report(number: int):
    """A function that reports this record whenever its batch holds it."""
    return lambda call: Reported(str(number)) if number in numbers(call.records) else Succeeded()


def one_after_the_other(*outcomes):
    """A function that answers by script, then settles everything."""
    script = list(outcomes)
    return lambda _: script.pop(0) if script else Succeeded()


class TestBatches:
    """Batch size, window, payload."""

    def test_the_default_batch_size_is_100(self):
        shard = VirtualShard().offer(*records(1, 250)).run()

        assert [len(batch) for batch in shard.batches] == [100, 100, 50]

    def test_a_batch_holds_at_most_batch_size_records_in_the_shards_order(self):
        shard = VirtualShard(MappingPolicy(batch_size=2)).offer(*records(1, 5)).run()

        assert shard.batches == [[1, 2], [3, 4], [5]]

    def test_without_a_window_what_is_there_goes_at_once(self):
        shard = VirtualShard(MappingPolicy(batch_size=100, window_seconds=0)).offer(record(1)).run()

        assert (shard.batches, shard.times) == ([[1]], [0.0])

    def test_with_a_window_a_batch_waits_for_company_until_the_window_ends(self):
        shard = VirtualShard(MappingPolicy(batch_size=100, window_seconds=20)).offer(record(1))
        shard.now += 12
        shard.offer(record(2)).run()

        assert (shard.batches, shard.times) == ([[1, 2]], [20.0])

    def test_a_full_batch_does_not_wait_for_the_window(self):
        shard = VirtualShard(MappingPolicy(batch_size=2, window_seconds=300)).offer(*records(1, 2)).run()

        assert (shard.batches, shard.times) == ([[1, 2]], [0.0])

    def test_the_next_window_opens_when_the_invocation_before_it_ends(self):
        shard = VirtualShard(MappingPolicy(batch_size=1000, window_seconds=10)).offer(record(1))
        (call,) = _due_at(shard, NOON + 10)
        shard.mapping.offer([record(2)], NOON + 11)
        shard.mapping.invoked(call.lane, Succeeded(), NOON + 15)

        assert shard.mapping.wake_at() == NOON + 25

    def test_a_window_does_not_outlast_its_shard(self):
        shard = VirtualShard(MappingPolicy(window_seconds=300)).offer(record(1))
        shard.mapping.close()

        assert shard.run().times == [0.0]

    def test_a_batch_is_cut_at_6_mb_of_event_json(self):
        shard = VirtualShard(MappingPolicy(batch_size=10_000)).offer(*records(1, 8, size=MB)).run()

        assert shard.batches == [[1, 2, 3, 4, 5], [6, 7, 8]]

    def test_the_cut_counts_the_envelope_and_the_commas(self):
        rest = 6 * MB - len('{"Records":[,]}') - MB
        fits = VirtualShard().offer(record(1, size=MB), record(2, size=rest)).run()
        exceeds = VirtualShard().offer(record(1, size=MB), record(2, size=rest + 1)).run()

        assert (fits.batches, exceeds.batches) == ([[1, 2]], [[1], [2]])

    def test_a_cut_by_payload_does_not_wait_for_the_window(self):
        shard = VirtualShard(MappingPolicy(window_seconds=300)).offer(*records(1, 7, size=MB)).run(1)

        assert (shard.batches, shard.times) == ([[1, 2, 3, 4, 5]], [0.0])

    def test_reading_pauses_while_two_batches_and_a_page_are_held(self):
        shard = ShardMapping(MappingPolicy(batch_size=100))
        shard.offer(records(1, 1199), NOON)
        had_room = shard.has_room
        shard.offer([record(1200)], NOON)

        assert (had_room, shard.has_room) == (True, False)

    def test_every_lane_has_room_of_its_own(self):
        shard = ShardMapping(MappingPolicy(batch_size=100, parallelization=4))
        shard.offer(records(1, 1799), NOON)
        had_room = shard.has_room
        shard.offer([record(1800)], NOON)

        assert (had_room, shard.has_room) == (True, False)

    def test_reading_pauses_while_two_payloads_are_held(self):
        shard = ShardMapping(MappingPolicy(batch_size=10_000))
        shard.offer(records(1, 12, size=MB), NOON)

        assert shard.has_room is False


class TestParallelization:
    """ParallelizationFactor: order is kept per item (partition and sort key)."""

    def test_one_shard_has_one_invocation_at_a_time_by_default(self):
        shard = VirtualShard(MappingPolicy(batch_size=1)).offer(*records(1, 5))

        assert len(_due_at(shard, NOON)) == 1
        assert _due_at(shard, NOON) == []

    def test_a_shard_has_as_many_invocations_at_a_time_as_its_factor(self):
        shard = VirtualShard(MappingPolicy(batch_size=1, parallelization=10)).offer(*records(1, 200))

        assert len(_due_at(shard, NOON)) == 10

    def test_records_of_one_item_are_never_in_flight_together(self):
        shard = VirtualShard(MappingPolicy(batch_size=1, parallelization=10)).offer(*records(1, 5, item="hot"))

        assert [numbers(call.records) for call in _due_at(shard, NOON)] == [[1]]

    def test_records_of_one_item_keep_their_order_over_retries(self):
        policy = MappingPolicy(batch_size=1, parallelization=10)
        shard = VirtualShard(policy, one_after_the_other(Failed(), NotInvoked())).offer(*records(1, 3, item="hot"))

        assert shard.run().batches == [[1], [1], [1], [2], [3]]

    def test_the_checkpoint_waits_for_the_slowest_lane(self):
        shard = ShardMapping(MappingPolicy(batch_size=1, parallelization=2))
        slow, quick = _items_of_two_lanes()
        shard.offer([record(1, item=slow), record(2, item=quick)], NOON)
        first, second = shard.actions(NOON)
        calls = {numbers(call.records)[0]: call for call in (first, second)}
        shard.invoked(calls[2].lane, Succeeded(), NOON)
        while_one_is_out = shard.checkpoint
        shard.invoked(calls[1].lane, Succeeded(), NOON)

        assert (while_one_is_out, shard.checkpoint) == (None, "2")

    def test_a_failing_lane_does_not_stop_the_others(self):
        slow, quick = _items_of_two_lanes()
        policy = MappingPolicy(batch_size=1, parallelization=2)
        shard = VirtualShard(policy, poison(1)).offer(record(1, item=slow), *records(2, 6, item=quick)).run(50)

        assert [batch for batch in shard.batches if batch != [1]] == [[2], [3], [4], [5], [6]]


class TestPartialResponses:
    """ReportBatchItemFailures: what an answer means."""

    @pytest.mark.parametrize(
        "answer",
        [b'{"batchItemFailures":[]}', b'{"batchItemFailures":null}', b"{}", b"null", b"[]", b'""', b""],
    )
    def test_an_empty_answer_is_a_full_success(self, answer):
        assert read_response(answer, SEQUENCE_NUMBERS, True) == Succeeded()

    def test_one_id_is_the_checkpoint(self):
        answer = b'{"batchItemFailures":[{"itemIdentifier":"112"}]}'

        assert read_response(answer, SEQUENCE_NUMBERS, True) == Reported("112")

    def test_of_several_ids_the_lowest_number_is_the_checkpoint_whatever_their_length(self):
        answer = b'{"batchItemFailures":[{"itemIdentifier":"1000"},{"itemIdentifier":"999"}]}'

        assert read_response(answer, {"999", "1000"}, True) == Reported("999")

    @pytest.mark.parametrize(
        "failures",
        [
            b'[{"itemIdentifier":""}]',
            b'[{"itemIdentifier":null}]',
            b'[{"itemIdentifier":112}]',
            b'[{"item_identifier":"112"}]',
            b'[{"itemIdentifier":"999"}]',
            b'[{"itemIdentifier":"112"},{"itemIdentifier":"999"}]',
            b'["112"]',
            b'"112"',
        ],
    )
    def test_an_id_that_is_empty_null_misnamed_or_not_of_the_batch_fails_the_whole_batch(self, failures):
        answer = b'{"batchItemFailures":' + failures + b"}"

        assert read_response(answer, SEQUENCE_NUMBERS, True) == Failed(None)

    @pytest.mark.parametrize("answer", [b'"done"', b"7", b"true", b"[1]", b"not JSON"])
    def test_an_answer_of_another_kind_fails_the_whole_batch(self, answer):
        assert read_response(answer, SEQUENCE_NUMBERS, True) == Failed(None)

    @pytest.mark.parametrize("answer", [b'{"batchItemFailures":[{"itemIdentifier":"112"}]}', b'"done"', b"null"])
    def test_without_the_response_type_in_the_mapping_every_answer_means_success(self, answer):
        assert read_response(answer, SEQUENCE_NUMBERS, False) == Succeeded()

    def test_the_reported_record_and_all_later_ones_are_retried_the_earlier_ones_are_committed(self):
        shard = VirtualShard(function=one_after_the_other(Reported("3"))).offer(*records(1, 5)).run()

        assert shard.batches == [[1, 2, 3, 4, 5], [3, 4, 5]]
        assert shard.mapping.counters.delivered == 5

    def test_an_exception_retries_the_whole_batch(self):
        shard = VirtualShard(function=one_after_the_other(Failed())).offer(*records(1, 3)).run()

        assert shard.batches == [[1, 2, 3], [1, 2, 3]]

    def test_a_remainder_is_not_filled_up_with_later_records(self):
        policy = MappingPolicy(batch_size=3)
        shard = VirtualShard(policy, one_after_the_other(Reported("3"))).offer(*records(1, 5)).run()

        assert shard.batches == [[1, 2, 3], [3], [4, 5]]


class TestBisect:
    """BisectBatchOnFunctionError."""

    def test_a_batch_is_halved_when_the_function_raises(self):
        policy = MappingPolicy(bisects=True)
        shard = VirtualShard(policy, one_after_the_other(Failed())).offer(*records(1, 4)).run()

        assert shard.batches == [[1, 2, 3, 4], [1, 2], [3, 4]]

    def test_a_batch_is_cut_at_the_reported_sequence_number(self):
        policy = MappingPolicy(bisects=True, reports_item_failures=True)
        shard = VirtualShard(policy, one_after_the_other(Reported("4"))).offer(*records(1, 4)).run()

        assert shard.batches == [[1, 2, 3, 4], [4]]
        assert shard.mapping.counters.bisects == 1

    def test_splits_do_not_consume_retries(self):
        policy = MappingPolicy(bisects=True, max_retries=1)
        shard = VirtualShard(policy, poison(6)).offer(*records(1, 8)).run()

        assert shard.batches == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [5, 6, 7, 8], [5, 6], [5], [6], [6], [7, 8]]
        assert [numbers(discard.records) for discard in shard.discards] == [[6]]

    def test_splits_do_not_wait_retries_do(self):
        policy = MappingPolicy(bisects=True, max_retries=1)
        shard = VirtualShard(policy, poison(2)).offer(*records(1, 2)).run()

        assert list(zip(shard.batches, shard.times, strict=True)) == [([1, 2], 0), ([1], 0), ([2], 0), ([2], 0.5)]

    def test_a_report_of_the_first_record_leaves_nothing_to_cut_and_consumes_a_retry(self):
        policy = MappingPolicy(bisects=True, max_retries=1)
        shard = VirtualShard(policy, report(1)).offer(*records(1, 4)).run()

        assert shard.batches == [[1, 2, 3, 4], [1, 2, 3, 4]]
        assert [numbers(discard.records) for discard in shard.discards] == [[1, 2, 3, 4]]


class TestRetries:
    """MaximumRetryAttempts, and what does not count as one."""

    def test_by_default_a_poison_record_blocks_its_shard(self):
        shard = VirtualShard(function=poison(1)).offer(*records(1, 150)).run(50)

        assert len(shard.batches) == 50
        assert {tuple(batch) for batch in shard.batches} == {tuple(range(1, 101))}
        assert shard.discards == []

    @pytest.mark.parametrize(("retries", "invocations"), [(0, 1), (2, 3), (10, 11)])
    def test_a_batch_is_invoked_once_and_retried_as_often_as_the_setting_says(self, retries, invocations):
        shard = VirtualShard(MappingPolicy(max_retries=retries), raise_always).offer(*records(1, 3)).run()

        assert shard.batches == [[1, 2, 3]] * invocations

    def test_when_retries_run_out_the_whole_remaining_batch_is_discarded_good_records_included(self):
        policy = MappingPolicy(max_retries=1, reports_item_failures=True)
        shard = VirtualShard(policy, report(2)).offer(*records(1, 4)).run()

        assert [numbers(discard.records) for discard in shard.discards] == [[2, 3, 4]]

    def test_the_shard_goes_on_after_a_discard(self):
        policy = MappingPolicy(batch_size=2, max_retries=0)
        shard = VirtualShard(policy, poison(1)).offer(*records(1, 4)).run()

        assert shard.batches == [[1, 2], [3, 4]]
        assert shard.mapping.checkpoint == "4"

    def test_the_retry_counter_starts_anew_when_the_checkpoint_advances(self):
        # Recorded: BatchSize 3, MaximumRetryAttempts 3, six items, item 5 always reported.
        policy = MappingPolicy(batch_size=3, max_retries=3, reports_item_failures=True)
        shard = VirtualShard(policy, report(5)).offer(*records(0, 5)).run()

        assert shard.batches == [[0, 1, 2], [3, 4, 5], [5], [5], [5], [5]]
        (discard,) = shard.discards
        assert (discard.condition, discard.invocations, numbers(discard.records)) == ("RetryAttemptsExhausted", 4, [5])
        assert discard.answer == Failed(None)

    def test_attempts_before_the_checkpoint_advanced_no_longer_count(self):
        script = [Failed(), Reported("2"), Failed(), Failed()]
        policy = MappingPolicy(max_retries=1, reports_item_failures=True)
        shard = VirtualShard(policy, one_after_the_other(*script)).offer(*records(1, 2)).run()

        assert shard.batches == [[1, 2], [1, 2], [2], [2]]
        assert [discard.invocations for discard in shard.discards] == [2]

    def test_throttles_and_errors_on_lambdas_side_do_not_consume_attempts(self):
        script = [NotInvoked()] * 20 + [Failed(), NotInvoked(), Failed()]
        shard = VirtualShard(MappingPolicy(max_retries=1), one_after_the_other(*script)).offer(record(1)).run()

        assert len(shard.batches) == 23
        assert [discard.invocations for discard in shard.discards] == [2]

    def test_throttles_wait_like_retries(self):
        shard = VirtualShard(function=one_after_the_other(NotInvoked(), NotInvoked())).offer(record(1)).run()

        assert shard.times == [0, 0.5, 1.5]

    def test_a_throttle_does_not_bisect(self):
        shard = VirtualShard(MappingPolicy(bisects=True), one_after_the_other(NotInvoked())).offer(*records(1, 4)).run()

        assert shard.batches == [[1, 2, 3, 4], [1, 2, 3, 4]]

    def test_waits_between_retries_double_up_to_a_ceiling(self):
        policy = MappingPolicy(pacing=RetryPacing(first=1, factor=2, ceiling=6))
        shard = VirtualShard(policy, raise_always).offer(record(1)).run(6)

        assert shard.times == [0, 1, 3, 7, 13, 19]

    def test_waits_do_not_overflow(self):
        assert RetryPacing(first=1, factor=2, ceiling=60).delay(1_000_000) == 60


class TestRecordAge:
    """MaximumRecordAgeInSeconds."""

    def test_a_record_that_is_too_old_is_discarded_before_its_first_invocation(self):
        shard = VirtualShard(MappingPolicy(max_age_seconds=60)).offer(record(1, at=NOON - 61)).run()

        (discard,) = shard.discards
        assert shard.batches == []
        assert (discard.condition, discard.invocations, discard.answer) == ("RecordAgeExceeded", 1, None)

    def test_only_the_records_that_are_too_old_are_discarded(self):
        old, fresh = records(1, 2, at=NOON - 61), records(3, 4, at=NOON - 60)
        shard = VirtualShard(MappingPolicy(max_age_seconds=60)).offer(*old, *fresh).run()

        assert [numbers(discard.records) for discard in shard.discards] == [[1, 2]]
        assert shard.batches == [[3, 4]]

    def test_a_record_that_grows_too_old_over_its_retries_is_discarded(self):
        shard = VirtualShard(MappingPolicy(max_age_seconds=5), raise_always).offer(record(1)).run()

        assert (shard.times, [discard.invocations for discard in shard.discards]) == ([0, 0.5, 1.5, 3.5], [4])

    def test_by_default_no_record_is_too_old(self):
        shard = VirtualShard().offer(record(1, at=NOON - 604_800)).run()

        assert shard.batches == [[1]]


class TestFilters:
    """FilterCriteria: records that match no pattern."""

    def test_filtered_records_advance_the_checkpoint_without_an_invocation(self):
        shard = VirtualShard().offer(*records(1, 3, is_wanted=False)).run()

        assert (shard.batches, shard.mapping.checkpoint, shard.mapping.counters.filtered) == ([], "3", 3)

    def test_filtered_records_never_reach_the_on_failure_destination(self):
        policy = MappingPolicy(max_retries=0)
        shard = VirtualShard(policy, raise_always).offer(record(1), record(2, is_wanted=False), record(3)).run()

        assert [numbers(discard.records) for discard in shard.discards] == [[1, 3]]

    def test_a_filtered_record_does_not_pass_an_unsettled_one(self):
        shard = VirtualShard().offer(record(1), record(2, is_wanted=False))

        assert shard.mapping.checkpoint is None


class TestCounters:
    """What the metrics say."""

    def test_every_record_is_filtered_delivered_or_discarded(self):
        policy = MappingPolicy(batch_size=10, bisects=True, max_retries=1)
        shard = VirtualShard(policy, poison(7)).offer(*records(1, 20), *records(21, 25, is_wanted=False)).run()

        counters = shard.mapping.counters
        assert (counters.polled, counters.filtered, counters.delivered, counters.discarded) == (25, 5, 19, 1)
        assert shard.mapping.pending == 0

    def test_invocations_failures_retries_bisects_and_throttles_are_counted(self):
        script = [Failed(), Failed(), NotInvoked()]
        shard = VirtualShard(MappingPolicy(bisects=True), one_after_the_other(*script)).offer(*records(1, 2)).run()

        counters = shard.mapping.counters
        assert shard.batches == [[1, 2], [1], [1], [1], [2]]
        assert (counters.invocations, counters.failures, counters.retries) == (5, 2, 2)
        assert (counters.bisects, counters.throttles) == (1, 1)

    def test_the_iterator_age_is_the_age_of_the_last_record_of_the_batch_when_it_was_sent(self):
        shard = VirtualShard().offer(record(1, at=NOON - 90), record(2, at=NOON - 7)).run()

        assert shard.mapping.counters.iterator_age_ms == 7000


def _due_at(shard: VirtualShard, instant: float) -> list[Invoke]:
    return shard.mapping.actions(instant)


def _items_of_two_lanes() -> tuple[str, str]:
    # By their CRC-32 these fall into different ones of two lanes.
    return "busy", "idle"


def test_an_event_is_an_object_of_records():
    assert orjson.loads(build_event(records(1, 2, size=4))) == {"Records": ["xx", "xx"]}
