"""The judge of policies, and what the roles of the template allow and refuse by it, in every kind of stack."""

import itertools

import pytest
from policies import COLLECTION, DOMAIN, SAMPLE_STREAMS, TABLE, Role, Statement, read_roles, roles_of_functions

ACCOUNT = "us-east-1:000000000000"
BUCKET = "arn:aws:s3:::tailrace-deadletterbucket"
CHANGE_STREAM = f"arn:aws:kinesis:{ACCOUNT}:stream/tailrace-ChangeStream"
KINDS = {
    "domain": {"OpenSearchUrl": "https://search.example", "OpenSearchArn": DOMAIN, "OpenSearchService": "es"},
    "collection": {"OpenSearchUrl": "https://c.example", "OpenSearchArn": COLLECTION, "OpenSearchService": "aoss"},
    "own domain": {},
    "unsigned": {"OpenSearchUrl": "http://127.0.0.1:9200", "OpenSearchService": "none"},
}
REPLICATING = {"ArnOfChangeStream": "create", "ReplicateToChangeStream": "true"}


def roles(kind="domain", **more):
    return read_roles({**SAMPLE_STREAMS, **KINDS[kind], **REPLICATING, **more})


ROLES = roles()
# What nobody of this system has to do, to anything; and what reaches beyond its own tables, buckets and streams.
FORBIDDEN = [
    ("dynamodb:PutItem", f"{TABLE}/airlines"),
    ("dynamodb:UpdateItem", f"{TABLE}/airlines"),
    ("dynamodb:DeleteItem", f"{TABLE}/airlines"),
    ("dynamodb:Query", f"{TABLE}/airlines"),
    ("dynamodb:DeleteTable", f"{TABLE}/airlines"),
    ("dynamodb:GetItem", f"{TABLE}/salaries"),
    ("dynamodb:GetItem", f"{TABLE}/airlines2"),
    ("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:111111111111:table/airlines"),
    ("dynamodb:GetRecords", f"{TABLE}/salaries/stream/2026-11-21T12:51:11.612"),
    ("s3:PutObject", "arn:aws:s3:::somebody-elses/dead-letters/x"),
    ("dynamodb:Scan", f"{TABLE}/salaries"),
    ("dynamodb:ExportTableToPointInTime", f"{TABLE}/salaries"),
    ("s3:PutObject", f"{BUCKET}/elsewhere/x"),
    ("s3:PutObject", "arn:aws:s3:::tailrace-deadletterbucket2/dead-letters/x"),
    ("s3:ListBucket", "arn:aws:s3:::somebody-elses"),
    ("s3:DeleteBucket", BUCKET),
    ("s3:PutBucketPolicy", BUCKET),
    ("s3:PutObjectAcl", f"{BUCKET}/dead-letters/x"),
    ("kinesis:PutRecords", f"arn:aws:kinesis:{ACCOUNT}:stream/payroll"),
    ("kinesis:GetRecords", f"arn:aws:kinesis:{ACCOUNT}:stream/payroll"),
    ("kinesis:DeleteStream", CHANGE_STREAM),
    ("es:ESHttpDelete", "arn:aws:es:us-east-1:000000000000:domain/payroll/orders@000001"),
    ("states:StartExecution", f"arn:aws:states:{ACCOUNT}:stateMachine:payroll"),
    ("states:StopExecution", f"arn:aws:states:{ACCOUNT}:execution:payroll:1"),
    ("es:ESHttpPatch", f"{DOMAIN}/_plugins/_security/api/roles"),
    ("es:ESHttpPost", "arn:aws:es:us-east-1:000000000000:domain/payroll/_bulk"),
    ("es:DeleteDomain", DOMAIN),
    ("es:UpdateDomainConfig", DOMAIN),
    ("aoss:APIAccessAll", "arn:aws:aoss:us-east-1:000000000000:collection/payroll"),
    ("logs:PutLogEvents", f"arn:aws:logs:{ACCOUNT}:log-group:/aws/lambda/payroll:*"),
    ("logs:DeleteLogGroup", f"arn:aws:logs:{ACCOUNT}:log-group:/aws/lambda/IndexerLogGroup:*"),
    ("iam:PassRole", "arn:aws:iam::000000000000:role/IndexerRole"),
    ("sts:AssumeRole", "arn:aws:iam::000000000000:role/admin"),
    ("lambda:InvokeFunction", f"arn:aws:lambda:{ACCOUNT}:function:tailrace-IndexerFunction"),
    ("kms:Decrypt", f"arn:aws:kms:{ACCOUNT}:key/1"),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{ACCOUNT}:secret:db"),
    ("xray:PutTraceSegments", "*"),
]
BY_THE_RECORD = ("IndexerRole", "ReplicatorRole", "ReplayerRole", "SweeperRole")
# What one function does and the others must not.
OF_ONE = [
    ("IndexerRole", "s3:GetObject", f"{BUCKET}/dead-letters/x"),
    ("IndexerRole", "s3:DeleteObject", f"{BUCKET}/dead-letters/x"),
    ("IndexerRole", "kinesis:PutRecords", CHANGE_STREAM),
    ("ReplicatorRole", "kinesis:GetRecords", CHANGE_STREAM),
    ("ReplicatorRole", "kinesis:PutRecord", CHANGE_STREAM),
    ("ReplicatorRole", "dynamodb:GetItem", f"{TABLE}/airlines"),
    ("ReplicatorRole", "es:ESHttpPost", f"{DOMAIN}/_bulk"),
    ("ReplicatorRole", "s3:GetObject", f"{BUCKET}/dead-letters/x"),
    ("ReplayerRole", "s3:GetObject", f"{BUCKET}/elsewhere/x"),
    ("ReplayerRole", "s3:DeleteObject", f"{BUCKET}/elsewhere/x"),
    ("ReplayerRole", "s3:PutObject", f"{BUCKET}/aws/lambda/x"),
    ("ReplayerRole", "dynamodb:GetRecords", SAMPLE_STREAMS["AirlinesStreamArn"]),
    ("ReplayerRole", "kinesis:PutRecords", CHANGE_STREAM),
    *((role, "dynamodb:Scan", f"{TABLE}/airlines") for role in BY_THE_RECORD),
    *((role, "es:ESHttpDelete", f"{DOMAIN}/orders@000001") for role in BY_THE_RECORD),
    *((role, "s3:PutObject", f"{BUCKET}/reindex/orders/job.json") for role in BY_THE_RECORD),
    ("ReindexerRole", "s3:DeleteObject", f"{BUCKET}/dead-letters/x"),
    ("ReindexerRole", "s3:DeleteObject", f"{BUCKET}/exports/x"),
    ("ReindexerRole", "s3:GetObject", f"{BUCKET}/dead-letters/x"),
    ("ReindexerRole", "dynamodb:GetRecords", SAMPLE_STREAMS["AirlinesStreamArn"]),
    ("ReindexerRole", "kinesis:PutRecords", CHANGE_STREAM),
    ("ReindexStateMachineRole", "dynamodb:Scan", f"{TABLE}/airlines"),
    ("ReindexStateMachineRole", "s3:GetObject", f"{BUCKET}/exports/x"),
    ("ReindexStateMachineRole", "s3:PutObject", f"{BUCKET}/reindex/orders/job.json"),
    ("SweeperRole", "s3:PutObject", f"{BUCKET}/dead-letters/x"),
    ("SweeperRole", "s3:ListBucket", BUCKET),
    ("SweeperRole", "dynamodb:GetItem", f"{TABLE}/airlines"),
    ("SweeperRole", "kinesis:PutRecords", CHANGE_STREAM),
    ("SweeperRole", "es:ESHttpPut", f"{DOMAIN}/orders@000002"),
]


