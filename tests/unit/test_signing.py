"""What is signed is what is sent, and the verifier that says so refuses everything else (failures 59, 60, 62)."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from botocore.credentials import CredentialProvider, Credentials, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from requests.auth import AuthBase
from scripted_server import CLOSE, ScriptedServer, answer
from sigv4_verifier import REGION, Gate

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.signing import SigV4, build_auth
from tailrace.errors import UserError
from tailrace.failures import EngineError

STATIC = Credentials("AKIDEXAMPLE", "secret-1")
BODY = b'{"index":{"_index":"orders","_id":"o-1"}}\n{"total":1}\n'
each_service = pytest.mark.parametrize("service", ["es", "aoss"])


def ask(gate, auth, path="/_mget?_source_includes=ddb.seq,ddb.event_id", body=BODY, method="POST", **options):
    with requests.Session() as session:
        return OpenSearchEngine(gate.url, auth, session, **options).fetch(method, path, body)


def refusal(gate, auth, **request):
    with pytest.raises(EngineError) as caught:
        ask(gate, auth, **request)
    return caught.value.status, str(caught.value), gate.refusals


def signer(service="es", credentials=STATIC, region=REGION):
    return SigV4(service, region, credentials)


class Meddling(AuthBase):
    """Signs, and then lets somebody change the request on its way."""

    def __init__(self, meddle, service="es"):
        self.sign, self.meddle = signer(service), meddle

    def __call__(self, request):
        return self.meddle(self.sign(request)) or request


# -- what is right passes --------------------------------------------------------------------------------------------


@each_service
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/_bulk?require_alias=true&filter_path=errors,items.*.status,items.*.error.type", BODY),
        ("POST", "/_mget?_source_includes=ddb.seq,ddb.event_id", BODY),
        ("GET", "/_alias/orders*", None),
        ("GET", "/a?filter_path=*.aliases,*.mappings.properties&flat&empty=&z=%40&a=1 2&b=x+y&c=%C3%A9", None),
        ("HEAD", "/_alias/orders%40next", None),
        ("HEAD", "/_alias/50%25%2B%26%23%3F%2F", None),
        ("HEAD", "/_alias/gr%C3%B6%C3%9Fe%20a%3D3db%7C%5C", None),
        ("PUT", "/orders%40000001", b'{"mappings":{}}'),
        ("POST", "/a%40000001%2Cb%40000001/_search/point_in_time?keep_alive=10m", None),
        ("DELETE", "/_search/point_in_time", b'{"pit_id":["x"]}'),
        ("POST", "/orders/_search/", b""),
    ],
)
def test_failure_59_every_kind_of_request_is_signed_as_it_is_sent(service, method, path, body):
    with Gate(service) as gate:
        ask(gate, signer(service), path, body, method)

    assert (len(gate.lines), gate.refusals) == (1, [])


@each_service
def test_failure_59_the_signature_is_of_the_compressed_bytes(service):
    with Gate(service) as gate:
        ask(gate, signer(service), body=BODY * 200, is_gzipped=True)

    assert gate.bodies[0][:2] == b"\x1f\x8b"


@each_service
def test_failure_59_what_is_sent_again_is_signed_again(service):
    with Gate(service) as gate, requests.Session() as session:
        engine = OpenSearchEngine(gate.url, signer(service), session)
        engine.fetch("POST", "/_mget", BODY)
        gate.drops = 1
        engine.fetch("POST", "/_mget", BODY)

    assert (len(gate.lines), gate.refusals) == (3, [])


def test_failure_59_a_repetition_is_dated_anew():
    dates = []

    def sign(request):
        dates.append(request.headers.get("x-amz-date"))
        return signer()(request)

    with ScriptedServer([answer(b"{}"), [CLOSE]]) as server, requests.Session() as session:
        engine = OpenSearchEngine(server.url, sign, session)
        engine.fetch("GET", "/", None)
        engine.fetch("GET", "/", None)

    assert dates == [None, None, None]
    assert all("x-amz-date" in request.headers for request in server.requests)


@each_service
def test_a_session_token_is_sent_and_signed(service):
    with Gate(service, secrets={"ASIA1": ("s", "token-1")}) as gate:
        ask(gate, signer(service, Credentials("ASIA1", "s", "token-1")))

    assert gate.refusals == []


def test_failure_60_a_collection_hears_the_hash_of_the_body():
    with Gate("aoss") as gate:
        ask(gate, signer("aoss"))

    assert gate.refusals == []


# -- what is wrong does not: this proves the verifier ------------------------------------------------------------------


def change_body(request):
    request.body = request.body[:-2] + b"2\n"


def change_query(request):
    request.url += "&pretty=true"


def change_path(request):
    request.url = request.url.replace("_mget", "_mget2")


def change_method(request):
    request.method = "PUT"


def change_type(request):
    request.headers["Content-Type"] = "text/plain"


def change_hash_and_body(request):
    import hashlib

    change_body(request)
    request.headers["x-amz-content-sha256"] = hashlib.sha256(request.body).hexdigest()


def change_token(request):
    request.headers["x-amz-security-token"] = "another"


def change_date(request):
    minutes_ago = datetime.now(UTC) - timedelta(minutes=1)
    request.headers["x-amz-date"] = minutes_ago.strftime("%Y%m%dT%H%M%SZ")


@each_service
@pytest.mark.parametrize(
    "meddle",
    [
        change_body, change_query, change_path, change_method, change_type, change_hash_and_body, change_token,
        change_date,
    ],
)  # fmt: skip
def test_the_verifier_refuses_what_was_changed_after_it_was_signed(service, meddle):
    with Gate(service) as gate:
        status, text, refusals = refusal(gate, Meddling(meddle, service))

    assert (status, text, len(refusals), gate.lines) == (403, "the engine answered 403", 1, [])


def drop_hash(request):
    del request.headers["x-amz-content-sha256"]


def drop_authorization(request):
    del request.headers["Authorization"]


@pytest.mark.parametrize(
    ("auth", "why"),
    [
        (signer("es"), "Credential should be scoped to correct service: 'aoss'."),
        (signer("aoss", region="us-west-2"), "Credential should be scoped to correct service: 'aoss'."),
        (Meddling(drop_hash, "aoss"), "The header x-amz-content-sha256 is required and has to be signed"),
        (Meddling(drop_authorization, "aoss"), "Missing Authentication Token"),
        (signer("aoss", Credentials("AKIDOTHER", "x")), "The security token included in the request is invalid."),
        (signer("aoss", Credentials("AKIDEXAMPLE", "x")), "The request signature we calculated does not match"),
        (None, "Missing Authentication Token"),
    ],
    ids=["service", "region", "no hash", "no signature", "key", "secret", "anonymous"],
)
def test_failure_60_the_verifier_refuses_another_service_and_a_missing_hash(auth, why):
    with Gate("aoss") as gate:
        status, text, refusals = refusal(gate, auth)

    assert (status, text) == (403, "the engine answered 403")
    assert refusals[0].startswith(why)


def test_the_verifier_refuses_an_old_date():
    def sign_an_hour_ago(request):
        from requests_aws4auth import AWS4Auth

        ago = datetime.now(UTC) - timedelta(hours=1)
        request.headers["x-amz-date"] = ago.strftime("%Y%m%dT%H%M%SZ")
        return AWS4Auth(service="es", region=REGION, refreshable_credentials=STATIC)(request)

    with Gate("es") as gate:
        assert refusal(gate, sign_an_hour_ago)[2] == ["Signature expired: it is not within 5 minutes of now"]


# -- credentials -------------------------------------------------------------------------------------------------------


class Rotating(CredentialProvider):
    """Keys `ASIA1`, `ASIA2`, … each of which has run out as soon as it was used."""

    def __init__(self):
        super().__init__()
        self.made = 0

    def make(self):
        self.made += 1
        return {
            "access_key": f"ASIA{self.made}",
            "secret_key": f"secret-{self.made}",
            "token": f"token-{self.made}",
            "expiry_time": (datetime.now(UTC) + timedelta(seconds=1)).isoformat(),
        }


def rotating_secrets(count):
    return {f"ASIA{number}": (f"secret-{number}", f"token-{number}") for number in range(1, count + 1)}


@each_service
def test_failure_62_calls_keep_working_while_credentials_rotate(service):
    rotating = Rotating()
    credentials = RefreshableCredentials.create_from_metadata(rotating.make(), rotating.make, "test")
    with Gate(service, secrets=rotating_secrets(10)) as gate, requests.Session() as session:
        engine = OpenSearchEngine(gate.url, signer(service, credentials), session)
        for _ in range(4):
            engine.fetch("POST", "/_mget", BODY)

    assert gate.keys == ["ASIA2", "ASIA3", "ASIA4", "ASIA5"]
    assert gate.refusals == []


def test_failure_62_expired_credentials_fail_at_once_and_the_next_ones_work():
    credentials = Credentials("ASIA1", "secret-1", "token-1")
    with Gate("es", secrets=rotating_secrets(1)) as gate, requests.Session() as session:
        engine = OpenSearchEngine(gate.url, signer(credentials=credentials), session)
        engine.fetch("POST", "/_mget", BODY)
        gate.secrets = {"ASIA2": ("secret-2", "token-2")}
        with pytest.raises(EngineError, match=r"^the engine answered 403$"):
            engine.fetch("POST", "/_mget", BODY)
        credentials.access_key, credentials.secret_key, credentials.token = "ASIA2", "secret-2", "token-2"
        engine.fetch("POST", "/_mget", BODY)

    assert gate.keys == ["ASIA1", "ASIA2"]
    assert len(gate.refusals) == 1


def test_credentials_that_cannot_be_renewed_are_a_refused_identity_that_names_no_secret():
    class Gone:
        def get_frozen_credentials(self):
            raise CredentialRetrievalError(provider="sso", error_msg="secret-1 has run out")

    with Gate("es") as gate, pytest.raises(EngineError) as caught:
        ask(gate, signer(credentials=Gone()))

    assert (caught.value.status, str(caught.value)) == (403, "no credentials to sign with: CredentialRetrievalError")


def test_without_a_service_nothing_is_signed():
    assert build_auth("none") is None


def test_signing_needs_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    with pytest.raises(UserError, match="signing for es needs AWS credentials and a region"):
        build_auth("es", REGION)


def test_the_credentials_of_the_environment_sign(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-1")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with Gate("aoss") as gate:
        ask(gate, build_auth("aoss", REGION))

    assert gate.keys == ["AKIDEXAMPLE"]
