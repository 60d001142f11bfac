"""What a verification knows for certain, and the digests of both sides as far as they are known.

Invariant: each item and each stray document enters once; without differences both digests have taken in the same.
"""

from dataclasses import dataclass, field

from tailrace.certificates import DigestOfDigests
from tailrace.differences import Kind, Tally
from tailrace.examining import Examiner, Sighting, StrayDocument
from tailrace.expectations import Expectation


@dataclass(slots=True)
class Findings:
    """What is known for certain. An allowed difference enters neither digest, all else enters where it stands."""

    allowed_kinds: frozenset[Kind]
    examiner: Examiner
    differences: Tally = field(default_factory=Tally)
    allowed: Tally = field(default_factory=Tally)
    unrepaired: Tally = field(default_factory=Tally)
    in_flight: int = 0
    concluded: int = 0
    table_digest: DigestOfDigests = field(default_factory=DigestOfDigests)
    index_digest: DigestOfDigests = field(default_factory=DigestOfDigests)

    def take_in_both(self, expected: Expectation) -> None:
        """A document is what its item calls for."""
        weight = self.table_digest.add(expected.alias, expected.id, expected.digest)
        self.index_digest.add_weight(weight)

    def conclude(self, seen: Sighting) -> bool:
        """Take in what is certain about a suspect; whether it is a difference that counts."""
        self.concluded += 1
        if seen.kind in self.allowed_kinds:
            self.allowed.add(seen.as_difference())
            return False
        self._take_in(seen)
        if seen.kind is None:
            self.in_flight += 1
            return False
        self.differences.add(seen.as_difference())
        return True

    def _take_in(self, seen: Sighting) -> None:
        aliases = {place.generation: place.alias for place in self.examiner.places}
        if isinstance(seen.subject, StrayDocument):
            for address, stray in seen.strays.items():
                self.index_digest.add(aliases.get(address.generation, ""), address.id, self.examiner.digest_of(stray))
            return
        expected = seen.expectation
        if expected is None:
            return
        self.table_digest.add(expected.alias, expected.id, expected.digest)
        if seen.home is not None and not seen.home.is_deleted:
            self.index_digest.add(expected.alias, expected.id, self.examiner.digest_of(seen.home))
