"""What must never be printed, and how it is found: secrets, credentials, planted item values, fields nobody knows.

Invariant: a line of a function is held against the fields that its telemetry has; what is new has to be named here.
"""

import json
import re
from collections.abc import Iterator

CANARY = "canary"  # part of every planted value, key, password and token
SECRETS = re.compile(
    rf"{CANARY}|AWS4-HMAC|x-amz-security-token|x-amz-signature|\bauthorization['\"]?\s*[:=]"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{12,}|secret_?access_?key['\"]?\s*[:=]\s*['\"]?(?!test\b)\w|://[^/\s:@]+:[^/\s@]+@",
    re.IGNORECASE,
)
SERVICES = {"indexer", "replicator", "replayer", "sweeper"}

NUMBER = re.compile(r"-?\d+(\.\d+)?")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
NAME = re.compile(r"[A-Za-z0-9_.@-]+")  # of a table or an index
TEXTS = {
    "_aws": re.compile(r".*", re.DOTALL),  # looked at by test_metrics.py: names and units alone
    "level": re.compile(r"INFO|WARNING|ERROR"),
    "location": re.compile(r"[a-z_]+:\d+"),
    "message": re.compile(r"batch|record|more records|replay|object|sweep|index|conservation breach"),
    "timestamp": re.compile(r"[-0-9:, +.TZ]+"),
    "service": WORD,
    "xray_trace_id": re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}"),
    "table": NAME,
    "tables": NAME,
    "index": re.compile(r"[A-Za-z0-9_.@%=-]+"),
    "outcome": WORD,
    "reason": re.compile(
        r"[A-Za-z][A-Za-z0-9_]*|its? [a-z`][^\n]*"
    ),  # a word; of an object that is no letter a sentence
    "key": re.compile(r"(dead-letters|parked|aws/lambda)/\S*"),  # of such an object
    "position": re.compile(r"\d{1,60}"),
    "first_position": re.compile(r"\d{1,60}"),
    "last_position": re.compile(r"\d{1,60}"),
    "first_unsettled": re.compile(r"\d{1,60}"),
    "detail": re.compile(r"\d+ records in, \d+ outcomes, \d+ records without one"),
}


def find_leaks(text: str) -> Iterator[str]:
    """Each line that tells too much, and why; the line itself is not repeated."""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := SECRETS.search(line):
            yield f"line {number} holds {found[0][:12]!r}…"
        yield from (f"line {number} has {problem}" for problem in _unknown_fields(line))


def _unknown_fields(line: str) -> Iterator[str]:
    """Of a function's line: every field with a text that the field does not have."""
    told = _read(line)
    if told is None or told.get("service") not in SERVICES or not {"_aws", "level"} & told.keys():
        return
    for name, value in told.items():
        for text in _texts(value):
            if name not in TEXTS or not TEXTS[name].fullmatch(text):
                yield f"the field {name} with a text that nobody knows"


def _read(line: str) -> dict | None:
    try:
        told = json.loads(line) if line.startswith("{") else None
    except json.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (text for text in (key, *_texts(each)) if not WORD.fullmatch(text))
