"""What the laptop cloud reads out of a template, and how it refuses a wrong one: by resource, property and reason."""

from pathlib import Path

import pytest
from function_builders import FIXTURES

from tailrace_local.cloudformation import TemplateError
from tailrace_local.shard_mapping import MappingPolicy
from tailrace_local.stream_properties import DataStream, choose_change_stream
from tailrace_local.template import read_template

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T12:51:11.612"
HEAD = """
Parameters:
  Stream: {Type: String, Default: "THE STREAM"}
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
  Sizes: {Type: CommaDelimitedList, Default: "10,20"}
  Needed: {Type: String}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  Either: !Or [!Condition IsProd, !Condition IsDev]
  Both: !And [!Condition IsProd, !Condition IsDev]
Mappings:
  Timeouts: {dev: {Seconds: 7}, prod: {Seconds: 70}}
""".replace("THE STREAM", STREAM)
FUNCTION = """
Resources:
  Plain:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/plain
      Handler: app.lambda_handler
      Runtime: python3.13
"""
EVENT = (
    FUNCTION
    + """      Events:
        Orders:
          Type: DynamoDB
          Properties:
            Stream: !Ref Stream
            StartingPosition: TRIM_HORIZON
"""
)
DATA_STREAM = "\n  Changes:\n    Type: AWS::Kinesis::Stream\n"
BUCKET = "\n  Letters:\n    Type: AWS::S3::Bucket\n"


@pytest.fixture
def read(tmp_path):
    """Reads a template from its text, beside the fixture functions."""
    (tmp_path / "functions").symlink_to(FIXTURES / "functions")
    (tmp_path / "layer").symlink_to(FIXTURES / "layer")

    def read_text(text, **parameters):
        path = tmp_path / "template.yaml"
        path.write_text(text)
        return read_template(path, parameters)

    return read_text


def with_event(*lines):
    return HEAD + EVENT + "".join(f"            {line}\n" for line in lines)


def variable(value):
    return HEAD + FUNCTION + f"      Environment: {{Variables: {{V: {value}}}}}" + BUCKET


class TestFunctions:
    def test_a_function_has_its_folder_and_lambdas_defaults(self, read):
        plain = read(HEAD + FUNCTION).functions["Plain"]

        assert plain.code == FIXTURES / "functions" / "plain"
        assert (plain.name, plain.handler, plain.timeout_seconds, plain.memory_mb) == (
            "tailrace-Plain",
            "app.lambda_handler",
            3,
            128,
        )
        assert plain.arn == "arn:aws:lambda:us-east-1:000000000000:function:tailrace-Plain"

    def test_globals_are_merged_lists_joined_and_own_values_win(self, read):
        text = (
            HEAD
            + "Globals:\n  Function:\n    Timeout: 30\n    MemorySize: 256\n    Layers: [!Ref Common]\n"
            + "    Environment: {Variables: {A: global, B: global}}\n"
            + FUNCTION
            + "      Timeout: 40\n      Layers: [!Ref Own]\n      Environment: {Variables: {B: own}}\n"
            + "  Common: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}}\n"
            + "  Own: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: functions}}\n"
        )
        plain = read(text).functions["Plain"]

        assert (plain.timeout_seconds, plain.memory_mb) == (40, 256)
        assert plain.variables == {"A": "global", "B": "own"}
        assert [layer.name for layer in plain.layers] == ["layer", "functions"]

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("!Ref Stage", "dev"),
            ("!Ref Letters", "tailrace-letters"),
            ("!GetAtt Letters.Arn", "arn:aws:s3:::tailrace-letters"),
            ("!GetAtt Plain.Arn", "arn:aws:lambda:us-east-1:000000000000:function:tailrace-Plain"),
            ("!Ref AWS::Region", "us-east-1"),
            ('!Sub "${Stage}-${AWS::AccountId}-${Letters.Arn}"', "dev-000000000000-arn:aws:s3:::tailrace-letters"),
            ('!Sub ["${X}/${!Literal}", {X: !Ref Stage}]', "dev/${Literal}"),
            ("!If [IsProd, live, test]", "test"),
            ("!If [Either, !If [Both, a, b], c]", "b"),
            ('!Join ["-", [a, !Ref Stage]]', "a-dev"),
            ("!Select [1, !Ref Sizes]", "20"),
            ('!Select [0, !Split ["/stream/", !Ref Stream]]', STREAM.split("/stream/")[0]),
            ("!FindInMap [Timeouts, !Ref Stage, Seconds]", "7"),
            ('{"Fn::Sub": "${Stage}"}', "dev"),
            ("true", "true"),
            ("2026-11-21", "2026-11-21"),
        ],
    )
    def test_intrinsic_functions_are_resolved(self, read, value, expected):
        assert read(variable(value)).functions["Plain"].variables["V"] == expected

    def test_no_value_leaves_a_property_out(self, read):
        text = HEAD + FUNCTION + '      Timeout: !If [IsProd, 60, !Ref "AWS::NoValue"]\n'

        assert read(text, Stage="prod").functions["Plain"].timeout_seconds == 60
        assert read(text).functions["Plain"].timeout_seconds == 3

    def test_a_branch_that_is_not_taken_is_not_resolved(self, read):
        assert read(variable("!If [IsProd, !GetAtt Nowhere.Arn, here]")).functions["Plain"].variables["V"] == "here"

    def test_a_resource_whose_condition_is_false_does_not_exist(self, read):
        text = HEAD + FUNCTION.replace("Type: AWS", "Condition: IsProd\n    Type: AWS", 1)

        assert list(read(text).functions) == []
        assert list(read(text, Stage="prod").functions) == ["Plain"]

    def test_other_kinds_of_resources_and_events_are_listed(self, read):
        text = HEAD + FUNCTION + "      Events: {Nightly: {Type: Schedule}}\n  Topic: {Type: AWS::SNS::Topic}\n"

        assert read(text).ignored == ("Topic (AWS::SNS::Topic)", "Plain.Events.Nightly (Schedule)")


