"""A contestant: the most common sample of such a function, one HTTP request for each record.

dynamodb-json reads the image, requests sends it; as in the samples, no session keeps the connection.
"""

import os
from typing import Any

import requests
from dynamodb_json import json_util

URL = os.environ["OPENSEARCH_URL"] + "/orders/_doc/"


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One batch to OpenSearch, record by record. Raises at the first that is refused."""
    for record in event["Records"]:
        change = record["dynamodb"]
        url = URL + "|".join(str(value) for value in json_util.loads(change["Keys"]).values())
        if record["eventName"] == "REMOVE":
            answer = requests.delete(url, timeout=30)
        else:
            answer = requests.put(url, json=json_util.loads(change["NewImage"]), timeout=30)
        answer.raise_for_status()
    return {}
