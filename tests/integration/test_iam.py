"""Least privilege in AWS: each function runs as its own role, on an emulator that checks signatures and policies.

The role has the policies of template.yaml. What it does is read from the emulator's own trail: all of it was allowed,
nothing beyond is, and no right is without its use. One thing the emulator (1.5.33) cannot tell: of which stream a call
is that reads a stream, and of which table one that asks for an export. There it sees `*`, so it is told to allow these
calls on `*`, and the judge of `policies.py` takes its place.
"""

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace

import boto3
import orjson
import pytest
import requests
import yaml
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from http_trail import trail
from policies import DOMAIN, ROOT, read_roles, roles_of_functions

from tailrace.tables import compile_tables, load_tables
from tailrace_local.aws_json import JsonApi, Place
from tailrace_local.cloud_mappings import MappingBuilder
from tailrace_local.deliveries import Discard, Failed, StreamRecord
from tailrace_local.emulator import Emulator
from tailrace_local.function_environments import Surroundings, build_spec
from tailrace_local.functions import LambdaFunction
from tailrace_local.laptop_tables import create_tables, stream_parameters, table_requests, table_streams
from tailrace_local.on_failure import OnFailureDestination, Origin
from tailrace_local.template import read_template

pytestmark = pytest.mark.slow

REGION = "us-east-1"
OWNER = Credentials("test", "test")
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*", "Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
REPLICATING = {"ArnOfChangeStream": "create", "ReplicateToChangeStream": "true"}
WITHOUT_RESOURCE = {
    "dynamodb:DescribeExport",
    "dynamodb:DescribeStream",
    "dynamodb:ExportTableToPointInTime",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "kinesis:GetRecords",
}
BUCKET = "tailrace-deadletterbucket"


def client_of(url, credentials, service):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={})
    session = boto3.Session(credentials.access_key, credentials.secret_key, credentials.token, region_name=REGION)
    return session.client(service, endpoint_url=url, config=config)


@dataclass(frozen=True)
class Stack:
    """The template's functions, each with the credentials of its own role."""

    url: str
    template: object
    roles: dict
    credentials: dict
    functions: dict
    engine: object
    reads: dict  # of streams, by role: actions and the streams' ARNs
    writes: dict  # to OpenSearch, by role: methods and paths
    trail: dict  # of the emulator, by role: actions and resources
    prefix: str  # of the indices

    def client(self, service, role=None):
        """A client in a role, or of the account's owner."""
        return client_of(self.url, self.credentials[role] if role else OWNER, service)

    def invoke(self, function, event):
        """What a function makes of an event, or of an event's file; it must not fail."""
        known = orjson.loads((ROOT / "events" / event).read_bytes()) if isinstance(event, str) else event
        with self.noted(roles_of_functions()[function]):
            result = self.functions[function].invoke(known)
        assert result.function_error is None, result.payload
        return result

    def follow(self, name):
        """Let an event source mapping deliver all there is, with the rights of its function's role, as Lambda does."""
        mapping = next(each for each in self.template.mappings if each.name == name)
        role = roles_of_functions()[mapping.function]
        place = Place(self.url, REGION, self.credentials[role])
        running = MappingBuilder(place, self.client("s3", role), self.functions).event_source(mapping)
        with watched(self.reads.setdefault(role, set())), self.noted(role):
            running.start()
            try:
                running.drain(30)
                return running.status().counters
            finally:
                running.stop(5)
                running.join()

    @contextmanager
    def noted(self, role):
        """Keeps what reaches OpenSearch and the emulator meanwhile."""
        before = len(self.engine.calls)
        yield
        self.writes.setdefault(role, set()).update(self.engine.calls[before:])
        self.calls(role)

    def park(self, role, event):
        """Keep a batch out of retries, with the rights of the function's role, as Lambda does."""
        (record,) = event["Records"]
        stream = self.template.parameters["AirlinesStreamArn"]
        waiting = StreamRecord(record["dynamodb"]["SequenceNumber"], b"UA", 1_763_726_400.0, orjson.dumps(record))
        origin = Origin("0d1", "arn:aws:lambda:us-east-1:000000000000:function:x", stream, "shardId-0")
        discard = Discard(0, (waiting,), "RetryAttemptsExhausted", 101, Failed())
        OnFailureDestination(self.client("s3", role), BUCKET, origin).send(discard, 1_763_726_400.0)

    def calls(self, role):
        """What the emulator let a role do: actions by the names that policies use, and the resources' ARNs."""
        # It shows the last 50 events and no more, so they are kept whenever something was done.
        own = {"AttributeKey": "AccessKeyId", "AttributeValue": self.credentials[role].access_key}
        events = self.client("cloudtrail").lookup_events(LookupAttributes=[own])["Events"]
        self.trail.setdefault(role, set()).update(map(requested, events))
        return self.trail[role]


