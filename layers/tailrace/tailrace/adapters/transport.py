"""One HTTP endpoint of OpenSearch: what is sent, how it is signed, and how long it may take.

A request is built by hand, not by `Session.request`: its URL is encoded the way SigV4 canonicalises it, so that what
is signed is what is sent however the server reads it; redirects are not followed, and ~/.netrc is not looked for.
Invariant: every call ends in its time, with an answer or with an EngineError whose text holds no URL, no signature and
nothing of an item.
"""

import time
import zlib
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.structures import CaseInsensitiveDict
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from tailrace.adapters.connections import DeadlineAdapter, is_stale
from tailrace.failures import EngineError

MIN_GZIP_BYTES = 4_096  # below it a body fits a few packets as it is
GZIP_LEVEL = 1  # level 6 takes more than twice the time and saves 15 % more: docs/decisions/0020
_GZIP_FORMAT = 31  # zlib: the largest window, in gzip's own wrapping
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Answer(NamedTuple):
    """What came back: the HTTP status, and the body as it was before it was compressed."""

    status: int
    content: bytes


class Transport:
    """One endpoint through one kept-alive session, usable by several threads.

    `url` may carry `user:password@`, which are sent as basic authentication where there is no `auth`. `is_gzipped`
    compresses bodies, and asks for compressed answers.
    """

    def __init__(
        self,
        url: str,
        auth: AuthBase | None = None,
        session: requests.Session | None = None,
        is_gzipped: bool = False,
    ) -> None:
        parts = urlsplit(url.rstrip("/"))
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._auth = auth or _basic_auth(parts.username, parts.password)
        self._headers = {"User-Agent": "tailrace"} | ({"Accept-Encoding": "gzip"} if is_gzipped else {})
        self._is_gzipped = is_gzipped
        session = session or requests.Session()
        if parts.hostname in _LOOPBACK:
            session.trust_env = False  # a proxy of the environment cannot reach this machine's loopback
        self._adapter = _mount_adapter(session, self.url)
        # Read once: requests would look through the environment for a proxy on every call.
        found = session.merge_environment_settings(self.url, {}, None, None, None)
        self._options = {name: found[name] for name in ("proxies", "verify", "cert")}

    def send(self, method: str, path: str, body: bytes | None, content_type: str, timeout: float) -> Answer:
        """The answer to one request, whatever its status. `path` names are encoded already, its query need not be.

        Where the server has closed a kept connection meanwhile, the request is signed anew and sent once more on a
        new one: all writes are conditional, so a repetition changes nothing. Raises EngineError 503 when no complete
        answer comes within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = content_type
            if self._is_gzipped and len(body) >= MIN_GZIP_BYTES:
                body = zlib.compress(body, GZIP_LEVEL, _GZIP_FORMAT)
                headers["Content-Encoding"] = "gzip"
            headers["Content-Length"] = str(len(body))
        url = self.url + _encode_query(path)
        try:
            return self._exchange(method, url, body, headers, deadline)
        except (requests.RequestException, HTTPError) as error:
            if not is_stale(error):
                raise self._no_answer(error) from error
        try:
            return self._exchange(method, url, body, headers, deadline)
        except (requests.RequestException, HTTPError) as error:
            raise self._no_answer(error) from error

    def forget_connections(self) -> None:
        """Close what is kept alive: after an answer that makes no sense, nobody knows what a connection holds."""
        self._adapter.close()

    def _no_answer(self, error: Exception) -> EngineError:
        self.forget_connections()
        return EngineError(503, f"no answer from the engine: {type(error).__name__}")

    def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], deadline: float
    ) -> Answer:
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, url, body
        request.headers = CaseInsensitiveDict(headers)
        if self._auth is not None:
            self._auth(request)
        left = deadline - time.monotonic()
        if left <= 0:
            raise EngineError(503, "no time is left to ask the engine")
        timeout = Timeout(connect=left, read=left, total=left)
        response = self._adapter.send(request, stream=True, timeout=timeout, **self._options)  # type: ignore[arg-type]
        return Answer(response.status_code, response.raw.read(decode_content=True))


def _mount_adapter(session: requests.Session, url: str) -> DeadlineAdapter:
    """The session's own adapter for this endpoint, closed when the session is."""
    adapter = session.get_adapter(url)
    if not isinstance(adapter, DeadlineAdapter):
        adapter = DeadlineAdapter()
        session.mount(url, adapter)
    return adapter


def _basic_auth(user: str | None, password: str | None) -> AuthBase | None:
    return HTTPBasicAuth(unquote(user), unquote(password or "")) if user else None


def _encode_query(path: str) -> str:
    """Every name and value percent-encoded but for letters, digits and `-_.~`, in order: SigV4's canonical query."""
    head, _, query = path.partition("?")
    if not query:
        return path
    pairs = (parameter.partition("=") for parameter in query.split("&"))
    encoded = sorted((quote(unquote(name), safe=""), quote(unquote(value), safe="")) for name, _, value in pairs)
    return head + "?" + "&".join(f"{name}={value}" for name, value in encoded)
