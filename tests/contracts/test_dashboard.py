"""The dashboard is JSON that CloudWatch takes, and shows metrics and functions that exist, in plain words."""

import json
from pathlib import Path

import pytest
import yaml

from tailrace.metrics import METRIC_NAMES, NAMESPACE
from tailrace_local.cloudformation import Resolver, load_document
from tailrace_local.template_parameters import PSEUDO_PARAMETERS, parameter_values

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = load_document(ROOT / "template.yaml")
TABLES = yaml.safe_load((ROOT / "tables.yaml").read_text(encoding="utf-8"))["tables"]
STREAMS = {
    f"{name.capitalize()}StreamArn": f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}/stream/2026"
    for name in TABLES
}
ALONE = STREAMS | {"OpenSearchUrl": "http://127.0.0.1:9200", "OpenSearchService": "none"}
REPLICATING = ALONE | {"ArnOfChangeStream": "create", "ReplicateToChangeStream": "true"}
# What no own metric tells, by the service that does.
OF_AWS = {
    "AWS/Lambda": {"ConcurrentExecutions", "Duration", "Errors", "Invocations", "IteratorAge", "Throttles"},
    "AWS/S3": {"PutRequests"},
}


def dashboard(given):
    parameters = parameter_values(TEMPLATE["Parameters"], given, "template.yaml")
    resolver = Resolver(TEMPLATE, "template.yaml", {**PSEUDO_PARAMETERS, **parameters}, lambda name, _: name)
    body = TEMPLATE["Resources"]["Overview"]["Properties"]["DashboardBody"]
    return json.loads(resolver.resolve(body, "Overview.DashboardBody"))["widgets"]


def shown(widgets):
    """Every line that is drawn: namespace, metric, dimensions and values, options."""
    lines = [line for widget in widgets for line in widget["properties"].get("metrics", [])]
    return [(line, line[-1] if isinstance(line[-1], dict) else {}) for line in lines]


WIDGETS = dashboard(REPLICATING)
each_widget = pytest.mark.parametrize(
    "widget", WIDGETS, ids=[each["properties"].get("title", "text") for each in WIDGETS]
)


def test_own_metrics_that_are_shown_exist():
    assert {line[1] for line, _ in shown(WIDGETS) if line[0] == NAMESPACE} <= set(METRIC_NAMES)


def test_other_metrics_that_are_shown_exist():
    others = [line for line, _ in shown(WIDGETS) if line[0] != NAMESPACE]
    assert [line[:2] for line in others if line[1] not in OF_AWS[line[0]]] == []


def test_every_metric_is_shown():
    drawn = {line[1] for line, _ in shown(WIDGETS) if line[0] == NAMESPACE}
    assert set(METRIC_NAMES) - drawn == {"RecordsIn"}  # what became of the records adds up to it


@pytest.mark.parametrize("statistic", ["p50", "p99"])
def test_freshness_is_shown_by_its_quantiles(statistic):
    found = [options["stat"] for line, options in shown(WIDGETS) if line[1:4:2] == ["FreshnessMilliseconds", "indexer"]]
    assert statistic in found


def test_the_dashboard_stays_within_what_is_free():
    assert len(shown(WIDGETS)) <= 50  # CloudWatch: three dashboards of an account with up to 50 metrics each are free


@each_widget
def test_a_widget_has_a_title_in_plain_words(widget):
    title = widget["properties"].get("title", "A text")
    assert title[0].isupper()
    assert not {word for word in title.replace(":", "").split() if word in METRIC_NAMES}


@each_widget
def test_no_widget_lies_on_another_or_beside_the_grid(widget):
    def area(each):
        rows, columns = range(each["y"], each["y"] + each["height"]), range(each["x"], each["x"] + each["width"])
        return {(row, column) for row in rows for column in columns}

    others = set().union(*(area(each) for each in WIDGETS if each is not widget))
    assert not area(widget) & others
    assert widget["x"] + widget["width"] <= 24


def test_the_replicator_is_shown_where_it_is():
    assert "Replicator" not in json.dumps(dashboard(ALONE))
    assert [each["properties"]["title"] for each in WIDGETS if "Replicator" in json.dumps(each)] == [
        "Replicator: age of unread changes",
        "Replicator: what became of the records",
    ]


def test_the_tables_are_compared_by_what_a_batch_logs():
    (query,) = [each["properties"]["query"] for each in WIDGETS if each["type"] == "log"]
    assert "SOURCE 'IndexerLogGroup' | filter message = 'batch'" in query
    assert "max(freshness_p99_ms)" in query
    assert "max(lag_ms)" in query


def test_the_dashboard_can_be_left_out():
    assert TEMPLATE["Resources"]["Overview"]["Condition"] == "HasDashboard"
    assert TEMPLATE["Parameters"]["Dashboard"]["AllowedValues"] == ["true", "false"]
