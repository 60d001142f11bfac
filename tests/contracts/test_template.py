"""template.yaml keeps its promises: no stream source without a bound and a way out, no right that is not needed."""

from pathlib import Path

import pytest
import yaml

from tailrace.metrics import METRIC_NAMES, NAMESPACE
from tailrace.tables import load_tables, logical_name
from tailrace_local.cloudformation import load_document

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = load_document(ROOT / "template.yaml")
RESOURCES = TEMPLATE["Resources"]
TABLES = load_tables(yaml.safe_load((ROOT / "tables.yaml").read_text(encoding="utf-8")))
STREAMED = [name for name, spec in TABLES.specs.items() if spec.source == "streams"]


def of_type(kind):
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


def stream_events(function):
    events = of_type("AWS::Serverless::Function")[function]["Events"]
    return {f"{function}{name}": event["Properties"] for name, event in events.items()}


def statements(role):
    """Every statement that allows something in a role, conditions unfolded."""
    policies = of_type("AWS::IAM::Role")[role]["Policies"]
    given = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    unfolded = [each["Fn::If"][1] if "Fn::If" in each else each for each in given]
    return {each["Sid"]: each for each in unfolded}


def actions(role):
    """What a role may do, traces apart."""
    return {sid: as_list(each["Action"]) for sid, each in statements(role).items() if sid != "SendTraces"}


def as_list(value):
    return value if isinstance(value, list) else [value]


STREAMS = [{"Ref": f"{logical_name(table)}StreamArn"} for table in STREAMED]
OWN_STREAM = {"Fn::GetAtt": ["ChangeStream", "Arn"]}
CHANGE_STREAM = {"Fn::If": ["CreatesChangeStream", OWN_STREAM, {"Ref": "ArnOfChangeStream"}]}
BUCKET = {"Fn::GetAtt": ["DeadLetterBucket", "Arn"]}
SAM_EVENTS = stream_events("IndexerFunction") | stream_events("ReplicatorFunction")
MAPPINGS = of_type("AWS::Lambda::EventSourceMapping")
EVENTS = SAM_EVENTS | MAPPINGS
ALARMS = of_type("AWS::CloudWatch::Alarm")
STATEMENTS = {f"{role}.{sid}": each for role in of_type("AWS::IAM::Role") for sid, each in statements(role).items()}
OF_TRACES = {name: each for name, each in STATEMENTS.items() if name.endswith(".SendTraces")}
OF_RESOURCES = {name: each for name, each in STATEMENTS.items() if name not in OF_TRACES}
each_event = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
each_alarm = pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)


@pytest.mark.parametrize("function", ["IndexerFunction", "ReplicatorFunction"])
def test_every_streamed_table_has_its_event_source(function):
    assert [event["Stream"] for event in stream_events(function).values()] == STREAMS


def test_a_table_comes_by_one_way_at_a_time():
    for event in stream_events("IndexerFunction").values():
        assert event["Enabled"] == {"Fn::If": ["Replicates", False, True]}
    for event in stream_events("ReplicatorFunction").values():
        assert "Enabled" not in event
    assert RESOURCES["ReplicatorFunction"]["Condition"] == "Replicates"


def test_the_change_stream_reaches_the_indexer_whoever_writes_to_it():
    mapping = MAPPINGS["ChangeStreamEvents"]
    assert RESOURCES["ChangeStreamEvents"]["Condition"] == "ReadsChangeStream"
    assert (mapping["FunctionName"], mapping["EventSourceArn"]) == ({"Ref": "IndexerFunction"}, CHANGE_STREAM)


def test_a_change_stream_is_made_only_where_one_is_asked_for():
    assert TEMPLATE["Parameters"]["ArnOfChangeStream"]["Default"] == "none"
    assert TEMPLATE["Conditions"]["CreatesChangeStream"] == {"Fn::Equals": [{"Ref": "ArnOfChangeStream"}, "create"]}
    assert RESOURCES["ChangeStream"]["Condition"] == "CreatesChangeStream"


