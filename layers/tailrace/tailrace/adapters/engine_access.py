"""OpenSearch by its URL: the one place that knows what each kind of service wants.

Invariant: a service is signed for, and spoken to, as its kind wants it; of an engine that a command opens no session
outlives the `with` block, and one that cannot be used is one UserError that names its URL without credentials.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.signing import build_auth
from tailrace.errors import UserError
from tailrace.failures import EngineError

SERVICES = ("es", "aoss", "none")


def build_engine(
    url: str,
    service: str,
    region: str | None = None,
    *,
    is_gzipped: bool = False,
    session: requests.Session | None = None,
) -> OpenSearchEngine:
    """The engine at `url`; `service` is `es`, `aoss` or `none` (no signature). Nothing is connected yet.

    Raises UserError without credentials or a region for the signature.
    """
    auth = build_auth(service, region)
    return OpenSearchEngine(url, auth, session, is_serverless=service == "aoss", is_gzipped=is_gzipped)


@contextmanager
def open_engine(url: str, service: str, region: str | None = None) -> Iterator[OpenSearchEngine]:
    """The engine at `url` for a command, closed when the command is done.

    Raises UserError for what is no URL, and for an engine that does not answer, that refuses the identity, or that is
    a collection of the wrong type.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("the URL of OpenSearch must begin with http:// or https:// and name a host")
    with requests.Session() as session:
        engine = build_engine(url, service, region, session=session)
        try:
            yield engine
        except EngineError as error:
            if error.status == 503 and error.error_type is None:
                raise UserError(
                    f"OpenSearch at {engine.url} does not answer; is it up, and is the URL right?"
                ) from error
            if error.error_type == "collection_type":
                raise UserError(f"OpenSearch at {engine.url} cannot be used: {error}") from error
            if error.error_type == "no_credentials":
                raise UserError(f"{error}; sign in again") from error
            if error.status in (401, 403) and error.error_type != "cluster_block_exception":
                raise UserError(f"OpenSearch at {engine.url} refuses this identity (status {error.status})") from error
            raise
