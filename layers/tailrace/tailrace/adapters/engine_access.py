"""OpenSearch for a command: one engine by URL, signed as its kind wants it, closed when the command is done.

Invariant: no session outlives the `with` block, and an engine that cannot be used is one UserError that names its URL.
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


@contextmanager
def open_engine(url: str, service: str, region: str | None = None) -> Iterator[OpenSearchEngine]:
    """The engine at `url`; `service` is `es`, `aoss` or `none` (no signature).

    Raises UserError for what is no URL, for an engine that does not answer, and for one that refuses the identity.
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"  # never user:password@
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("the URL of OpenSearch must begin with http:// or https:// and name a host")
    with requests.Session() as session:
        try:
            yield OpenSearchEngine(url, auth=build_auth(service, region), session=session)
        except EngineError as error:
            if error.status == 503 and error.error_type is None:
                raise UserError(f"OpenSearch at {shown} does not answer; is it up, and is the URL right?") from error
            if error.status in (401, 403):
                raise UserError(f"OpenSearch at {shown} refuses this identity (status {error.status})") from error
            raise
