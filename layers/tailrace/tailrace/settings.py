"""The handler's environment, parsed once into one frozen object.

Invariant: nothing is read at import, and a missing or bad variable is named in one sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tailrace.delivery import DEFAULT_MAX_BULK_BYTES
from tailrace.errors import UserError

OPENSEARCH_SERVICES = ("es", "aoss", "none")
DEFAULT_TIME_MARGIN_MS = 5_000
DEFAULT_REGION = "us-east-1"


class SettingsError(UserError):
    """An environment variable is missing or has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Sizes in bytes, times in milliseconds."""

    tables_path: str
    opensearch_url: str
    opensearch_service: str
    dead_letter_bucket: str
    region: str
    max_bulk_bytes: int
    time_margin_ms: int


@dataclass(frozen=True, slots=True)
class ReplicatorSettings:
    """What the replicator's environment says. `stream` is a Kinesis stream's name or ARN; times in milliseconds."""

    tables_path: str
    stream: str
    dead_letter_bucket: str
    region: str
    time_margin_ms: int


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises SettingsError naming the variable and what it must be."""
    return Settings(
        tables_path=_required(environment, "TAILRACE_TABLES", "the path of tables.json or tables.yaml"),
        opensearch_url=_url(environment),
        opensearch_service=_service(environment),
        dead_letter_bucket=_required(environment, "DEAD_LETTER_BUCKET", "the name of an S3 bucket"),
        region=environment.get("AWS_REGION", DEFAULT_REGION),
        max_bulk_bytes=_integer(environment, "TAILRACE_MAX_BULK_BYTES", DEFAULT_MAX_BULK_BYTES, 1_024),
        time_margin_ms=_integer(environment, "TAILRACE_TIME_MARGIN_MS", DEFAULT_TIME_MARGIN_MS, 0),
    )


def read_replicator_settings(environment: Mapping[str, str]) -> ReplicatorSettings:
    """The replicator's settings of an environment. Raises SettingsError naming the variable and what it must be."""
    return ReplicatorSettings(
        tables_path=_required(environment, "TAILRACE_TABLES", "the path of tables.json or tables.yaml"),
        stream=_required(environment, "TAILRACE_KINESIS_STREAM", "the name or ARN of a Kinesis stream"),
        dead_letter_bucket=_required(environment, "DEAD_LETTER_BUCKET", "the name of an S3 bucket"),
        region=environment.get("AWS_REGION", DEFAULT_REGION),
        time_margin_ms=_integer(environment, "TAILRACE_TIME_MARGIN_MS", DEFAULT_TIME_MARGIN_MS, 0),
    )


def _required(environment: Mapping[str, str], name: str, meaning: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set: set it to {meaning}.")
    return value


def _url(environment: Mapping[str, str]) -> str:
    url = _required(environment, "OPENSEARCH_URL", "the endpoint of OpenSearch, https://…").rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise SettingsError("OPENSEARCH_URL is not a URL: it must begin with https:// (or http:// on loopback).")
    return url


def _service(environment: Mapping[str, str]) -> str:
    service = environment.get("OPENSEARCH_SERVICE", "es")
    if service not in OPENSEARCH_SERVICES:
        raise SettingsError(f"OPENSEARCH_SERVICE is {service!r}: it must be one of {', '.join(OPENSEARCH_SERVICES)}.")
    return service


def _integer(environment: Mapping[str, str], name: str, default: int, minimum: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    value = int(text) if text.isdecimal() else -1
    if value < minimum:
        raise SettingsError(f"{name} is {text!r}: it must be a whole number of at least {minimum}.")
    return value
