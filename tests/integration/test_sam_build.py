"""`sam validate --lint` and `sam build` for real: what a deployment would carry to Lambda."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders import change_record, event, order, stream_arn

from tailrace_local.accelerator import fingerprint
from tailrace_local.cloudformation import load_document
from tailrace_local.function_environments import Surroundings, build_command, build_environment
from tailrace_local.functions import FunctionSpec, LambdaFunction
from tailrace_local.runtime_packages import link_runtime_packages
from tailrace_local.template import declared_parameters, read_template
from tailrace_local.toolenvs import ensure_tool_environment

ROOT = Path(__file__).resolve().parents[2]
ARM64 = 183  # ELF e_machine: EM_AARCH64
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024  # Lambda quota: function and layers together
OF_THE_OUTER_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_sam(tmp_path_factory):
    """sam without telemetry, without its weekly look for a newer sam, with nothing written to the user's home."""
    sam = ensure_tool_environment("sam") / "bin" / "sam"
    home = tmp_path_factory.mktemp("sam-home")
    (home / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
    kept = {name: value for name, value in os.environ.items() if name not in OF_THE_OUTER_MAKE}
    own = {"SAM_CLI_TELEMETRY": "0", "__SAM_CLI_APP_DIR": str(home), "PYTHON": sys.executable}

    def run(*arguments, **variables):
        command = [sam, *arguments]
        environment = {**kept, **own, **variables}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture(scope="module")
def build(run_sam, tmp_path_factory):
    """Build for a platform; the folder of the artefact."""

    def build_for(**variables):
        directory = tmp_path_factory.mktemp("build")
        result = run_sam("build", "--build-dir", str(directory), **variables)
        assert result.returncode == 0, result.stderr
        return directory

    return build_for


@pytest.fixture(scope="module")
def deployable(build):
    """What `make build` makes."""
    return build()


@pytest.fixture(scope="module")
def native(build):
    """The same for the machine that runs this test."""
    return build(TAILRACE_BUILD_PLATFORM="native")


@pytest.fixture
def indexer(native, engine_url, tmp_path):
    """The artefact's indexer on the real runtime client, with Lambda's packages and its own, and no others."""
    streams = {name: stream_arn(name.removesuffix("StreamArn").lower()) for name in stream_parameters(native)}
    engine = {"OpenSearchUrl": engine_url, "OpenSearchService": "none"}
    built = read_template(native / "template.yaml", {**streams, **engine}).functions["IndexerFunction"]
    lambda_runtime = Surroundings(os.environ, runtime_packages=link_runtime_packages(tmp_path / "runtime"))
    spec = FunctionSpec(
        name=built.name,
        arn=built.arn,
        command=tuple(build_command(built, lambda_runtime)),
        directory=built.code,
        environment=lambda api: build_environment(built, lambda_runtime, api),
        logs=tmp_path,
        timeout_seconds=30,
    )
    function = LambdaFunction(spec)
    yield function
    function.close()


def stream_parameters(directory):
    return [name for name in declared_parameters(directory / "template.yaml") if name.endswith("StreamArn")]


def pinned(requirements):
    """`name==version` of every line of a requirement file that pins one."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return {line.split()[0] for line in lines if "==" in line and not line.startswith(("#", " "))}


def installed(directory):
    folders = (path.name.removesuffix(".dist-info").replace("_", "-") for path in directory.glob("*.dist-info"))
    return {"==".join(name.rsplit("-", 1)) for name in folders}


def machine(library):
    return int.from_bytes(library.read_bytes()[18:20], "little")


def test_the_template_is_valid_with_no_network_at_hand(run_sam):
    nowhere = "http://127.0.0.1:9"
    result = run_sam("validate", "--lint", HTTPS_PROXY=nowhere, HTTP_PROXY=nowhere)
    assert (result.returncode, result.stdout.count("is a valid SAM Template")) == (0, 1), result.stdout + result.stderr


def test_the_layer_holds_the_package_at_its_top(deployable):
    layer = deployable / "TailraceLayer"
    assert (layer / "python" / "tailrace" / "pipeline.py").is_file()
    assert (layer / "python" / "tailrace" / "adapters" / "opensearch.py").is_file()
    assert not (layer / "python" / "python").exists()


def test_the_layer_holds_the_compiled_tables(deployable):
    built = (deployable / "TailraceLayer" / "tables.json").read_bytes()
    assert built == (ROOT / "layers" / "tailrace" / "tables.json").read_bytes()


def test_the_layer_holds_the_pinned_packages_and_no_others(deployable):
    wanted = pinned(ROOT / "layers" / "tailrace" / "requirements.txt")
    assert installed(deployable / "TailraceLayer" / "python") == wanted


def test_every_library_in_the_layer_is_for_python_3_13_on_arm64(deployable):
    libraries = sorted((deployable / "TailraceLayer").rglob("*.so"))
    assert "orjson.cpython-313-aarch64-linux-gnu.so" in [path.name for path in libraries]
    assert {machine(path) for path in libraries} == {ARM64}


def test_the_layer_holds_the_native_accelerator_for_lambdas_processor(deployable):
    assert machine(deployable / "TailraceLayer" / "python" / "tailrace" / "_native.abi3.so") == ARM64


def test_the_accelerator_built_for_this_machine_imports_and_is_of_the_source(native):
    printing = "from tailrace.acceleration import NATIVE; print(NATIVE.FINGERPRINT)"
    environment = {"PYTHONPATH": str(native / "TailraceLayer" / "python"), "PATH": os.environ["PATH"]}
    said = subprocess.run([sys.executable, "-c", printing], env=environment, capture_output=True, text=True, timeout=60)

    assert (said.stdout.strip(), said.stderr) == (fingerprint(ROOT / "layers" / "tailrace" / "native"), "")


def test_the_layer_holds_no_bytecode_of_the_build_machine(deployable):
    assert not list((deployable / "TailraceLayer").rglob("*.pyc"))
    assert not list((deployable / "TailraceLayer").rglob("__pycache__"))


def test_the_function_is_its_handler_and_nothing_else(deployable):
    assert [path.name for path in (deployable / "IndexerFunction").iterdir()] == ["app.py"]


def test_function_and_layer_fit_lambda(deployable):
    sizes = [path.stat().st_size for path in deployable.rglob("*") if path.is_file()]
    assert sum(sizes) < MAX_UNZIPPED_BYTES / 10


def test_the_built_template_points_at_what_was_built(deployable):
    resources = load_document(deployable / "template.yaml")["Resources"]
    assert resources["IndexerFunction"]["Properties"]["CodeUri"] == "IndexerFunction"
    assert resources["TailraceLayer"]["Properties"]["ContentUri"] == "TailraceLayer"
    definition = deployable / resources["ReindexStateMachine"]["Properties"]["DefinitionUri"]
    assert definition.read_bytes() == (ROOT / "statemachines" / "reindex.asl.yaml").read_bytes()


def test_what_was_built_indexes_a_record_through_the_real_runtime_client(indexer, opensearch, corner):
    table = f"{corner}built"

    result = indexer.invoke(event(change_record(new=order("o-1"), table=table)))

    assert (result.function_error, result.payload) == (None, b'{"batchItemFailures": []}'), result.log
    document = opensearch.request("GET", f"/{table}/_doc/o-1")["_source"]
    assert (document["status"], document["ddb"]["table"]) == ("PAID", table)
