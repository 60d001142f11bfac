"""The handler's environment, parsed once into one frozen object.

Invariant: nothing is read at import, and a missing or bad variable is named in one sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tailrace.deadletters import DEFAULT_MAX_HOPS
from tailrace.delivery import DEFAULT_MAX_BULK_BYTES
from tailrace.errors import UserError

OPENSEARCH_SERVICES = ("es", "aoss", "none")
LARGEST_REQUEST_BYTES = {  # AWS: a collection takes 10 MiB; of domains the large instance types 100, the small ones 10
    "es": 100 * 1024 * 1024,
    "aoss": 10 * 1024 * 1024,
    "none": 100 * 1024 * 1024,  # OpenSearch's own default: http.max_content_length
}
DEFAULT_TIME_MARGIN_MS = 5_000
DEFAULT_REGION = "us-east-1"
DEFAULT_FENCE_SECONDS = 130  # template.yaml gives every function 120 s; clocks differ


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
    is_gzipped: bool = False


@dataclass(frozen=True, slots=True)
class ReplicatorSettings:
    """What the replicator's environment says. `stream` is a Kinesis stream's name or ARN; times in milliseconds."""

    tables_path: str
    stream: str
    dead_letter_bucket: str
    region: str
    time_margin_ms: int


@dataclass(frozen=True, slots=True)
class ReplayerSettings:
    """What the replayer's environment says: all that the indexer needs, and the failed replay at which a letter is
    parked.
    """

    indexing: Settings
    max_hops: int


@dataclass(frozen=True, slots=True)
class ReindexerSettings:
    """What the reindexer's environment says: all that the indexer needs, and the seconds after which no function is at
    work that began before an announcement.
    """

    indexing: Settings
    fence_seconds: int


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises SettingsError naming the variable and what it must be."""
    service = _service(environment)
    return Settings(
        tables_path=_required(environment, "TAILRACE_TABLES", "the path of tables.json or tables.yaml"),
        opensearch_url=_url(environment),
        opensearch_service=service,
        dead_letter_bucket=_required(environment, "DEAD_LETTER_BUCKET", "the name of an S3 bucket"),
        region=environment.get("AWS_REGION", DEFAULT_REGION),
        max_bulk_bytes=_max_bulk_bytes(environment, service),
        time_margin_ms=_integer(environment, "TAILRACE_TIME_MARGIN_MS", DEFAULT_TIME_MARGIN_MS, 0),
        is_gzipped=_gzip(environment, service),
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


def read_replayer_settings(environment: Mapping[str, str]) -> ReplayerSettings:
    """The replayer's settings of an environment. Raises SettingsError naming the variable and what it must be."""
    max_hops = _integer(environment, "TAILRACE_MAX_HOPS", DEFAULT_MAX_HOPS, 1)
    return ReplayerSettings(read_settings(environment), max_hops)


def read_reindexer_settings(environment: Mapping[str, str]) -> ReindexerSettings:
    """The reindexer's settings of an environment. Raises SettingsError naming the variable and what it must be."""
    fence = _integer(environment, "TAILRACE_FENCE_SECONDS", DEFAULT_FENCE_SECONDS, 0)
    return ReindexerSettings(read_settings(environment), fence)


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


def _max_bulk_bytes(environment: Mapping[str, str], service: str) -> int:
    value = _integer(environment, "TAILRACE_MAX_BULK_BYTES", DEFAULT_MAX_BULK_BYTES, 1_024)
    if value > LARGEST_REQUEST_BYTES[service]:
        raise SettingsError(
            f"TAILRACE_MAX_BULK_BYTES is {value}: "
            f"with OPENSEARCH_SERVICE={service} it must be at most {LARGEST_REQUEST_BYTES[service]}."
        )
    return value


def _gzip(environment: Mapping[str, str], service: str) -> bool:
    value = environment.get("TAILRACE_GZIP", "") or "off"
    if value not in ("on", "off"):
        raise SettingsError(f"TAILRACE_GZIP is {value!r}: it must be on or off.")
    if value == "on" and service == "aoss":
        raise SettingsError("TAILRACE_GZIP is on: with OPENSEARCH_SERVICE=aoss it must be off.")
    return value == "on"


def _integer(environment: Mapping[str, str], name: str, default: int, minimum: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    value = int(text) if text.isdecimal() else -1
    if value < minimum:
        raise SettingsError(f"{name} is {text!r}: it must be a whole number of at least {minimum}.")
    return value
