"""A server put together from parts: each in its place, each pinned, and whole or not there at all."""

import hashlib
import json
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tailrace.errors import UserError
from tailrace_local import server_recipes
from tailrace_local.server_homes import ensure_server_home, home_name
from tailrace_local.server_recipes import RECIPES, SECURITY_PLUGIN, read_recipe

TRANSPORT = "opensearch-1.0/modules/transport-netty4"


class Repository:
    """A Maven repository on loopback; `broken` paths break off in the middle."""

    def __init__(self, folder):
        self.folder = folder
        self.requests = []
        self.broken = set()

    def publish(self, coordinates, content):
        """Publishes a file and answers its digest."""
        group, name, version, packaging = coordinates.split(":")
        path = self.folder / group.replace(".", "/") / name / version / f"{name}-{version}.{packaging}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return {coordinates: hashlib.sha256(content).hexdigest()}

    def answer(self, path):
        """What is sent for a path: how long it is said to be, and what comes; None where there is nothing."""
        file = self.folder / path.removeprefix("/maven2/")
        self.requests.append(file.name)
        if not file.is_file():
            return None
        content = file.read_bytes()
        return len(content), content[: len(content) // 2] if file.name in self.broken else content


@pytest.fixture
def repository(tmp_path):
    repository = Repository(tmp_path / "repository")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer = repository.answer(self.path)
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(answer[0] if answer else 0))
            self.end_headers()
            self.wfile.write(answer[1] if answer else b"")

        def log_message(self, *_):
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        repository.url = f"http://127.0.0.1:{server.server_port}/maven2"
        yield repository
        server.shutdown()


def zipped(tmp_path, **members):
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path.read_bytes()


@pytest.fixture
def recipe(repository, tmp_path, monkeypatch):
    """A published server 1.0 of two parts, and its recipe."""
    server = {f"{TRANSPORT}/plugin-descriptor.properties": "java.version=11\n", "opensearch-1.0/lib/core.jar": "core"}
    wire = {
        "megabytes": 1,
        "server": repository.publish("org.example:opensearch:1.0:zip", zipped(tmp_path, **server)),
        "modules": {
            "script": {
                "class": "org.example.Script",
                "extends": ["base"],
                "policy": ["createClassLoader"],
                "jars": repository.publish("org.example:script-client:1.0:jar", b"script")
                | repository.publish("org.example:asm:9:jar", b"asm"),
            },
            "plain": {
                "class": "org.example.Plain",
                "extends": [],
                "policy": [],
                "jars": repository.publish("org.example:plain:1.0:jar", b"plain"),
            },
        },
        "plugins": {
            SECURITY_PLUGIN: {
                "megabytes": 2,
                "zip": repository.publish("org.example:guard:1.0:zip", zipped(tmp_path, **{"guard.jar": "guard"})),
            }
        },
    }
    path = tmp_path / "recipes.json"
    path.write_text(json.dumps({"1.0": wire}))
    monkeypatch.setattr(server_recipes, "RECIPES", path)
    return read_recipe("1.0")


@pytest.fixture
def environ(repository, tmp_path):
    return {"TAILRACE_HOME": str(tmp_path / "home"), "TAILRACE_MAVEN_URL": repository.url}


def files(home):
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


def test_every_jar_stands_in_the_folder_of_its_module(recipe, environ):
    home = ensure_server_home("1.0", environ)

    assert files(home) == [
        "lib/core.jar",
        "modules/plain/plain-1.0.jar",
        "modules/plain/plugin-descriptor.properties",
        "modules/script/asm-9.jar",
        "modules/script/plugin-descriptor.properties",
        "modules/script/plugin-security.policy",
        "modules/script/script-client-1.0.jar",
        "modules/transport-netty4/plugin-descriptor.properties",
    ]


def test_a_module_describes_itself_with_the_java_of_the_servers_own(recipe, environ):
    module = ensure_server_home("1.0", environ) / "modules" / "script"

    assert (module / "plugin-descriptor.properties").read_text().splitlines() == [
        "name=script",
        "description=assembled",
        "classname=org.example.Script",
        "version=1.0",
        "opensearch.version=1.0",
        "java.version=11",
        "extended.plugins=base",
        "has.native.controller=false",
    ]
    assert (module / "plugin-security.policy").read_text().split() == [
        "grant", "{", "permission", "java.lang.RuntimePermission", '"createClassLoader";', "};",
    ]  # fmt: skip


