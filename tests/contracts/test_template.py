"""template.yaml keeps its promises: no stream source without a bound and a way out, no right that is not needed."""

from pathlib import Path

import pytest
import yaml

from tailrace.tables import load_tables, logical_name
from tailrace.telemetry import METRIC_NAMES, NAMESPACE
from tailrace_local.cloudformation import load_document

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = load_document(ROOT / "template.yaml")
RESOURCES = TEMPLATE["Resources"]
TABLES = load_tables(yaml.safe_load((ROOT / "tables.yaml").read_text(encoding="utf-8")))
STREAMED = [name for name, spec in TABLES.specs.items() if spec.source == "streams"]


def of_type(kind):
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


def stream_events():
    functions = of_type("AWS::Serverless::Function").values()
    events = [each for function in functions for each in function.get("Events", {}).items()]
    return {name: event["Properties"] for name, event in events if event["Type"] in ("DynamoDB", "Kinesis")}


def statements():
    """Every statement that allows something, conditions unfolded."""
    policies = [policy for role in of_type("AWS::IAM::Role").values() for policy in role["Policies"]]
    given = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    unfolded = [each["Fn::If"][1] if "Fn::If" in each else each for each in given]
    return {each["Sid"]: each for each in unfolded}


def as_list(value):
    return value if isinstance(value, list) else [value]


EVENTS = stream_events()
ALARMS = of_type("AWS::CloudWatch::Alarm")
STATEMENTS = statements()
each_event = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
each_alarm = pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)


def test_every_streamed_table_has_its_event_source():
    expected = [{"Ref": f"{logical_name(table)}StreamArn"} for table in STREAMED]
    assert [event["Stream"] for event in EVENTS.values()] == expected


@each_event
def test_a_stream_source_reports_single_failures(event):
    assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@each_event
def test_a_stream_source_bisects_a_batch_that_fails_whole(event):
    assert event["BisectBatchOnFunctionError"] is True


@each_event
def test_a_stream_source_gives_up_at_last_and_before_the_stream_is_trimmed(event):
    assert 0 < event["MaximumRetryAttempts"] <= 1000
    assert 60 <= event["MaximumRecordAgeInSeconds"] < 86_400


@each_event
def test_a_stream_source_parks_what_it_gives_up_in_s3(event):
    # Type is what makes SAM attach the permission (trap 21); here it also tells the reader.
    destination = {"Type": "S3", "Destination": {"Fn::GetAtt": ["DeadLetterBucket", "Arn"]}}
    assert event["DestinationConfig"]["OnFailure"] == destination


@each_event
def test_a_stream_source_misses_no_write_around_a_deployment(event):
    assert event["StartingPosition"] == "TRIM_HORIZON"


@each_event
def test_a_batch_fits_a_bulk_request(event):
    assert event["BatchSize"] == 1000
    assert event["MaximumBatchingWindowInSeconds"] == 1


@pytest.mark.parametrize("table", STREAMED)
def test_a_stream_parameter_takes_the_stream_of_its_own_table_alone(table):
    pattern = TEMPLATE["Parameters"][f"{logical_name(table)}StreamArn"]["AllowedPattern"]
    assert pattern == f"^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{{12}}:table/{table}/stream/.+$"


def test_the_role_follows_the_streams_of_the_tables_and_no_others():
    expected = [{"Ref": f"{logical_name(table)}StreamArn"} for table in STREAMED]
    assert STATEMENTS["FollowStreams"]["Resource"] == expected


def test_the_role_reads_items_of_the_tables_and_no_others():
    streams = [{"Ref": f"{logical_name(table)}StreamArn"} for table in STREAMED]
    expected = [{"Fn::Select": [0, {"Fn::Split": ["/stream/", stream]}]} for stream in streams]
    assert STATEMENTS["SettleByItem"]["Resource"] == expected


