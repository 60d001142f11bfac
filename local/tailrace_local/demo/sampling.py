"""A few items of a table, chosen while somebody else reads all of it.

Invariant: the reader gets every page as it is, each item has the same chance to be chosen, and memory holds the keys of
those chosen alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from tailrace.records import Image
from tailrace.sides import TableShape, TableSide

SAMPLE_ITEMS = 100  # DynamoDB quota: keys in one BatchGetItem


@dataclass(slots=True)
class SampledTable:
    """See `sides.TableSide`. `keys` are those of up to `most` of the items that `pages` has handed over."""

    table: TableSide
    random: Random
    most: int = SAMPLE_ITEMS
    keys: list[Image] = field(default_factory=list)
    _seen: int = 0

    def shape(self) -> TableShape:
        """See `sides.TableSide.shape`."""
        return self.table.shape()

    def pages(self) -> Iterator[Sequence[Image]]:
        """See `sides.TableSide.pages`."""
        names = tuple(self.shape().key_types)
        for page in self.table.pages():
            for item in page:
                self._consider(item, names)
            yield page

    def read(self, keys: Sequence[Image]) -> Sequence[Image | None]:
        """See `sides.TableSide.read`."""
        return self.table.read(keys)

    def _consider(self, item: Image, names: Sequence[str]) -> None:
        self._seen += 1
        place = len(self.keys) if len(self.keys) < self.most else self.random.randrange(self._seen)
        if place < self.most:
            self.keys[place : place + 1] = [{name: item[name] for name in names}]