def test_the_security_plugin_makes_a_home_of_its_own(recipe, environ):
    notices = []

    plain = ensure_server_home("1.0", environ, notices.append)
    secured = ensure_server_home("1.0", environ, notices.append, with_security=True)

    assert plain != secured
    assert [name for name in files(secured) if name not in files(plain)] == ["plugins/opensearch-security/guard.jar"]
    assert notices == ["Fetching OpenSearch 1.0 (once, 1 MB)", "Fetching OpenSearch 1.0 (once, 3 MB)"]


def test_what_is_there_is_not_asked_for_again(recipe, environ, repository):
    ensure_server_home("1.0", environ)
    ensure_server_home("1.0", environ, with_security=True)
    asked = [name for name in repository.requests if not name.endswith(".sha1")]

    assert ensure_server_home("1.0", environ | {"TAILRACE_MAVEN_URL": "http://127.0.0.1:9"}).is_dir()
    assert sorted(asked) == [
        "asm-9.jar",
        "guard-1.0.zip",
        "opensearch-1.0.zip",
        "plain-1.0.jar",
        "script-client-1.0.jar",
    ]


@pytest.mark.parametrize("name", ["plain-1.0.jar", "opensearch-1.0.zip"])
def test_a_download_that_breaks_off_leaves_no_home_and_the_next_attempt_succeeds(recipe, environ, repository, name):
    repository.broken.add(name)
    with pytest.raises(UserError, match=r"cannot fetch|arrived damaged"):
        ensure_server_home("1.0", environ)
    assert not [path for path in repository.folder.parent.glob("home/engines/*") if path.is_dir()]

    repository.broken.clear()

    assert len(files(ensure_server_home("1.0", environ))) == 8


def test_a_part_with_another_digest_is_refused(recipe, environ, repository):
    repository.publish("org.example:asm:9:jar", b"something else")

    with pytest.raises(UserError, match=r"^asm-9\.jar arrived damaged 2 times"):
        ensure_server_home("1.0", environ)


def test_a_changed_recipe_is_another_home(recipe, environ, tmp_path):
    before = ensure_server_home("1.0", environ)
    path = tmp_path / "recipes.json"
    path.write_text(path.read_text().replace("org.example.Plain", "org.example.Plainer"))

    after = ensure_server_home("1.0", environ)

    assert before != after
    assert before.is_dir()


def test_every_pinned_recipe_is_complete():
    versions = json.loads(RECIPES.read_text())

    assert sorted(versions) == ["2.19.4", "3.5.0", "3.7.0"]
    for version in versions:
        recipe = read_recipe(version)
        plugins = [plugin.archive for plugin in recipe.plugins.values()]
        assert {len(artifact.sha256) for artifact in (recipe.server, *recipe.jars, *plugins)} == {64}


def test_the_newest_is_one_file_and_its_home_needs_no_fingerprint():
    assert read_recipe("3.7.0").modules == ()
    assert home_name(read_recipe("3.7.0"), []) == "opensearch-3.7.0"


def test_2_19_4_is_assembled_from_the_modules_that_3_7_is_used_with():
    recipe = read_recipe("2.19.4")

    assert sorted(module.name for module in recipe.modules) == [
        "aggs-matrix-stats",
        "geo",
        "ingest-common",
        "lang-mustache",
        "lang-painless",
        "mapper-extras",
        "parent-join",
        "percolator",
        "rank-eval",
        "reindex",
    ]
    assert len(set(recipe.jars)) == len(recipe.jars)


def test_a_version_without_the_security_plugin_says_so():
    with pytest.raises(
        UserError, match=r"^no opensearch-security plugin is held for OpenSearch 3\.7\.0: choose a version"
    ):
        ensure_server_home("3.7.0", {"TAILRACE_HOME": "/no/such/home"}, with_security=True)
