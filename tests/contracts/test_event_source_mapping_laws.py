"""The laws of a shard's mapping on random policies, records and answers: nothing lost, nothing overtakes its item."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_builders import NOON, numbers, record

from tailrace_local.deliveries import Discard, Failed, Invoke, NotInvoked, Reported, Succeeded
from tailrace_local.shard_mapping import MappingPolicy, ShardMapping

policies = st.builds(
    MappingPolicy,
    batch_size=st.integers(1, 7),
    window_seconds=st.sampled_from([0, 3]),
    parallelization=st.integers(1, 4),
    bisects=st.booleans(),
    max_retries=st.integers(0, 3),
    max_age_seconds=st.sampled_from([-1, 20]),
    payload_bytes=st.sampled_from([40, 10_000]),
)
shards = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 25), st.booleans()), max_size=40).map(
    lambda rows: [
        record(index, item=item, at=NOON - age, size=8, is_wanted=wanted)
        for index, (item, age, wanted) in enumerate(rows)
    ]
)


class Play:
    """Runs a mapping to its end; answers and the order of completion are drawn."""

    def __init__(self, policy, shard, data):
        self.mapping, self.data, self.now = ShardMapping(policy), data, NOON
        self.unread, self.in_flight, self.settled, self.checkpoints = list(shard), [], Counter(), [-1]
        self.item_of = {int(each.sequence_number): each.item for each in shard}
        self.wanted = {int(each.sequence_number) for each in shard if each.is_wanted}

    def run(self):
        while self.unread or self.mapping.pending:
            self.read()
            self.in_flight += self.mapping.actions(self.now)
            self.check_flight()
            if self.in_flight:
                self.land(self.in_flight.pop(self.data.draw(st.integers(0, len(self.in_flight) - 1))))
            else:
                self.pass_time()
            self.checkpoints.append(int(self.mapping.checkpoint or -1))

    def read(self):
        page = self.data.draw(st.integers(0, 10))
        self.mapping.offer(self.unread[:page], self.now)
        del self.unread[:page]
        if not self.unread:
            self.mapping.close()

    def pass_time(self):
        self.now = max(self.now, self.mapping.wake_at() or self.now)

    def land(self, action):
        if isinstance(action, Discard):
            self.settle(numbers(action.records))
            self.mapping.discarded(action.lane, self.now)
            return
        outcome = self.draw_outcome(action)
        if isinstance(outcome, Succeeded):
            self.settle(numbers(action.records))
        if isinstance(outcome, Reported):
            self.settle([n for n in numbers(action.records) if n < int(outcome.sequence_number)])
        self.mapping.invoked(action.lane, outcome, self.now)

    def draw_outcome(self, action: Invoke):
        reported = st.sampled_from(action.records).map(lambda each: Reported(each.sequence_number))
        return self.data.draw(st.one_of(st.just(Succeeded()), st.just(Failed()), st.just(NotInvoked()), reported))

    def settle(self, batch):
        for number in batch:
            earlier = [n for n in range(number) if self.item_of[n] == self.item_of[number] and n in self.wanted]
            assert all(self.settled[n] for n in earlier), "a record was settled before an earlier one of its item"
            self.settled[number] += 1

    def check_flight(self):
        items = [self.item_of[n] for action in self.in_flight for n in set(numbers(action.records))]
        batches = [{self.item_of[n] for n in numbers(action.records)} for action in self.in_flight]
        assert sum(map(len, batches)) == len(set(items)), "two batches in flight hold the same item"
        assert len(self.in_flight) <= self.mapping.policy.parallelization


@settings(deadline=None, max_examples=150)
@given(policies, shards, st.data())
def test_every_record_is_settled_exactly_once_and_in_the_order_of_its_item(policy, shard, data):
    play = Play(policy, shard, data)
    play.run()

    counters = play.mapping.counters
    assert play.settled == Counter(play.wanted)
    assert counters.polled == counters.filtered + counters.delivered + counters.discarded == len(shard)
    assert play.checkpoints == sorted(play.checkpoints)
    assert play.checkpoints[-1] == len(shard) - 1
