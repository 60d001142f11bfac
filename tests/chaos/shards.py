"""One event source mapping on the log of a shard: batches, retries, bisects and what it gives up, in no time.

Invariant: every record that is offered ends as delivered, or in a parked batch of the published on-failure form.
"""

from collections.abc import Callable, MutableMapping, Sequence
from datetime import UTC, datetime

from tailrace_local.deliveries import Discard, Outcome, StreamRecord
from tailrace_local.on_failure import Origin, build_body, build_key
from tailrace_local.shard_mapping import MappingPolicy, ShardMapping

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:indexer"
GIVEN_UP_AT = datetime(2026, 11, 21, tzinfo=UTC)
Function = Callable[[Sequence[StreamRecord]], Outcome]


class Mapping:
    """Delivers what is offered to one function, and parks in `bucket` what it gives up. `name` is its own."""

    def __init__(
        self, name: str, function: Function, batch_size: int, max_retries: int, bucket: MutableMapping[str, bytes]
    ) -> None:
        policy = MappingPolicy(batch_size, bisects=True, max_retries=max_retries, reports_item_failures=True)
        self._origin = Origin(name, FUNCTION_ARN, "arn:aws:dynamodb", "shardId-01")
        self._function = function
        self._mapping = ShardMapping(policy)
        self._bucket = bucket
        self._now = 0.0
        self.parked = 0

    def deliver(self, records: Sequence[StreamRecord]) -> None:
        """Everything that is offered, until it is settled or parked."""
        self._mapping.offer(records, self._now)
        while self._mapping.pending:
            for action in self._mapping.actions(self._now):
                if isinstance(action, Discard):
                    self._park(action)
                else:
                    self._mapping.invoked(action.lane, self._function(action.records), self._now)
            self._now = max(self._now, self._mapping.wake_at() or 0.0)

    def _park(self, discard: Discard) -> None:
        unique = discard.records[0].sequence_number
        key = build_key(self._origin, GIVEN_UP_AT, unique)
        self._bucket[key] = build_body(self._origin, discard, GIVEN_UP_AT, unique)
        self.parked += len(discard.records)
        self._mapping.discarded(discard.lane, self._now)