class TestEventSources:
    def test_an_event_source_has_lambdas_defaults(self, read):
        (mapping,) = read(with_event()).mappings

        assert (mapping.name, mapping.function, mapping.kind) == ("PlainOrders", "Plain", "DynamoDB")
        assert (mapping.stream_arn, mapping.starting_position) == (STREAM, "TRIM_HORIZON")
        assert mapping.policy == MappingPolicy(
            batch_size=100,
            window_seconds=0,
            parallelization=1,
            bisects=False,
            max_retries=-1,
            max_age_seconds=-1,
            reports_item_failures=False,
        )
        assert (mapping.is_enabled, mapping.filters, mapping.on_failure_bucket) == (True, (), None)

    def test_an_event_source_has_exactly_its_settings(self, read):
        lines = (
            "BatchSize: 1000",
            "MaximumBatchingWindowInSeconds: 5",
            "ParallelizationFactor: 10",
            "BisectBatchOnFunctionError: true",
            "MaximumRetryAttempts: 7",
            "MaximumRecordAgeInSeconds: 3600",
            "FunctionResponseTypes: [ReportBatchItemFailures]",
            "Enabled: false",
            """FilterCriteria: {Filters: [{Pattern: '{"eventName": ["INSERT"]}'}]}""",
            "DestinationConfig: {OnFailure: {Type: S3, Destination: !GetAtt Letters.Arn}}",
        )
        (mapping,) = read(with_event(*lines) + BUCKET).mappings

        assert mapping.policy == MappingPolicy(
            batch_size=1000,
            window_seconds=5,
            parallelization=10,
            bisects=True,
            max_retries=7,
            max_age_seconds=3600,
            reports_item_failures=True,
        )
        assert (mapping.is_enabled, mapping.on_failure_bucket) == (False, "tailrace-letters")
        assert mapping.filters == ('{"eventName": ["INSERT"]}',)

    def test_a_mapping_that_is_a_resource_of_its_own_is_read_too(self, read):
        text = (
            HEAD
            + FUNCTION
            + """
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !Ref Stream
      FunctionName: !GetAtt Plain.Arn
      StartingPosition: LATEST
      BatchSize: 5
"""
        )
        (mapping,) = read(text).mappings

        assert (mapping.name, mapping.function, mapping.starting_position) == ("Mapping", "Plain", "LATEST")
        assert mapping.policy.batch_size == 5

    def test_the_id_of_a_mapping_is_the_same_on_every_run(self, read):
        assert read(with_event()).mappings[0].id == read(with_event()).mappings[0].id


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("BatchSize: 10001", "Plain.Events.Orders.BatchSize: 10001 is not a whole number from 1 to 10,000"),
        ("BatchSize: ten", "Plain.Events.Orders.BatchSize: 'ten' is not a whole number from 1 to 10,000"),
        ("BatchSize: true", "Plain.Events.Orders.BatchSize: True is not a whole number from 1 to 10,000"),
        (
            "MaximumBatchingWindowInSeconds: 301",
            "Plain.Events.Orders.MaximumBatchingWindowInSeconds: 301 is not a whole number from 0 to 300",
        ),
        (
            "ParallelizationFactor: 11",
            "Plain.Events.Orders.ParallelizationFactor: 11 is not a whole number from 1 to 10",
        ),
        (
            "MaximumRetryAttempts: -2",
            "Plain.Events.Orders.MaximumRetryAttempts: -2 is not a whole number from -1 to 10,000",
        ),
        ("Batchsize: 10", "Plain.Events.Orders.Batchsize: there is no such property; it is spelled BatchSize"),
        ("Window: 10", "Plain.Events.Orders.Window: there is no such property"),
        ("Enabled: maybe", "Plain.Events.Orders.Enabled: 'maybe' is neither true nor false"),
        (
            "TumblingWindowInSeconds: 60",
            "Plain.Events.Orders.TumblingWindowInSeconds: the laptop cloud does not carry tumbling windows yet",
        ),
        (
            "FunctionResponseTypes: ReportBatchItemFailures",
            "Plain.Events.Orders.FunctionResponseTypes: 'ReportBatchItemFailures' is not a list of "
            "ReportBatchItemFailures",
        ),
        (
            "FilterCriteria: {Filters: [{Pattern: nonsense}]}",
            "Plain.Events.Orders.FilterCriteria.Filters: a pattern is a JSON object, and this is not JSON",
        ),
        (
            "DestinationConfig: {OnFailure: {Type: SQS, Destination: 'arn:aws:sqs:us-east-1:000000000000:q'}}",
            "Plain.Events.Orders.DestinationConfig.OnFailure.Destination: 'arn:aws:sqs:us-east-1:000000000000:q': "
            "the laptop cloud carries S3 buckets (by ARN) only",
        ),
        (
            "DestinationConfig: {OnFailure: {Type: S3, Destination: 'arn:aws:s3:::elsewhere'}}",
            "PlainOrders.DestinationConfig.OnFailure.Destination: the template declares no bucket elsewhere",
        ),
    ],
)
def test_a_wrong_event_source_is_refused_by_resource_and_property(read, line, problem):
    with pytest.raises(TemplateError) as error:
        read(with_event(line))

    assert str(error.value) == f"template.yaml: {problem}"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("Handler: app.lambda_handler", "Handler: app"), "Plain.Handler: 'app' is not module.function"),
        (("Handler: app.", "Handler: main."), "Plain.Handler: there is no file main.py in plain"),
        (("CodeUri: functions/plain", "CodeUri: functions/none"), "Plain.CodeUri: there is no folder functions/none"),
        (("CodeUri: functions/plain", "Description: x"), "Plain.CodeUri: it is required"),
        (("Runtime:", "Timeout: 901\n      Runtime:"), "Plain.Timeout: 901 is not a whole number from 1 to 900"),
        (("Runtime:", "Timeuot: 9\n      Runtime:"), "Plain.Timeuot: there is no such property"),
        (("Runtime:", "timeout: 9\n      Runtime:"), "Plain.timeout: there is no such property; it is spelled Timeout"),
        (
            ("Runtime:", "Environment: {Variables: {A: [1]}}\n      Runtime:"),
            "Plain.Environment.Variables.A: a variable is a text",
        ),
        (
            ("Runtime:", "Environment: {Variables: {A: !Ref Nobody}}\n      Runtime:"),
            "Plain.Environment.Variables.A: it refers to Nobody, which the template does not declare",
        ),
        (
            ("Runtime:", "Environment: {Variables: {A: !Ref Needed}}\n      Runtime:"),
            "Parameters.Needed: it has no Default, so it needs a value",
        ),
        (("Type: AWS::Serverless::Function", "Kind: x"), "Plain: a resource needs a Type"),
        (("Type: AWS", "Condition: Nobody\n    Type: AWS"), "Plain: there is no condition Nobody"),
    ],
)
def test_a_wrong_function_is_refused_by_resource_and_property(read, change, problem):
    with pytest.raises(TemplateError) as error:
        read(HEAD + FUNCTION.replace(*change, 1))

    assert str(error.value) == f"template.yaml: {problem}"


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"Stage": "test"}, "Parameters.Stage: 'test' is none of dev, prod"),
        ({"Stag": "dev"}, "Parameters.Stag: it has a value here, but the template does not declare it"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(read, parameters, problem):
    with pytest.raises(TemplateError) as error:
        read(HEAD + FUNCTION, **parameters)

    assert str(error.value) == f"template.yaml: {problem}"


def test_a_value_that_does_not_match_its_pattern_is_refused_without_being_shown(read):
    text = HEAD.replace("Needed: {Type: String}", "Needed: {Type: String, AllowedPattern: '^[a-z]+$'}") + FUNCTION

    with pytest.raises(TemplateError) as error:
        read(text, Needed="S3CRET")
    assert str(error.value) == "template.yaml: Parameters.Needed: its value does not match ^[a-z]+$"


def test_a_condition_that_depends_on_itself_is_refused(read):
    text = "Conditions: {A: !Not [!Condition A]}\n" + FUNCTION.replace("Type: AWS", "Condition: A\n    Type: AWS")

    with pytest.raises(TemplateError, match="the condition A depends on itself"):
        read(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("a: [", "is not YAML \\(line 1: "), ("- a", "has no Resources"), ("Resources: 7", "has no Resources")],
)
def test_what_is_no_template_is_refused(read, text, problem):
    with pytest.raises(TemplateError, match=problem):
        read(text)


