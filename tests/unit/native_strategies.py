"""What the accelerator may meet: legal items in every spelling, and whatever else can stand where an item should be."""

import base64
from typing import Any

from hypothesis import strategies as st

SECOND = 1_763_726_400
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T12:51:11.612"
WORDS = [
    "", " ", ".", "a.b", "a..b", "a. .b", "_id", "_version", "__typename", "%", "ddb", "é", "日本", "\u00a0", "\u3000x",
    "\x7f", "\x00", '"', "\\", "|", "sha256:", "\u2028", "\U0001f600", "b", "ab", "abcdefgh", "abcdefghi",
    "abcdefgh\x00",
]  # fmt: skip
texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=40), st.text(alphabet='ab|\\"\n\t\x01\x1f é', max_size=30))
spellings = st.one_of(
    st.from_regex(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{0,21}(\.[0-9]{0,21})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["0", "-0", "-0.0", "0.10", "5.", ".5", "1" * 38, "9" * 18, "9" * 19, "1_0", "١", ""]),
)
binaries = st.one_of(
    st.binary(max_size=12).map(lambda data: base64.b64encode(data).decode()),
    st.sampled_from(["", "=", "A", "AB==", "AA==", "AAE=", "AAF=", "AA=A", "A===", "====", "AA\n==", "é==="]),
    st.binary(max_size=6),
)
scalars = st.one_of(
    texts.map(lambda value: {"S": value}),
    spellings.map(lambda value: {"N": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    binaries.map(lambda value: {"B": value}),
    st.lists(texts, max_size=6).map(lambda value: {"SS": value}),
    st.lists(spellings, max_size=6).map(lambda value: {"NS": value}),
    st.lists(binaries, max_size=3).map(lambda value: {"BS": value}),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda value: {"L": value}),
        st.dictionaries(texts, inner, max_size=5).map(lambda value: {"M": value}),
    ),
    max_leaves=12,
)
images = st.dictionaries(texts, values, max_size=8)


class Text(str):
    """A str that is none to whoever is strict."""


class Number(int):
    """Likewise."""


odd = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=5), texts, texts.map(Text),
    st.integers().map(Number), st.text(alphabet="a\ud800\udfff", max_size=3), st.sampled_from([(), b"", object()]),
    st.sampled_from(["S", "N", "BOOL", "NULL", "M", "L", "SS", "NS", "B", "X", "INSERT", "insert", "remove"]),
    st.sampled_from([0, -1, 2**63]),
)  # fmt: skip
junk = st.recursive(
    odd,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(texts, st.integers(), st.text(alphabet="\ud800", max_size=1)), inner, max_size=4),
        st.dictionaries(st.sampled_from(["S", "N", "M", "L", "SS", "NS", "B", "BOOL", "NULL"]), inner, max_size=2),
    ),
    max_leaves=10,
)


def wire(image: Any, keys: Any, **change: Any) -> dict[str, Any]:
    """A stream record of an insertion, with whatever else `change` says."""
    told = {"ApproximateCreationDateTime": SECOND, "Keys": keys, "NewImage": image, "SequenceNumber": "1" * 21}
    fixed = {"eventID": "e-1", "eventName": "INSERT", "eventSource": "aws:dynamodb", "eventSourceARN": ARN}
    return {**fixed, "dynamodb": {**told, **change}}


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """A copy of nested dicts and lists with junk, or nothing, in one place."""
    if not isinstance(whole, dict | list) or not whole or draw(st.integers(0, 4)) == 0:
        return draw(junk)
    if isinstance(whole, list):
        place: Any = draw(st.integers(0, len(whole) - 1))
        return [*whole[:place], draw(damaged(whole[place])), *whole[place + 1 :]]
    place = draw(st.sampled_from(sorted(whole)))
    if draw(st.integers(0, 3)) == 0:
        return {name: value for name, value in whole.items() if name != place}
    return {**whole, place: draw(damaged(whole[place]))}