@contextmanager
def watched(reads):
    """Keeps the action and the stream of every call that reads a stream."""
    call, iterators = JsonApi.call, {}

    def noting(self, operation, request):
        stream = request.get("StreamArn") or request.get("StreamARN") or iterators[request["ShardIterator"]]
        answer = call(self, operation, request)
        iterators.update({answer.get(name): stream for name in ("ShardIterator", "NextShardIterator")})
        reads.add((f"{'kinesis' if ':kinesis:' in stream else 'dynamodb'}:{operation}", stream))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JsonApi, "call", noting)
        yield


# The trail has the names of calls; policies name some of them otherwise.
ACTIONS = {
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:POST.s3": "s3:DeleteObject",  # many at once; the emulator judges each key, and the trail names the bucket alone
}


def requested(event):
    """The action and the resource of an event of the trail; of what reads streams it tells no resource."""
    service = event["EventSource"].removesuffix(".amazonaws.com").replace("dynamodbstreams", "dynamodb")
    name = f"{service}:{event['EventName']}"
    resources = {each["ResourceType"]: each["ResourceName"] for each in event["Resources"]}
    return ACTIONS.get(name, name), tuple(sorted(resources.items()))


@pytest.fixture(scope="module")
def stack(engine_url, tmp_path_factory):
    root = tmp_path_factory.mktemp("iam")
    document = yaml.safe_load((ROOT / "tables.yaml").read_text(encoding="utf-8"))
    document["defaults"]["index_prefix"] = prefix = f"iam{os.getpid()}-"
    (root / "tables.json").write_bytes(orjson.dumps(compile_tables(document)))
    with Emulator(authorises=True) as emulator, trail(engine_url) as engine:
        owner = {name: client_of(emulator.url, OWNER, name) for name in ("dynamodb", "s3", "kinesis", "iam", "sts")}
        template = build_stack(owner, load_tables(document), engine.url)
        roles = read_roles(template.parameters)
        credentials = {name: assume(owner, role) for name, role in roles.items()}
        functions = dict(start_functions(template, credentials, emulator.url, root))
        try:
            yield Stack(emulator.url, template, roles, credentials, functions, engine, {}, {}, {}, prefix)
        finally:
            for function in functions.values():
                function.close()
            for row in requests.get(f"{engine_url}/_cat/indices/{prefix}*?format=json", timeout=10).json():
                requests.delete(f"{engine_url}/{row['index']}", timeout=10)


def build_stack(owner, tables, engine_url):
    """Tables, buckets and streams as a deployment finds or makes them; the template with their names."""
    create_tables(owner["dynamodb"], table_requests(tables))
    streams = stream_parameters(table_streams(owner["dynamodb"]))
    known = {**streams, **REPLICATING, "OpenSearchUrl": engine_url, "OpenSearchService": "none"}
    template = read_template(ROOT / "template.yaml", known)
    for bucket in template.buckets.values():
        owner["s3"].create_bucket(Bucket=bucket)
    owner["s3"].create_bucket(Bucket="somebody-elses")
    for stream in template.streams.values():
        owner["kinesis"].create_stream(StreamName=stream.name, ShardCount=1)
    return template


