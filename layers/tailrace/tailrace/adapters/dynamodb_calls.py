"""DynamoDB's own JSON over HTTP, for reading whole tables.

The SDK would parse each page into new objects, one attribute at a time, and make bytes of binaries; orjson reads the
same page twenty times as fast, and planning takes the wire's shape as it is. Endpoint, region and credentials are the
SDK's. Invariant: a call returns DynamoDB's answer or raises; throttling and outages are waited out within bounds.
"""

from collections.abc import Mapping
from typing import Any

import orjson
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from requests.auth import AuthBase

from tailrace.errors import TailraceError
from tailrace.ports import Clock

ATTEMPTS = 10
PATIENT_ATTEMPTS = 80  # some five minutes: of a job that has begun, and shall not end for a busy minute of its table
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 3.05
READ_TIMEOUT_SECONDS = 30.0
UNAVAILABLE = "ServiceUnavailable"
_TARGET = "DynamoDB_20120810."
_PASSING = frozenset(
    {
        "InternalServerError",
        "ItemCollectionSizeLimitExceededException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        UNAVAILABLE,
    }
)


class DynamoDBError(TailraceError):
    """DynamoDB refused a call, or did not answer in time. `kind` is its error type; the text holds no item."""

    def __init__(self, operation: str, kind: str) -> None:
        super().__init__(f"DynamoDB refused {operation}: {kind}")
        self.kind = kind


class DynamoDBCalls:
    """Calls on one endpoint through one session. `credentials` are botocore's, and may rotate."""

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: Any,
        session: requests.Session,
        clock: Clock,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._endpoint = endpoint
        self._sign = _Signature(credentials, region)
        self._session = session
        self._clock = clock
        self._attempts = attempts

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """One operation, such as `BatchGetItem`, repeated while DynamoDB is busy. Raises DynamoDBError."""
        return parse_answer(operation, self.fetch(operation, request))

    def fetch(self, operation: str, request: Mapping[str, Any]) -> bytes:
        """As `call`, the answer not yet parsed: as text a page takes a tenth of the memory. Raises DynamoDBError."""
        body, pause = orjson.dumps(request), FIRST_PAUSE_SECONDS
        for attempt in range(1, self._attempts + 1):
            kind, answer = self._try(operation, body)
            if not kind:
                return answer
            if kind not in _PASSING or attempt == self._attempts:
                raise DynamoDBError(operation, kind)
            self._clock.sleep(pause * (0.5 + self._clock.jitter() / 2))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        raise DynamoDBError(operation, UNAVAILABLE)

    def pause(self, attempt: int) -> None:
        """Wait before asking for what a batch left out, longer with each attempt, counted from 0."""
        longest = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
        self._clock.sleep(longest * (0.5 + self._clock.jitter() / 2))

    def _try(self, operation: str, body: bytes) -> tuple[str, bytes]:
        """The error type, empty where there is none, and the answer."""
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": _TARGET + operation}
        timeout = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        try:
            response = self._session.post(self._endpoint, data=body, headers=headers, auth=self._sign, timeout=timeout)
        except requests.RequestException:
            return UNAVAILABLE, b""
        if response.status_code == 200:
            return "", response.content
        return (UNAVAILABLE if response.status_code >= 500 else _error_type(response.content)), b""


def parse_answer(operation: str, answer: bytes) -> dict[str, Any]:
    """What `fetch` brought. Raises DynamoDBError for what is no JSON."""
    try:
        parsed: dict[str, Any] = orjson.loads(answer)
        return parsed
    except orjson.JSONDecodeError as error:
        raise DynamoDBError(operation, "its answer is no JSON") from error


def _error_type(answer: bytes) -> str:
    try:
        return str(orjson.loads(answer)["__type"]).rpartition("#")[2]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "an unknown error"


class _Signature(AuthBase):
    """SigV4 of the bytes that are sent. Every request asks for the credentials anew, and threads share nothing."""

    def __init__(self, credentials: Any, region: str) -> None:
        self._credentials = credentials
        self._region = region

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        signed = {name: request.headers[name] for name in ("Content-Type", "X-Amz-Target")}
        aws_request = AWSRequest("POST", request.url, data=request.body, headers=signed)
        SigV4Auth(self._credentials.get_frozen_credentials(), "dynamodb", self._region).add_auth(aws_request)
        request.headers.update(dict(aws_request.headers.items()))
        return request