def test_the_change_stream_is_encrypted_and_outlasts_the_age_of_its_records():
    stream = RESOURCES["ChangeStream"]["Properties"]
    assert stream["StreamEncryption"]["EncryptionType"] == "KMS"
    assert stream["RetentionPeriodHours"] * 3600 > MAPPINGS["ChangeStreamEvents"]["MaximumRecordAgeInSeconds"]


def test_the_replicator_writes_where_the_indexer_reads():
    variables = RESOURCES["ReplicatorFunction"]["Properties"]["Environment"]["Variables"]
    assert variables == {"TAILRACE_KINESIS_STREAM": CHANGE_STREAM}
    assert statements("ReplicatorRole")["WriteToChangeStream"]["Resource"] == CHANGE_STREAM
    assert statements("IndexerRole")["FollowChangeStream"]["Resource"] == CHANGE_STREAM


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
    assert event["DestinationConfig"]["OnFailure"]["Destination"] == BUCKET


@pytest.mark.parametrize("event", SAM_EVENTS.values(), ids=SAM_EVENTS)
def test_trap_21_an_event_of_sam_names_the_type_of_its_destination(event):
    # Type is what makes SAM attach the permission; here it also tells the reader.
    assert event["DestinationConfig"]["OnFailure"]["Type"] == "S3"


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


FOLLOW_STREAMS = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
]


@pytest.mark.parametrize("role", ["IndexerRole", "ReplicatorRole"])
def test_a_role_follows_the_streams_of_the_tables_and_no_others(role):
    assert statements(role)["FollowStreams"]["Resource"] == STREAMS


def test_the_role_reads_items_of_the_tables_and_no_others():
    expected = [{"Fn::Select": [0, {"Fn::Split": ["/stream/", stream]}]} for stream in STREAMS]
    assert statements("IndexerRole")["SettleByItem"]["Resource"] == expected