def test_a_missing_template_is_refused():
    with pytest.raises(TemplateError, match=r"nowhere.yaml: cannot be read \(No such file or directory\)"):
        read_template(Path("nowhere.yaml"), {})


class TestDataStreams:
    @pytest.mark.parametrize(
        ("properties", "stream"),
        [
            ("{}", DataStream("tailrace-Changes", 1)),
            ("{Name: mine, ShardCount: 3}", DataStream("mine", 3)),
            ("{StreamModeDetails: {StreamMode: PROVISIONED}, ShardCount: 2}", DataStream("tailrace-Changes", 2)),
            ("{StreamModeDetails: {StreamMode: ON_DEMAND}}", DataStream("tailrace-Changes", 4)),
            ("{RetentionPeriodHours: !Ref Unheard, Tags: [], StreamEncryption: {}}", DataStream("tailrace-Changes", 1)),
        ],
    )
    def test_a_stream_has_its_name_and_its_shards(self, read, properties, stream):
        assert read(HEAD + FUNCTION + DATA_STREAM + f"    Properties: {properties}").streams == {"Changes": stream}

    def test_a_stream_is_referred_to_by_name_and_by_arn(self, read):
        text = (
            HEAD + FUNCTION + "      Environment: {Variables: {N: !Ref Changes, A: !GetAtt Changes.Arn}}" + DATA_STREAM
        )

        assert read(text).functions["Plain"].variables == {
            "N": "tailrace-Changes",
            "A": "arn:aws:kinesis:us-east-1:000000000000:stream/tailrace-Changes",
        }

    def test_an_event_source_of_type_kinesis_follows_its_stream(self, read):
        text = with_event().replace("Type: DynamoDB", "Type: Kinesis").replace("!Ref Stream", "!GetAtt Changes.Arn")
        read_template = read(text + DATA_STREAM)
        (mapping,) = read_template.mappings

        assert (mapping.kind, mapping.stream_arn) == ("Kinesis", read_template.streams["Changes"].arn)

    @pytest.mark.parametrize(
        ("properties", "problem"),
        [
            ("{ShardCount: 0}", "Changes.ShardCount: 0 is not a whole number from 1 to 100"),
            ("{Shards: 1}", "Changes.Shards: there is no such property"),
            ("{StreamModeDetails: {StreamMode: AUTO}}", "Changes.StreamModeDetails.StreamMode: 'AUTO' is none of"),
            (
                "{ShardCount: 1, StreamModeDetails: {StreamMode: ON_DEMAND}}",
                "Changes.ShardCount: an on-demand stream takes none",
            ),
        ],
    )
    def test_a_wrong_stream_is_refused_by_resource_and_property(self, read, properties, problem):
        with pytest.raises(TemplateError) as error:
            read(HEAD + FUNCTION + DATA_STREAM + f"    Properties: {properties}")

        assert str(error.value).startswith(f"template.yaml: {problem}")


class TestChangeStream:
    """Where the changes of tables go whose source is Kinesis."""

    def test_it_is_the_one_of_that_name(self):
        mine, other = DataStream("mine", 1), DataStream("other", 1)

        assert choose_change_stream({"Other": other, "ChangeStream": mine}, "template.yaml") is mine

    def test_it_is_the_only_one_there_is(self):
        mine = DataStream("mine", 1)

        assert choose_change_stream({"Mine": mine}, "template.yaml") is mine

    def test_without_one_the_template_is_refused(self):
        with pytest.raises(TemplateError, match=r"^template.yaml: Resources.ChangeStream: it has to declare"):
            choose_change_stream({}, "template.yaml")
