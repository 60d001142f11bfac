"""Numbers: every exponent, both edges, the neighbourhood of 2^53 and 2^63, random digits, and many spellings.

Invariant: the oracle is `decimal` with room for every digit; the product uses no decimal at all.
"""

from collections.abc import Iterator
from decimal import Context
from random import Random

EXACT = Context(prec=400, Emin=-400, Emax=400)
EDGES = ("0", "1E-130", "-1E-130", "9" * 38 + "E88", "-" + "9" * 38 + "E88", "1E125", "9." + "9" * 37 + "E-130", "0.1")
COUNT = 10_080


def canonical(text: str) -> str:
    """The one spelling: no exponent, no trailing zeros, no negative zero."""
    number = EXACT.create_decimal(text)
    return "0" if not number else format(number.normalize(EXACT), "f")


def spell(text: str, how: int) -> str:
    """The same number as hand-made events may write it."""
    number = EXACT.create_decimal(text)
    if how % 4 == 0:
        return canonical(text)
    if how % 4 == 1:
        return format(number, "E")
    if how % 4 == 2:
        return ("+" if number >= 0 else "") + canonical(text) + ("000" if "." in canonical(text) else ".000")
    return f"{number.scaleb(7, EXACT)}E-7" if "E" not in str(number.scaleb(7, EXACT)) else text


def number_corpus() -> list[str]:
    """`COUNT` different numbers."""
    found: dict[str, None] = {}
    for text in _numbers(Random(12)):
        found[canonical(text)] = None
        if len(found) == COUNT:
            break
    return list(found)


def _numbers(random: Random) -> Iterator[str]:
    yield from EDGES
    for exponent in range(-130, 126):
        yield f"1E{exponent}"
        yield f"-{random.randint(1, 9)}.{random.randrange(10**6):06d}{random.randint(1, 9)}E{exponent}"
    for power in range(53, 64):
        yield from (str(sign * (2**power + step)) for sign in (1, -1) for step in range(-3, 4))
    for digits in range(1, 39):
        yield "9" * digits
        yield "0." + "0" * digits + "7"
        yield "1" + "0" * digits
    while True:
        digits = random.randint(1, 38)
        significand = random.randrange(10 ** (digits - 1), 10**digits)
        yield f"{random.choice(('', '-'))}{significand}E{random.randint(-130, 126 - digits)}"