def assume(owner, role):
    """A role with the policies of the template, and a session in it."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    arn = owner["iam"].create_role(RoleName=role.name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    blind = {action for statement in role.statements for action in statement.actions} & WITHOUT_RESOURCE
    seen = {"Statement": [{"Effect": "Allow", "Action": sorted(blind), "Resource": "*"}]} if blind else None
    documents = {**role.documents, **({"blind": {"Version": "2012-10-17", **seen}} if seen else {})}
    for name, policy in documents.items():
        owner["iam"].put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=json.dumps(policy))
    given = owner["sts"].assume_role(RoleArn=arn, RoleSessionName=role.name)["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def start_functions(template, credentials, url, root):
    for name, function in template.functions.items():
        session = credentials[roles_of_functions()[name]]
        own = {
            "AWS_ACCESS_KEY_ID": session.access_key,
            "AWS_SECRET_ACCESS_KEY": session.secret_key,
            "AWS_SESSION_TOKEN": session.token,
            "TAILRACE_TABLES": str(root / "tables.json"),
            "TAILRACE_FENCE_SECONDS": "0",
        }
        chosen = replace(function, variables={**function.variables, **own})
        yield name, LambdaFunction(build_spec(chosen, Surroundings(os.environ, url, REGION), root / "logs"))


@pytest.fixture(scope="module")
def run(stack):
    """Each function has done its whole work once: what came of it."""
    table = stack.client("dynamodb")
    table.put_item(TableName="airlines", Item={"carrier": {"S": "UA"}, "name": {"S": "United"}})
    done = {
        "replicated": stack.follow("ReplicatorFunctionAirlines"),
        "by kinesis": stack.follow("ChangeStreamEvents"),
        "by stream": stack.follow("IndexerFunctionAirlines"),
        "poison": stack.invoke("IndexerFunction", "indexer/poison-record.json"),
        "keys only": stack.invoke("IndexerFunction", keys_only("777")),
        "unlike its mapping": stack.invoke("IndexerFunction", unlike_its_mapping()),
        "poison replicated": stack.invoke("ReplicatorFunction", "replicator/poison.json"),
    }
    stack.park("IndexerRole", keys_only("881"))
    table.put_item(TableName="airports", Item=NOWHERE)
    stack.park("ReplicatorRole", nowhere())
    return done | {
        "batches replayed": stack.invoke("ReplayerFunction", "replayer/scheduled.json"),
        "letters replayed": stack.invoke("ReplayerFunction", "replayer/letters.json"),
        "swept": stack.invoke("SweeperFunction", "sweeper/scheduled.json"),
        "reindexed": reindex(stack, "scan"),
        "not reindexed": reindex(stack, "export"),
    }


def reindex(stack, source):
    """The steps of a reindex of airlines, as the state machine takes them: of a scan to the swap; of an export to a
    verification that finds a document missing, and is given up.
    """

    def take(step, **event):
        return orjson.loads(stack.invoke("ReindexerFunction", {"step": step, "table": "airlines"} | event).payload)

    take("begin", job=source, input={"table": "airlines", "source": source, "segments": 1})
    while not (ready := take("prepare"))["is_ready"]:
        time.sleep(1)
    body = stack.client("s3").get_object(Bucket=BUCKET, Key=ready["slices"])["Body"].read()
    for each in orjson.loads(body):
        assert take("load", slice=each["slice"]) == {"is_done": True}
    take("finish_load")
    if source == "scan":
        return [take("verify"), take("swap")]
    [built] = requests.get(f"{stack.engine.upstream}/_alias/{stack.prefix}airlines@next", timeout=10).json()
    found = {"query": {"match_all": {}}}
    requests.post(f"{stack.engine.upstream}/{built}/_delete_by_query?refresh=true", json=found, timeout=10)
    with stack.noted("ReindexerRole"):
        refused = stack.functions["ReindexerFunction"].invoke({"step": "verify", "table": "airlines"})
    return [orjson.loads(refused.payload), take("abort")]


def change(sequence, **overrides):
    (record, *_) = orjson.loads((ROOT / "events/indexer/insert.json").read_bytes())["Records"]
    record["dynamodb"] |= {"SequenceNumber": f"111000000000000000000{sequence}", **overrides}
    return {"Records": [record]}


def keys_only(sequence):
    """A change that tells its key alone: the table has to be read."""
    event = change(sequence, StreamViewType="KEYS_ONLY")
    del event["Records"][0]["dynamodb"]["NewImage"]
    return event


def unlike_its_mapping():
    """A record of weather with words for its temperature: the field goes into quarantine."""
    keys = {"origin": {"S": "EWR"}, "time_hour": {"S": "2013-01-01T06:00:00Z"}}
    event = change("778", Keys=keys, NewImage={**keys, "temp": {"S": "warm"}})
    event["Records"][0]["eventSourceARN"] = "arn:aws:dynamodb:us-east-1:000000000000:table/weather/stream/2026"
    return event


NOWHERE = {"faa": {"S": "JFK"}, "location": {"S": "nowhere"}}


def nowhere():
    """An airport, the first of its index, in a place that is none."""
    event = change("882", Keys={"faa": NOWHERE["faa"]}, NewImage=NOWHERE)
    event["Records"][0]["eventSourceARN"] = "arn:aws:dynamodb:us-east-1:000000000000:table/airports/stream/2026"
    return event


def line(result, message):
    found = [json.loads(each) for each in result.log.splitlines() if each.startswith("{")]
    return next(each for each in found if each.get("message") == message)


def resource(pairs):
    """The ARN of what the trail names."""
    names = dict(pairs)
    if "AWS::DynamoDB::Table" in names:
        return f"arn:aws:dynamodb:us-east-1:000000000000:table/{names['AWS::DynamoDB::Table']}"
    return "/".join(["arn:aws:s3:::" + names.pop("AWS::S3::Bucket"), *names.values()])


def done_by(stack, role):
    """Everything that a role did, as actions."""
    on_engine = {f"es:ESHttp{method.title()}" for method, _ in stack.writes.get(role, ())}
    return {action for action, _ in stack.calls(role)} | on_engine


def test_every_function_does_its_work_in_its_own_role(run):
    mappings = [run[name] for name in ("replicated", "by kinesis", "by stream")]
    assert [(each.delivered, each.failures, each.read_errors) for each in mappings] == [(1, 0, 0)] * 3
    assert [line(run[name], "batch")["dead_lettered"] for name in ("poison", "poison replicated")] == [1, 1]
    assert line(run["keys only"], "batch")["failed"] == 0
    assert line(run["unlike its mapping"], "batch")["quarantined"] == 1
    assert line(run["batches replayed"], "replay")["batches"] == {"settled": 2, "failed": 0}
    letters = line(run["letters replayed"], "replay")["letters"]
    assert (letters["settled"] + letters["again"], letters["failed"]) == (2, 0)
    assert line(run["swept"], "sweep")["is_finished"] is True
    assert run["reindexed"][-1]["phase"] == "swapped"
    assert run["not reindexed"][0]["errorType"] == "DifferencesError"
    assert run["not reindexed"][1]["phase"] == "none"


EXPECTED = {
    "IndexerRole": {
        "dynamodb:DescribeStream",
        "dynamodb:GetItem",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "es:ESHttpGet",
        "es:ESHttpHead",
        "es:ESHttpPost",
        "es:ESHttpPut",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "s3:PutObject",
    },
    "ReplicatorRole": {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "kinesis:PutRecords",
        "s3:PutObject",
    },
    "ReplayerRole": {
        "dynamodb:GetItem",
        "es:ESHttpGet",
        "es:ESHttpHead",
        "es:ESHttpPost",
        "es:ESHttpPut",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    },
    "ReindexerRole": {
        "dynamodb:BatchGetItem",
        "dynamodb:DescribeExport",
        "dynamodb:DescribeTable",
        "dynamodb:ExportTableToPointInTime",
        "dynamodb:Scan",
        "es:ESHttpDelete",
        "es:ESHttpGet",
        "es:ESHttpPost",
        "es:ESHttpPut",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    },
    "SweeperRole": {"es:ESHttpGet", "es:ESHttpPost"},
}
each_role = pytest.mark.parametrize("role", EXPECTED)


def test_every_role_of_the_template_is_proved(stack):
    # The emulator runs state machines with every right; what theirs may do is judged by test_policies.py.
    assert stack.roles.keys() - {"ReindexStateMachineRole"} == EXPECTED.keys()


# What Lambda and DynamoDB do in their own time, or asks to be allowed to do, with the page of its manual that says so.
OF_LAMBDA = {
    "dynamodb:ListStreams": "Using AWS Lambda with Amazon DynamoDB, execution role permissions",
    "kinesis:DescribeStream": "Using AWS Lambda with Amazon Kinesis, execution role permissions",
    "kinesis:DescribeStreamSummary": "Using AWS Lambda with Amazon Kinesis, execution role permissions",
    "logs:CreateLogStream": "Lambda execution role",
    "logs:PutLogEvents": "Lambda execution role",
    "s3:AbortMultipartUpload": "Requesting a table export in DynamoDB: the rights of who asks write it",
    "s3:PutObjectAcl": "Requesting a table export in DynamoDB",
    "s3:ListBucket": "Retaining discarded batch records: an S3 destination needs s3:PutObject and s3:ListBucket",
    "xray:PutTelemetryRecords": "Lambda and X-Ray, execution role permissions",
    "xray:PutTraceSegments": "Lambda and X-Ray, execution role permissions",
}
ON_DOMAIN = {"OpenSearchUrl": "https://search.example", "OpenSearchArn": DOMAIN, "OpenSearchService": "es"}


def deployed(stack, **more):
    """The roles as they would be before a domain of AWS."""
    return read_roles({**stack.template.parameters, **ON_DOMAIN, **more})


def named(stack, role):
    """All that a role did to what has a name: action and ARN."""
    calls = stack.calls(role)
    seen = {(action, resource(pairs)) for action, pairs in calls if pairs and action != "s3:DeleteObject"}
    on_engine = {(f"es:ESHttp{method.title()}", DOMAIN + path) for method, path in stack.writes.get(role, ())}
    return seen | on_engine | stack.reads.get(role, set())


@each_role
def test_a_function_makes_these_calls_and_no_others(stack, run, role):
    assert done_by(stack, role) == EXPECTED[role]


@each_role
def test_everything_that_a_function_did_is_allowed_by_its_role(stack, run, role):
    judge = deployed(stack)[role]

    assert [pair for pair in named(stack, role) if not judge.allows(*pair)] == []
    assert named(stack, role)


@each_role
def test_no_right_is_without_its_use(stack, run, role):
    granted = {action for each in deployed(stack, Tracing="true")[role].statements for action in each.actions}
    granted -= {"es:ESHttpHead"} if role == "ReindexerRole" else set()  # for a type whose index the load has to make

    assert granted - done_by(stack, role) - OF_LAMBDA.keys() == set()


@each_role
def test_no_statement_is_without_its_use(stack, run, role):
    statements = [
        each
        for each in deployed(stack)[role].statements
        if not set(each.actions) <= OF_LAMBDA.keys() and each.sid != "WriteExports"  # the emulator needs no such right
    ]
    by_arn = [(each, any(each.allows(*pair) for pair in named(stack, role))) for each in statements]

    unnamed = {action for action, pairs in stack.calls(role) if not pairs}  # the emulator has judged their resources
    assert [each.sid for each, is_used in by_arn if not is_used and not set(each.actions) <= unnamed] == []


ITEM = {"carrier": {"S": "UA"}}
REFUSED = {
    "dynamodb": [
        ("IndexerRole", lambda table: table.put_item(TableName="airlines", Item=ITEM)),
        ("IndexerRole", lambda table: table.delete_item(TableName="airlines", Key=ITEM)),
        ("IndexerRole", lambda table: table.scan(TableName="airlines")),
        ("IndexerRole", lambda table: table.get_item(TableName="salaries", Key=ITEM)),
        ("IndexerRole", lambda table: table.batch_get_item(RequestItems={"airlines": {"Keys": [ITEM]}})),
        ("ReplayerRole", lambda table: table.put_item(TableName="airlines", Item=ITEM)),
        ("ReplayerRole", lambda table: table.get_item(TableName="salaries", Key=ITEM)),
        ("ReplicatorRole", lambda table: table.get_item(TableName="airlines", Key=ITEM)),
        ("SweeperRole", lambda table: table.get_item(TableName="airlines", Key=ITEM)),
        ("SweeperRole", lambda table: table.delete_table(TableName="airlines")),
        ("ReindexerRole", lambda table: table.put_item(TableName="airlines", Item=ITEM)),
        ("ReindexerRole", lambda table: table.scan(TableName="salaries")),
        ("ReindexerRole", lambda table: table.delete_table(TableName="airlines")),
    ],
    "dynamodbstreams": [
        ("ReplayerRole", lambda streams: streams.list_streams(TableName="airlines")),
        ("SweeperRole", lambda streams: streams.list_streams(TableName="airlines")),
    ],
    "s3": [
        ("IndexerRole", lambda s3: s3.put_object(Bucket=BUCKET, Key="elsewhere/x", Body=b"")),
        ("IndexerRole", lambda s3: s3.put_object(Bucket="somebody-elses", Key="dead-letters/x", Body=b"")),
        ("IndexerRole", lambda s3: s3.get_object(Bucket=BUCKET, Key="dead-letters/x")),
        ("IndexerRole", lambda s3: s3.delete_object(Bucket=BUCKET, Key="dead-letters/x")),
        ("ReplicatorRole", lambda s3: s3.get_object(Bucket=BUCKET, Key="dead-letters/x")),
        ("ReplayerRole", lambda s3: s3.get_object(Bucket=BUCKET, Key="elsewhere/x")),
        ("ReplayerRole", lambda s3: s3.delete_object(Bucket="somebody-elses", Key="dead-letters/x")),
        ("ReplayerRole", lambda s3: s3.list_objects_v2(Bucket="somebody-elses")),
        ("ReplayerRole", lambda s3: s3.put_object(Bucket=BUCKET, Key="aws/lambda/x", Body=b"")),
        ("ReindexerRole", lambda s3: s3.get_object(Bucket=BUCKET, Key="dead-letters/x")),
        ("ReindexerRole", lambda s3: s3.delete_object(Bucket=BUCKET, Key="exports/x")),
        ("ReindexerRole", lambda s3: s3.put_object(Bucket=BUCKET, Key="elsewhere/x", Body=b"")),
        ("SweeperRole", lambda s3: s3.list_objects_v2(Bucket=BUCKET)),
        ("SweeperRole", lambda s3: s3.put_object(Bucket=BUCKET, Key="dead-letters/x", Body=b"")),
    ],
    "kinesis": [
        ("IndexerRole", lambda kinesis: kinesis.put_records(StreamARN=CHANGE_STREAM, Records=ENTRIES)),
        ("ReplicatorRole", lambda kinesis: kinesis.put_record(StreamARN=CHANGE_STREAM, **ENTRIES[0])),
        ("ReplicatorRole", lambda kinesis: kinesis.put_records(StreamARN=OTHER_STREAM, Records=ENTRIES)),
        ("ReplicatorRole", lambda kinesis: kinesis.list_shards(StreamARN=CHANGE_STREAM)),
        ("ReplayerRole", lambda kinesis: kinesis.put_records(StreamARN=CHANGE_STREAM, Records=ENTRIES)),
    ],
    "iam": [(role, lambda iam: iam.list_roles()) for role in EXPECTED],
    "logs": [(role, lambda logs: logs.describe_log_groups()) for role in EXPECTED],
}
CHANGE_STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/tailrace-ChangeStream"
OTHER_STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/payroll"
ENTRIES = [{"Data": b"{}", "PartitionKey": "x"}]
ATTEMPTS = [(service, role, attempt) for service, attempts in REFUSED.items() for role, attempt in attempts]


@pytest.mark.parametrize(("service", "role", "attempt"), ATTEMPTS)
def test_everything_else_is_refused(stack, service, role, attempt):
    with pytest.raises(ClientError) as refusal:
        attempt(stack.client(service, role))

    assert refusal.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


def test_a_wrong_signature_is_refused_even_with_the_right_role(stack):
    right = stack.credentials["IndexerRole"]
    forged = client_of(stack.url, Credentials(right.access_key, "wrong", right.token), "s3")

    with pytest.raises(ClientError) as refusal:
        forged.put_object(Bucket=BUCKET, Key="dead-letters/x", Body=b"")

    assert refusal.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
