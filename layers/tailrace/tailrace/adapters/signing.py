"""SigV4 for OpenSearch, by the caller's own credentials.

Invariant: the credentials are asked for at each signature, so that rotated ones keep working, and no two threads share
what a signature is computed with. requests-aws4auth signs the bytes that are sent, and sends their SHA-256 along
(`x-amz-content-sha256`, which `aoss` demands).
"""

from typing import Any

import requests
from requests.auth import AuthBase

from tailrace.errors import UserError
from tailrace.failures import EngineError


def build_auth(service: str, region: str | None = None) -> AuthBase | None:
    """What signs requests for `es` or `aoss` with the credentials of the environment; None for `none`.

    Loads the SDK only when there is something to sign. Raises UserError without credentials or a region.
    """
    if service == "none":
        return None
    import boto3

    session = boto3.Session(region_name=region)
    credentials = session.get_credentials()
    if credentials is None or session.region_name is None:
        raise UserError(
            f"signing for {service} needs AWS credentials and a region; for none, set OPENSEARCH_SERVICE=none"
        )
    return SigV4(service, session.region_name, credentials)


class SigV4(AuthBase):
    """Signs for one service in one region. `credentials` are botocore's, and may rotate."""

    def __init__(self, service: str, region: str, credentials: Any) -> None:
        self._service = service
        self._region = region
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a complete request. Raises EngineError 403 when the credentials have run out and no new ones come."""
        from botocore.exceptions import BotoCoreError
        from requests_aws4auth import AWS4Auth

        try:
            # One for each signature: AWS4Auth keeps credentials and key in itself while it signs.
            sign = AWS4Auth(service=self._service, region=self._region, refreshable_credentials=self._credentials)
            signed: requests.PreparedRequest = sign(request)
        except BotoCoreError as error:
            raise EngineError(403, f"no credentials to sign with: {type(error).__name__}", "no_credentials") from error
        return signed