def test_the_role_has_these_rights_and_no_others():
    assert {sid: as_list(each["Action"]) for sid, each in STATEMENTS.items()} == {
        "FollowStreams": [
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        ],
        "SettleByItem": ["dynamodb:GetItem"],
        "WriteToDomain": ["es:ESHttpHead", "es:ESHttpPost", "es:ESHttpPut"],
        "WriteToCollection": ["aoss:APIAccessAll"],
        "KeepDeadLettersAndParkBatches": ["s3:PutObject"],
        "FindParkedBatches": ["s3:ListBucket"],
        "WriteLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_a_right_is_for_named_resources(statement):
    assert statement["Effect"] == "Allow"
    assert "*" not in as_list(statement["Resource"])


def test_every_function_runs_in_a_role_of_this_template():
    # SAM's own roles may read every stream of the account.
    for function in of_type("AWS::Serverless::Function").values():
        assert function["Role"]["Fn::GetAtt"][0] in of_type("AWS::IAM::Role")


def test_no_role_has_a_managed_policy():
    assert not [name for name, role in of_type("AWS::IAM::Role").items() if "ManagedPolicyArns" in role]


def test_every_function_writes_to_a_log_group_of_this_template():
    for function in of_type("AWS::Serverless::Function").values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in of_type("AWS::Logs::LogGroup")


def test_every_log_group_forgets():
    for group in of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@each_alarm
def test_an_alarm_says_what_it_means_and_what_to_do(alarm):
    assert alarm["AlarmDescription"].count(". ") >= 1
    assert 80 <= len(alarm["AlarmDescription"]) <= 1024


@each_alarm
def test_an_alarm_reaches_the_topic(alarm):
    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]


def test_these_metrics_have_an_alarm():
    assert {(alarm["Namespace"], alarm["MetricName"]) for alarm in ALARMS.values()} == {
        ("AWS/Lambda", "DestinationDeliveryFailures"),
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "IteratorAge"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/S3", "PutRequests"),
        ("Tailrace", "ConservationBreaches"),
        ("Tailrace", "DeadLettered"),
        ("Tailrace", "Failed"),
    }


def test_alarms_on_own_metrics_name_metrics_that_exist():
    own = {alarm["MetricName"] for alarm in ALARMS.values() if alarm["Namespace"] == NAMESPACE}
    assert own <= set(METRIC_NAMES)


def test_parked_batches_are_counted_where_the_alarm_looks():
    filters = RESOURCES["DeadLetterBucket"]["Properties"]["MetricsConfigurations"]
    assert filters == [{"Id": "parked-batches", "Prefix": "aws/lambda/"}]
    assert {"Name": "FilterId", "Value": "parked-batches"} in ALARMS["ParkedBatchesAlarm"]["Dimensions"]


def test_dead_letters_are_encrypted_private_and_outlive_the_stack():
    bucket = RESOURCES["DeadLetterBucket"]
    block = bucket["Properties"]["PublicAccessBlockConfiguration"]
    assert bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(block.values()) == {True}
    assert len(block) == 4
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_dead_letters_are_kept_for_a_year():
    (rule,) = RESOURCES["DeadLetterBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 365)


def test_dead_letters_travel_by_https_alone():
    (statement,) = RESOURCES["DeadLetterBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_domain_is_made_only_where_no_opensearch_is_named():
    assert RESOURCES["OpenSearchDomain"]["Condition"] == "CreatesDomain"
    assert TEMPLATE["Conditions"]["CreatesDomain"] == {"Fn::Equals": [{"Ref": "OpenSearchUrl"}, ""]}


def test_the_domain_is_encrypted_at_rest_between_nodes_and_on_the_way():
    domain = RESOURCES["OpenSearchDomain"]["Properties"]
    assert domain["EncryptionAtRestOptions"] == {"Enabled": True}
    assert domain["NodeToNodeEncryptionOptions"] == {"Enabled": True}
    assert domain["DomainEndpointOptions"]["EnforceHTTPS"] is True


def test_functions_get_these_variables():
    assert list(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]) == [
        "TAILRACE_TABLES",
        "TAILRACE_MAX_BULK_BYTES",
        "TAILRACE_TIME_MARGIN_MS",
        "OPENSEARCH_URL",
        "OPENSEARCH_SERVICE",
        "DEAD_LETTER_BUCKET",
    ]


def test_layer_and_functions_are_built_for_the_runtime_they_run_on():
    layer = RESOURCES["TailraceLayer"]
    shared = TEMPLATE["Globals"]["Function"]
    assert (shared["Runtime"], shared["Architectures"]) == ("python3.13", ["arm64"])
    assert layer["Properties"]["CompatibleRuntimes"] == ["python3.13"]
    assert layer["Metadata"] == {"BuildMethod": "makefile", "BuildArchitecture": "arm64"}


def test_no_python_of_the_runtime_is_needed_to_build():
    for name in of_type("AWS::Serverless::Function"):
        assert RESOURCES[name]["Metadata"]["BuildMethod"] == "makefile"
