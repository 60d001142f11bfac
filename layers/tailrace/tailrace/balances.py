"""The balance of addresses: proves in flat memory that two walks in different orders met the same documents.

Invariant: after each address was added once and removed once the balance is even; an address that only one walk met
leaves its bucket odd, but for a chance of 1 in 2^64.
"""

from array import array
from hashlib import blake2b

from tailrace.sides import Address

BUCKETS = 1 << 20  # 8 MiB of sums; at ten million documents an odd bucket costs ten reads
_BUCKET_BITS = 32
_WRAP = (1 << 64) - 1


class Balance:
    """Sums of address hashes by bucket."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums = array("Q", bytes(8 * BUCKETS))

    def add(self, address: Address) -> None:
        """One walk met this address."""
        bucket, weight = _weigh(address)
        self._sums[bucket] = (self._sums[bucket] + weight) & _WRAP

    def remove(self, address: Address) -> None:
        """The other walk met this address."""
        bucket, weight = _weigh(address)
        self._sums[bucket] = (self._sums[bucket] - weight) & _WRAP

    def is_even(self) -> bool:
        """Whether both walks met the same addresses."""
        return not any(self._sums)

    def is_even_around(self, address: Address) -> bool:
        """Whether both walks met the same addresses in this one's bucket."""
        return self._sums[_weigh(address)[0]] == 0


def _weigh(address: Address) -> tuple[int, int]:
    name = f"{address.generation}/{address.id}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(blake2b(name, digest_size=12).digest(), "little")
    return number % BUCKETS, number >> _BUCKET_BITS
