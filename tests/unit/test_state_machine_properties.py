"""State machines as a template declares them, with every substitution made."""

import json

import pytest

from tailrace_local.cloudformation import TemplateError
from tailrace_local.template import read_template

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Concurrency: {Type: Number, Default: 7}
Resources:
  Letters:
    Type: AWS::S3::Bucket
  Reindex:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub ${AWS::StackName}-reindex
      DefinitionUri: machine.yaml
      DefinitionSubstitutions: {Bucket: !Ref Letters, Concurrency: !Ref Concurrency}
"""
MACHINE = 'StartAt: Load\nStates: {Load: {Type: Map, Bucket: "${Bucket}", MaxConcurrency: ${Concurrency}}}\n'


@pytest.fixture
def read(tmp_path):
    def read_text(template=TEMPLATE, machine=MACHINE):
        (tmp_path / "template.yaml").write_text(template)
        (tmp_path / "machine.yaml").write_text(machine)
        return read_template(tmp_path / "template.yaml", {})

    return read_text


def test_a_number_stays_a_number_and_a_name_a_text(read):
    machine = read().machines["Reindex"]

    loaded = json.loads(machine.definition)["States"]["Load"]
    assert loaded == {"Type": "Map", "Bucket": "tailrace-letters", "MaxConcurrency": 7}
    assert machine.arn == "arn:aws:states:us-east-1:000000000000:stateMachine:tailrace-reindex"


def test_a_state_machine_runs_here_and_is_not_among_what_is_ignored(read):
    assert read().ignored == ()


@pytest.mark.parametrize(
    ("template", "machine", "problem"),
    [
        (TEMPLATE.replace("machine.yaml", "gone.yaml"), MACHINE, "Reindex.DefinitionUri: there is no file gone.yaml"),
        (TEMPLATE, MACHINE + "Comment: ${Other}\n", "DefinitionSubstitutions: machine.yaml needs Other"),
        (TEMPLATE, "StartAt: ${Bucket}", "DefinitionSubstitutions: machine.yaml knows no Concurrency"),
        (TEMPLATE, MACHINE + "{", "Reindex.DefinitionUri: machine.yaml is neither JSON nor YAML"),
        (TEMPLATE.replace("Name:", "Nmae:"), MACHINE, "Reindex.Nmae: there is no such property"),
    ],
)
def test_what_cannot_be_deployed_is_refused_by_property(read, template, machine, problem):
    with pytest.raises(TemplateError, match=problem):
        read(template, machine)
