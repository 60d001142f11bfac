"""Where `tailrace reindex` reads from, how fast, and what that costs, as its options say.

Invariant: a source that cannot be used is one sentence before anything is made.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tailrace.errors import UserError

if TYPE_CHECKING:
    from tailrace.adapters.throttles import RateThrottle
    from tailrace.ports import Clock
    from tailrace.sources import Source

BYTES_PER_READ_UNIT = 4_096  # DynamoDB: one unit is a consistent read of up to 4 KB
BYTES_PER_GB = 1024**3
ITEMS_PER_SECOND = 4_000  # a cautious guess: see docs/operations.md
_read_rate = re.compile(r"([1-9][0-9]{0,8})|(100|[1-9][0-9]?)%").fullmatch


def parse_rate(text: str | None) -> tuple[float, bool]:
    """A number a second, 0 for no limit; or the share of the read capacity, and True. Raises UserError."""
    if text is None:
        return 0.0, False
    if (found := _read_rate(text)) is None:
        raise UserError(f"--rate is {text}: it must be items a second, such as 500, or a share, such as 25%")
    return (float(found[1]), False) if found[1] else (float(found[2]) / 100, True)


def throttle_of(text: str | None, source: str, client: Any, table: str, clock: "Clock") -> "RateThrottle | None":
    """What keeps a load, and its verification, below `--rate`. `client` is boto3's for DynamoDB. Raises UserError."""
    from tailrace.adapters.throttles import RateThrottle

    if text is None:
        return None
    number, is_share = parse_rate(text)
    if not is_share:
        return RateThrottle(number, clock)
    if source != "scan":
        raise UserError("--rate is a share of read capacity, and exports take none: give items a second")
    return RateThrottle(number * _provisioned_units(client, table), clock, counts_units=True)


def _provisioned_units(client: Any, table: str) -> int:
    units: int = _describe(client, table).get("ProvisionedThroughput", {}).get("ReadCapacityUnits", 0)
    if not units:
        raise UserError(f"--rate is a share, but table {table} has no provisioned read capacity: give items a second")
    return units


def refuse_wrong_exports(options: Mapping[str, Any]) -> None:
    """Raises UserError for exports that are none, or that the source could not begin with."""
    from tailrace.adapters.export_slices import split_uri

    for uri in options["exports"]:
        split_uri(uri)
    if options["exports"] and options["source"] != "incremental":
        raise UserError(
            "--export names what was exported before this reindex: take --from incremental, which loads what changed "
            "since, too"
        )


def refuse_unusable_source(source: "Source", client: Any, table: str, exports: Sequence[str]) -> None:
    """Raises UserError for a table that cannot be exported, and for exports that cannot be loaded."""
    from tailrace.adapters.export_slices import ExportSource
    from tailrace.exports import ExportError

    if not isinstance(source, ExportSource):
        return
    if _is_recoverable(client, table) is False:
        raise UserError(f"table {table} has no point-in-time recovery, which exports need: turn it on, or take a scan")
    try:
        if exports:
            source.examine(exports)
    except ExportError as error:
        raise UserError(f"{error}: check --export") from error


def _is_recoverable(client: Any, table: str) -> bool | None:
    """None when nobody may know: then DynamoDB says it itself."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        told = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    except (BotoCoreError, ClientError):
        return None
    return bool(told.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED")


def estimate_costs(client: Any, table: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a reindex takes, by DynamoDB's own counts: items, bytes, read capacity units to load and to verify, GB to
    export, and seconds. Raises UserError.
    """
    told = _describe(client, table)
    items, size, is_scan = told.get("ItemCount", 0), told.get("TableSizeBytes", 0), options["source"] == "scan"
    units = -(-size // BYTES_PER_READ_UNIT)
    number, is_share = parse_rate(options["rate"])
    pace = number * _provisioned_units(client, table) if is_share else number or ITEMS_PER_SECOND
    costs = {"items": items, "bytes": size, "read_units": units if is_scan else 0, "read_units_to_verify": units}
    costs |= {} if is_scan or options["exports"] else {"export_gb": round(size / BYTES_PER_GB, 3)}
    return costs | {"seconds": round(options["fence"] + 2 * (units if is_share else items) / pace)}


def _describe(client: Any, table: str) -> Mapping[str, Any]:
    from tailrace.adapters.table_descriptions import describe_table

    if (told := describe_table(client, table)) is None:
        raise UserError(f"DynamoDB has no table {table}: check the name, AWS_REGION and AWS_ENDPOINT_URL")
    return told


def connect(service: str, region: str | None) -> Any:
    """A boto3 client of the environment at hand. Raises UserError where there can be none."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})
    try:
        return boto3.client(service, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise UserError(f"AWS cannot be asked for {service}: {error}") from error