def test_the_replicator_has_these_rights_and_no_others():
    assert actions("ReplicatorRole") == {
        "FollowStreams": FOLLOW_STREAMS,
        "WriteToChangeStream": ["kinesis:PutRecords"],
        "KeepDeadLettersAndParkBatches": ["s3:PutObject"],
        "FindParkedBatches": ["s3:ListBucket"],
        "WriteLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }


def test_the_indexer_has_these_rights_and_no_others():
    assert actions("IndexerRole") == {
        "FollowStreams": FOLLOW_STREAMS,
        "FollowChangeStream": [
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
        ],
        "SettleByItem": ["dynamodb:GetItem"],
        "WriteToDomain": ["es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPost", "es:ESHttpPut"],
        "WriteToCollection": ["aoss:APIAccessAll"],
        "KeepDeadLettersAndParkBatches": ["s3:PutObject"],
        "FindParkedBatches": ["s3:ListBucket"],
        "WriteLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }


@pytest.mark.parametrize("statement", OF_RESOURCES.values(), ids=OF_RESOURCES)
def test_a_right_is_for_named_resources(statement):
    assert statement["Effect"] == "Allow"
    assert "*" not in as_list(statement["Resource"])


@pytest.mark.parametrize("statement", OF_TRACES.values(), ids=OF_TRACES)
def test_a_right_without_a_resource_is_that_of_sending_traces(statement):
    assert statement["Effect"] == "Allow"
    assert statement["Action"] == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]


@pytest.mark.parametrize("role", sorted(set(of_type("AWS::IAM::Role")) - {"ReindexStateMachineRole"}))
def test_a_role_may_send_traces_where_they_are_on(role):
    (document,) = [policy["PolicyDocument"] for policy in of_type("AWS::IAM::Role")[role]["Policies"]]
    on, statement, off = next(each["Fn::If"] for each in document["Statement"] if "SendTraces" in str(each))

    assert (on, statement["Sid"], off) == ("Traces", "SendTraces", {"Ref": "AWS::NoValue"})


def test_traces_are_off_without_a_word():
    assert TEMPLATE["Parameters"]["Tracing"]["Default"] == "false"
    assert TEMPLATE["Conditions"]["Traces"] == {"Fn::Equals": [{"Ref": "Tracing"}, "true"]}
    assert TEMPLATE["Globals"]["Function"]["Tracing"] == {"Fn::If": ["Traces", "Active", "PassThrough"]}


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


def watched(**dimension):
    """The metrics with an alarm of its own on one function or service."""
    [(name, value)] = dimension.items()
    each = {"Name": name, "Value": value}
    return {alarm["MetricName"] for alarm in ALARMS.values() if each in alarm.get("Dimensions", [])}


def operands(alarm):
    """What the expression of an alarm is made of: id to metric."""
    return {each["Id"]: each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each}


@pytest.mark.parametrize("function", ["IndexerFunction", "ReplicatorFunction"])
def test_a_function_behind_a_stream_has_these_alarms(function):
    assert watched(FunctionName={"Ref": function}) == {
        "DestinationDeliveryFailures",
        "Errors",
        "IteratorAge",
        "Throttles",
    }


@pytest.mark.parametrize("service", ["indexer", "replicator"])
def test_a_function_behind_a_stream_has_alarms_on_its_account(service):
    assert watched(service=service) >= {"ConservationBreaches", "DeadLettered", "Failed", "RefusedIdentities"}


def test_an_index_that_falls_behind_has_alarms_on_its_ages_and_on_the_circuit():
    assert watched(service="indexer") >= {"CircuitOpenings", "FreshnessMilliseconds"}
    assert ALARMS["FreshnessAlarm"]["ExtendedStatistic"] == "p99"


@pytest.mark.parametrize("name", ["RefusedIdentityAlarm", "ReplicatorRefusedIdentityAlarm"])
def test_failure_29_a_refused_identity_alarms_within_a_minute(name):
    alarm = ALARMS[name]
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"]) == ("RefusedIdentities", "Sum", 60)
    assert (alarm["EvaluationPeriods"], alarm["Threshold"]) == (1, 0)


def test_failure_54_written_tables_without_a_record_taken_in_have_an_alarm():
    alarm = ALARMS["NoProgressAlarm"]
    found = operands(alarm)

    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    assert expression == "IF(FILL(records, 0) > 0, 0, SUM([age, writes1, writes2, writes3, writes4, writes5]))"
    assert (found["records"]["MetricName"], found["age"]["MetricName"]) == ("RecordsIn", "IteratorAge")
    assert [found[f"writes{n}"]["Dimensions"][0]["Value"] for n in range(1, 6)] == list(TABLES.specs)
    assert {found[f"writes{n}"]["MetricName"] for n in range(1, 6)} == {"ConsumedWriteCapacityUnits"}


@pytest.mark.parametrize("alarm", [each for each in ALARMS.values() if "Metrics" in each])
def test_an_alarm_on_an_expression_keeps_the_bounds_of_cloudwatch(alarm):
    shown = [each for each in alarm["Metrics"] if each.get("ReturnData", True)]
    assert len(shown) == 1
    assert len(alarm["Metrics"]) <= 10
    assert {each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each} <= {300}


def test_a_quarantined_field_and_a_failed_sweep_have_alarms():
    assert "Quarantined" in watched(service="indexer")
    assert watched(FunctionName={"Ref": "SweeperFunction"}) == {"Errors"}


def test_the_sweeper_has_these_rights_and_no_others():
    assert actions("SweeperRole") == {
        "SweepDomain": ["es:ESHttpGet", "es:ESHttpPost"],
        "SweepCollection": ["aoss:APIAccessAll"],
        "WriteSweeperLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }


def test_the_reindexer_has_these_rights_and_no_others():
    assert actions("ReindexerRole") == {
        "ReadTables": [
            "dynamodb:BatchGetItem",
            "dynamodb:DescribeTable",
            "dynamodb:ExportTableToPointInTime",
            "dynamodb:Scan",
        ],
        "FollowExports": ["dynamodb:DescribeExport"],
        "WriteExports": ["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl"],
        "KeepJobAndDeadLetters": ["s3:PutObject"],
        "ReadAndForgetJob": ["s3:DeleteObject", "s3:GetObject"],
        "ReadExports": ["s3:GetObject"],
        "FindCheckpoints": ["s3:ListBucket"],
        "WriteToDomain": ["es:ESHttpDelete", "es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPost", "es:ESHttpPut"],
        "WriteToCollection": ["aoss:APIAccessAll"],
        "WriteReindexerLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }


def test_the_state_machine_has_these_rights_and_no_others():
    assert actions("ReindexStateMachineRole") == {
        "TakeSteps": ["lambda:InvokeFunction"],
        "ReadSlices": ["s3:GetObject"],
        "StartChildren": ["states:StartExecution"],
        "FollowChildren": ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"],
    }
    reindexer = {"Fn::GetAtt": ["ReindexerFunction", "Arn"]}
    assert statements("ReindexStateMachineRole")["TakeSteps"]["Resource"] == reindexer


def test_the_state_machine_names_itself_without_referring_to_itself():
    name = RESOURCES["ReindexStateMachine"]["Properties"]["Name"]["Fn::Sub"]
    arn = statements("ReindexStateMachineRole")["StartChildren"]["Resource"]["Fn::Sub"]
    assert arn == "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:" + name


def test_the_replayer_has_these_rights_and_no_others():
    assert actions("ReplayerRole") == {
        "FindLetters": ["s3:ListBucket"],
        "TakeLetters": ["s3:DeleteObject", "s3:GetObject"],
        "KeepLetters": ["s3:PutObject"],
        "SettleByItem": ["dynamodb:GetItem"],
        "WriteToDomain": ["es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPost", "es:ESHttpPut"],
        "WriteToCollection": ["aoss:APIAccessAll"],
        "WriteReplayerLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }


def test_the_replayer_takes_from_the_three_folders_of_the_bucket_and_keeps_in_two():
    paths = {sid: as_list(statements("ReplayerRole")[sid]["Resource"]) for sid in ("TakeLetters", "KeepLetters")}
    folders = {sid: [each["Fn::Sub"].partition("/")[2] for each in found] for sid, found in paths.items()}
    assert folders == {
        "TakeLetters": ["dead-letters/*", "parked/*", "aws/lambda/*"],
        "KeepLetters": ["dead-letters/*", "parked/*"],
    }


def test_the_replayer_reads_items_of_the_tables_and_no_others():
    settles = statements("ReplayerRole")["SettleByItem"]["Resource"]
    assert settles == statements("IndexerRole")["SettleByItem"]["Resource"]


def test_one_replay_runs_at_a_time_by_a_schedule_and_none_is_repeated():
    replayer = RESOURCES["ReplayerFunction"]["Properties"]
    assert replayer["ReservedConcurrentExecutions"] == 1
    assert replayer["EventInvokeConfig"]["MaximumRetryAttempts"] == 0
    assert replayer["Events"]["ParkedBatches"]["Properties"]["Schedule"] == {"Ref": "ReplaySchedule"}
    assert TEMPLATE["Parameters"]["ReplaySchedule"]["Default"] == "rate(1 hour)"


def test_a_failed_replay_and_what_is_left_have_alarms():
    assert watched(FunctionName={"Ref": "ReplayerFunction"}) == {"Errors"}
    assert watched(service="replayer") == {"ConservationBreaches", "Unreplayed"}


def test_parked_batches_have_an_alarm():
    assert watched(FilterId="parked-batches") == {"PutRequests"}


def test_an_alarm_of_the_replicator_is_there_when_it_is():
    for name, alarm in ALARMS.items():
        if {"Ref": "ReplicatorFunction"} in [each["Value"] for each in alarm.get("Dimensions", [])]:
            assert RESOURCES[name]["Condition"] == "Replicates"


def test_trap_12_changes_that_dynamodb_skips_have_an_alarm():
    [query] = ALARMS["LostChangesAlarm"]["Metrics"]
    assert query["Expression"] == 'SELECT SUM(FailedToReplicateRecordCount) FROM "AWS/DynamoDB"'


def test_alarms_on_own_metrics_name_metrics_that_exist():
    single = [each for each in ALARMS.values() if "MetricName" in each]
    joined = [metric for each in ALARMS.values() if "Metrics" in each for metric in operands(each).values()]
    own = {each["MetricName"] for each in (*single, *joined) if each["Namespace"] == NAMESPACE}
    assert own <= set(METRIC_NAMES)
    assert own >= {"Failed", "RecordsIn"}


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
        "TAILRACE_GZIP",
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