def judged(action, resource, *statements):
    return any(statement.allows(action, resource) for statement in statements)


@pytest.mark.parametrize(
    ("action", "resource", "is_allowed"),
    [
        ("s3:PutObject", "arn:aws:s3:::letters/a/b", True),
        ("S3:putobject", "arn:aws:s3:::letters/a/b", True),  # AWS: actions are not case-sensitive
        ("s3:PutObject", "arn:aws:s3:::Letters/a/b", False),  # resources are
        ("s3:PutObjectAcl", "arn:aws:s3:::letters/a/b", False),
        ("s3:GetObject", "arn:aws:s3:::letters/a/b", False),
        ("s3:PutObject", "arn:aws:s3:::letters2/a/b", False),
        ("s3:PutObject", "arn:aws:s3:::letters/", True),
        ("s3:PutObject", "prefix arn:aws:s3:::letters/a", False),
    ],
)
def test_a_statement_allows_what_both_its_patterns_match(action, resource, is_allowed):
    statement = Statement("Write", ("s3:PutObject",), ("arn:aws:s3:::letters/*",))

    assert judged(action, resource, statement) is is_allowed


@pytest.mark.parametrize(
    "more", [{"Condition": {"Bool": {"x": "true"}}}, {"NotAction": "s3:*"}, {"NotResource": "*"}, {"Effect": "Deny"}]
)
def test_a_policy_that_the_judge_does_not_understand_is_refused(more):
    given = {"Sid": "Odd", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"} | more

    with pytest.raises(ValueError, match="more than this judge understands"):
        _ = Role("Odd", {"odd": {"Statement": [given]}}).statements


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize("action", [pair[0] + " " + pair[1] for pair in FORBIDDEN])
def test_no_role_may_do_this(name, action):
    assert not ROLES[name].allows(*action.split(" "))


@pytest.mark.parametrize(("name", "action", "resource"), OF_ONE)
def test_a_role_may_not_do_what_another_functions_work_is(name, action, resource):
    assert not ROLES[name].allows(action, resource)


@pytest.mark.parametrize("name", ["IndexerRole", "SweeperRole", "ReplayerRole", "ReindexerRole"])
def test_a_domain_and_a_collection_are_written_to_by_the_rights_of_their_kind_alone(name):
    kinds = {kind: {each.sid for each in roles(kind)[name].statements} for kind in KINDS}

    assert not [sid for sid in kinds["domain"] if "Collection" in sid]
    assert not [sid for sid in kinds["collection"] if "Domain" in sid]
    assert kinds["domain"] == kinds["own domain"]
    assert not [sid for sid in kinds["unsigned"] if "Domain" in sid or "Collection" in sid]


@pytest.mark.parametrize("name", roles_of_functions().values())
def test_traces_are_sent_where_they_are_on(name):
    assert roles(Tracing="true")[name].allows("xray:PutTraceSegments", "*")


def test_every_function_has_a_role_of_its_own():
    pairs = roles_of_functions()

    assert sorted(pairs.values()) == sorted(ROLES.keys() - {"ReindexStateMachineRole"})
    assert not [pair for pair in itertools.combinations(pairs.values(), 2) if pair[0] == pair[1]]
