"""A gate before an engine that checks each signature as AWS does, with botocore's own signer, not the project's.

It recomputes the signature over the bytes, the path and the headers that arrived, and passes on what is right. Nothing
of what the client meant is known here. A query counts as received and, AWS's way, decoded and encoded again: both have
to agree, so that no reading of the rule is left to chance.
"""

import hashlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

LONGEST_SKEW = timedelta(minutes=5)
REGION = "eu-central-1"
NOT_PASSED_ON = {"host", "connection", "transfer-encoding", "authorization", "x-amz-security-token"}
PASSED_BACK = {"content-type", "content-encoding"}


class RefusedError(Exception):
    """Why a request is refused, in AWS's words or near them."""

    def __init__(self, text, status=403, kind="message"):
        super().__init__(text)
        self.status = status
        self.body = json.dumps({kind: text}).encode()


@dataclass
class Gate:
    """One endpoint of `service` on loopback, before `upstream`; without one, whatever is right is answered `{}`.

    `secrets` maps access keys to (secret, session token or None). `lines`, `bodies`, `dates` and `keys` tell what was
    let through, `refusals` what was not. The next `drops` writes are passed on and lose answer and connection.
    """

    service: str
    upstream: str | None = None
    secrets: dict = field(default_factory=lambda: {"AKIDEXAMPLE": ("secret-1", None)})
    drops: int = 0
    lines: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    dates: list = field(default_factory=list)
    keys: list = field(default_factory=list)
    refusals: list = field(default_factory=list)

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *arguments: _Handler(self, *arguments))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def judge(self, method, path, headers, body):
        """Raises RefusedError for what AWS would refuse."""
        key, scope, signed_headers, signature = _parse_authorization(headers.get("authorization", ""))
        secret, token = self._secret_of(key, headers)
        date = headers.get("x-amz-date", "")
        _refuse_skew(date)
        if scope != f"{date[:8]}/{REGION}/{self.service}/aws4_request":
            raise RefusedError(f"Credential should be scoped to correct service: '{self.service}'.")
        told = headers.get("x-amz-content-sha256")
        if self.service == "aoss" and (told is None or "x-amz-content-sha256" not in signed_headers):
            raise RefusedError("The header x-amz-content-sha256 is required and has to be signed")
        if told is not None and told != hashlib.sha256(body).hexdigest():
            raise RefusedError("The provided x-amz-content-sha256 header does not match what was computed")
        credentials = Credentials(key, secret, token)
        for is_decoded in (False, True):
            request = _rebuild(method, path, headers, signed_headers, body, is_decoded)
            if _sign(request, credentials, self.service, date) != signature:
                raise RefusedError("The request signature we calculated does not match the signature you provided.")

    def _secret_of(self, key, headers):
        if key not in self.secrets:
            raise RefusedError("The security token included in the request is invalid.")
        secret, token = self.secrets[key]
        if headers.get("x-amz-security-token") != token:
            raise RefusedError("The security token included in the request is expired")
        return secret, token

    def refuse(self, method, path, headers, body):
        """What a kind of service refuses although it is signed well; raises RefusedError."""


def _parse_authorization(text):
    algorithm, _, rest = text.partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        raise RefusedError("Missing Authentication Token")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key, _, scope = parts["Credential"].partition("/")
    signed_headers = parts["SignedHeaders"].split(";")
    if "host" not in signed_headers or "x-amz-date" not in signed_headers:
        raise RefusedError("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    return key, scope, signed_headers, parts["Signature"]


def _refuse_skew(date):
    try:
        signed = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise RefusedError("Date must be in ISO-8601 'basic format'.") from None
    if abs(datetime.now(UTC) - signed) > LONGEST_SKEW:
        raise RefusedError("Signature expired: it is not within 5 minutes of now")


def _rebuild(method, path, headers, signed_headers, body, is_decoded):
    """The request as botocore has it, with the headers that were signed and no others."""
    url = f"http://{headers['host']}{path}"
    kept = {name: headers[name] for name in signed_headers if name != "host" and name in headers}
    if is_decoded and "?" in path:
        bare, _, query = url.partition("?")
        pairs = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
        return AWSRequest(method, bare, data=body, headers=kept, params=pairs)
    return AWSRequest(method, url, data=body, headers=kept)


def _sign(request, credentials, service, date):
    signer = SigV4Auth(credentials, service, REGION)
    request.context["timestamp"] = date
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return signer.signature(text, request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, gate, *arguments):
        self.gate = gate
        self.upstream = None
        super().__init__(*arguments)

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def finish(self):
        super().finish()
        if self.upstream is not None:
            self.upstream.close()

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.gate.judge(self.command, self.path, headers, body)
            self.gate.refuse(self.command, self.path, headers, body)
        except RefusedError as refusal:
            self.gate.refusals.append(str(refusal))
            self._answer(refusal.status, refusal.body, {"content-type": "application/json"})
            return
        self._remember(headers, body)
        status, content, told = self._pass_on(headers, body)
        if self.gate.drops and self.command == "POST":
            self.gate.drops -= 1
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        self._answer(status, content, told)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815

    def _remember(self, headers, body):
        self.gate.lines.append(f"{self.command} {self.path}")
        self.gate.bodies.append(body)
        self.gate.dates.append(headers["x-amz-date"])
        self.gate.keys.append(headers["authorization"].partition("Credential=")[2].partition("/")[0])

    def _pass_on(self, headers, body):
        if self.gate.upstream is None:
            return 200, b"{}", {}
        if self.upstream is None:
            parts = urlsplit(self.gate.upstream)
            self.upstream = HTTPConnection(parts.hostname, parts.port, timeout=60)
        kept = {name: value for name, value in headers.items() if name not in NOT_PASSED_ON}
        self.upstream.request(self.command, self.path, body or None, kept)
        response = self.upstream.getresponse()
        told = {name: value for name, value in response.getheaders() if name.lower() in PASSED_BACK}
        return response.status, response.read(), told

    def _answer(self, status, content, told):
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        """Be quiet."""
