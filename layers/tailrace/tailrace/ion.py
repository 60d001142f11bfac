"""Amazon Ion text, as far as DynamoDB's exports use it, to AttributeValue maps.

An export in ION writes one struct a line, `$ion_1_0 {Item:{…}}`: S as text, N as a decimal (`6d2`), B as a blob
(`{{…}}`), sets as annotated lists (`$dynamodb_SS::[…]`). Invariant: a value becomes the AttributeValue that an export
in DYNAMODB_JSON would hold, number for number; whatever else Ion may say is refused.
"""

import re
from typing import Any

from tailrace.errors import TailraceError

MAX_LEVELS = 70  # DynamoDB nests 32 levels, and each is one of Ion's, plus the line's own
_SETS = {"$dynamodb_SS": "SS", "$dynamodb_NS": "NS", "$dynamodb_BS": "BS"}
_MARKER = "$ion_1_0"

_token = re.compile(
    r"""\s*(?:
    (?P<text>"(?:[^"\\]|\\.)*")
    |(?P<quoted>'(?:[^'\\]|\\.)*')
    |(?P<blob>\{\{\s*[A-Za-z0-9+/=\s]*\}\})
    |(?P<mark>::|[{}\[\],:])
    |(?P<number>-?[0-9](?:[0-9_]*)(?:\.[0-9_]*)?(?:[dDeE][+-]?[0-9]+)?)
    |(?P<word>[A-Za-z_$][A-Za-z0-9_$.]*)
    )""",
    re.VERBOSE | re.DOTALL,
).match
_escape = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\r?\n)|(.))", re.DOTALL).sub
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "v": "\v",
    '"': '"', "'": "'", "\\": "\\", "/": "/", "?": "?",
}  # fmt: skip


class IonError(TailraceError):
    """A line is no Ion text of the kind that DynamoDB writes. The text holds no value of it."""


def parse_line(line: str) -> dict[str, Any]:
    """The struct of a line as `{member: value}`; values inside an image are AttributeValues. Raises IonError."""
    return _Parser(line).parse()


class _Parser:
    def __init__(self, line: str) -> None:
        self._line = line
        self._at = 0
        self._kind = ""
        self._text = ""
        self._advance()

    def parse(self) -> dict[str, Any]:
        if self._text == _MARKER:
            self._advance()
        members = {name: self._member(name) for name in self._names()}
        if self._kind != "end":
            raise IonError("something follows the struct")
        return members

    def _member(self, name: str) -> Any:
        """`Item`, `Keys`, `NewImage` and `OldImage` hold attributes; `Metadata` holds one of its own."""
        if self._text == "null" or self._text.startswith("null."):
            self._advance()
            return None
        if self._text != "{":
            raise IonError(f"member {name} is no struct")
        return {attribute: self._value(1) for attribute in self._names()}

    def _names(self) -> Any:
        """The field names of a struct, each left at its value; the caller reads it before the next."""
        self._expect("{")
        while self._text != "}" or self._kind != "mark":
            if self._kind == "text" or self._kind == "quoted":
                name = _unescape(self._text[1:-1])
            elif self._kind == "word":
                name = self._text
            else:
                raise IonError("a field has no name")
            self._advance()
            self._expect(":")
            yield name
            if self._text == "," and self._kind == "mark":
                self._advance()
            elif self._text != "}":
                raise IonError("a struct does not end")
        self._advance()

    def _value(self, level: int) -> dict[str, Any]:
        if level > MAX_LEVELS:
            raise IonError("a value is nested too deeply")
        kind, text = self._kind, self._text
        if kind == "text":
            self._advance()
            return {"S": _unescape(text[1:-1])}
        if kind == "number":
            self._advance()
            return {"N": _decimal(text)}
        if kind == "blob":
            self._advance()
            return {"B": "".join(text[2:-2].split())}
        if kind == "word":
            return self._word(text)
        if text == "[":
            return {"L": self._elements(level)}
        if text == "{":
            return {"M": {name: self._value(level + 1) for name in self._names()}}
        raise IonError("a value is missing")

    def _word(self, text: str) -> dict[str, Any]:
        self._advance()
        if text in ("true", "false"):
            return {"BOOL": text == "true"}
        if text == "null" or text.startswith("null."):
            return {"NULL": True}
        if text in _SETS:
            self._expect("::")
            kind = _SETS[text]
            return {kind: [_only(value, kind[0]) for value in self._elements(1)]}
        raise IonError("a word stands where a value should be")

    def _elements(self, level: int) -> list[Any]:
        self._expect("[")
        elements = []
        while self._text != "]" or self._kind != "mark":
            elements.append(self._value(level + 1))
            if self._text == "," and self._kind == "mark":
                self._advance()
            elif self._text != "]":
                raise IonError("a list does not end")
        self._advance()
        return elements

    def _expect(self, mark: str) -> None:
        if self._kind != "mark" or self._text != mark:
            raise IonError(f"{mark} is missing")
        self._advance()

    def _advance(self) -> None:
        match = _token(self._line, self._at)
        if match is None:
            if self._line[self._at :].strip():
                raise IonError("a character stands where none may stand")
            self._kind, self._text = "end", ""
            return
        self._at = match.end()
        self._kind = match.lastgroup or ""
        self._text = match[self._kind]


def _only(value: dict[str, Any], kind: str) -> Any:
    if list(value) != [kind]:
        raise IonError("a set holds a value of another type")
    return value[kind]


def _decimal(text: str) -> str:
    """DynamoDB's spelling is left to the reader of numbers; Ion's `d` is its `E`."""
    return text.replace("_", "").replace("d", "E").replace("D", "E")


def _unescape(text: str) -> str:
    return _escape(_replace, text) if "\\" in text else text


def _replace(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(int(code, 16))
    if match[4]:
        return ""
    if match[5] not in _ESCAPES:
        raise IonError("an escape is unknown")
    return _ESCAPES[match[5]]
