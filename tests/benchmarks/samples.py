"""The typical record of the benchmarks: an 11-attribute, 420-byte item, inserted a thousand times under other keys.

Invariant: every contestant gets the same records.
"""

from typing import Any

BATCH = 1_000
SECOND = 1_763_726_400
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T12:51:11.612"


def item(number: int) -> dict[str, Any]:
    """One order in DynamoDB's JSON."""
    return {
        "customer_id": {"S": f"C-{number % 977:05d}"},
        "order_id": {"S": f"2026-{number:08d}"},
        "status": {"S": ("PAID", "NEW", "SHIPPED")[number % 3]},
        "total": {"N": f"{number % 9973}.{number % 89 + 10}"},
        "quantity": {"N": str(number % 7 + 1)},
        "created_at": {"N": str(SECOND - number)},
        "paid": {"BOOL": number % 2 == 0},
        "tags": {"SS": ["gift", "express"]},
        "address": {"M": {"city": {"S": "Oslo"}, "zip": {"S": "0150"}, "floor": {"N": "3"}}},
        "note": {"S": "leave at the door, please, and ring twice; the dog is friendly"},
        "coupon": {"NULL": True},
    }


def record(number: int) -> dict[str, Any]:
    """The stream record of an order's insertion, as Lambda delivers it."""
    image = item(number)
    keys = {name: image[name] for name in ("customer_id", "order_id")}
    change = {
        "ApproximateCreationDateTime": SECOND,
        "Keys": keys,
        "NewImage": image,
        "SequenceNumber": str(111_000_000_000_000_000_000_000 + number),
        "SizeBytes": 420,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": change,
        "eventSourceARN": ARN,
    }


def removal(number: int) -> dict[str, Any]:
    """The stream record of an order's removal, a second after its insertion."""
    inserted = record(number)
    change = {name: value for name, value in inserted["dynamodb"].items() if name != "NewImage"}
    change |= {"OldImage": inserted["dynamodb"]["NewImage"], "ApproximateCreationDateTime": SECOND + 1}
    change["SequenceNumber"] = str(222_000_000_000_000_000_000_000 + number)
    return inserted | {"eventName": "REMOVE", "dynamodb": change}


def event(first: int = 0, count: int = BATCH) -> dict[str, Any]:
    """One batch of records."""
    return {"Records": [record(number) for number in range(first, first + count)]}


TABLES = {"tables": {"orders": {"key": ["customer_id", "order_id"], "source": "streams"}}}
