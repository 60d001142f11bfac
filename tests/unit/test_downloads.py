"""Downloads: checked before use, fetched again when damaged, unpacked in one step."""

import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tailrace.errors import UserError
from tailrace_local.downloads import MavenArtifact, ensure_made, fetch_artifact, fetch_checked, sha256_of, unpack
from tailrace_local.server_homes import ensure_server_home, is_wanted
from tailrace_local.server_recipes import read_recipe

GOOD = b"what was meant"
GOOD_SHA256 = hashlib.sha256(GOOD).hexdigest()


class Registry:
    """A registry in a folder: each fetch delivers the next of its contents, and is counted."""

    def __init__(self, path, *contents):
        self.path = path
        self.contents = list(contents)
        self.fetches = 0

    def fetch(self):
        self.fetches += 1
        self.path.write_bytes(self.contents.pop(0))
        return self.path


class ArchiveRegistry:
    """A registry that delivers one ZIP file, and counts how often."""

    def __init__(self, path, *members):
        self.path = path
        self.members = members
        self.fetches = 0

    def fetch(self):
        self.fetches += 1
        with zipfile.ZipFile(self.path, "w") as archive:
            for member in self.members:
                archive.writestr(member, member)
        return self.path

    def ensure(self, directory, *wanted):
        """The archive, unpacked at `directory`."""
        return ensure_made(directory, lambda folder: unpack(self.fetch(), folder, *wanted))


class ZipServer(HTTPServer):
    """A Maven repository on loopback with one content for every path and no digests; entering it answers its URL."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ZipHandler)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self.server_port}/maven2"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class ZipHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path.endswith(".sha1") else 200)
        self.send_header("Content-Length", str(len(GOOD)))
        self.end_headers()
        self.wfile.write(GOOD)

    def log_message(self, *_):
        return


def test_a_file_with_the_pinned_digest_is_taken(tmp_path):
    registry = Registry(tmp_path / "file", GOOD)

    assert fetch_checked(registry.fetch, GOOD_SHA256).read_bytes() == GOOD
    assert registry.fetches == 1


def test_a_damaged_file_is_removed_and_fetched_once_more(tmp_path):
    registry = Registry(tmp_path / "file", GOOD[:-1], GOOD)

    assert fetch_checked(registry.fetch, GOOD_SHA256).read_bytes() == GOOD
    assert registry.fetches == 2


def test_a_file_that_is_damaged_twice_is_refused_and_removed(tmp_path):
    registry = Registry(tmp_path / "server.zip", b"damaged", b"damaged again", GOOD)

    with pytest.raises(UserError, match=r"^server\.zip arrived damaged 2 times .* try again later"):
        fetch_checked(registry.fetch, GOOD_SHA256)

    assert registry.fetches == 2
    assert not (tmp_path / "server.zip").exists()


def test_the_digest_is_of_the_whole_file(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)

    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_an_archive_is_unpacked_without_its_top_folder(tmp_path):
    registry = ArchiveRegistry(tmp_path / "a.zip", "server-1/lib/a.jar", "server-1/README")

    home = registry.ensure(tmp_path / "engines" / "server")

    assert (home / "lib" / "a.jar").read_text() == "server-1/lib/a.jar"
    assert sorted(path.name for path in home.parent.iterdir()) == ["server", "server.lock"]


def test_what_is_unpacked_is_not_fetched_again(tmp_path):
    registry = ArchiveRegistry(tmp_path / "a.zip", "server-1/README")

    registry.ensure(tmp_path / "server")
    registry.ensure(tmp_path / "server")

    assert registry.fetches == 1


def test_of_two_that_unpack_at_once_one_works_and_both_have_it(tmp_path):
    registry = ArchiveRegistry(tmp_path / "a.zip", "server-1/README")
    threads = [threading.Thread(target=registry.ensure, args=(tmp_path / "server",)) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert registry.fetches == 1
    assert (tmp_path / "server" / "README").exists()


def test_an_unpacking_that_breaks_off_leaves_nothing_half(tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"PK no archive")

    with pytest.raises(zipfile.BadZipFile):
        ensure_made(tmp_path / "engines" / "server", lambda folder: unpack(tmp_path / "broken.zip", folder))

    assert [path.name for path in (tmp_path / "engines").iterdir()] == ["server.lock"]


def test_what_a_killed_process_left_half_made_is_removed_by_the_next(tmp_path):
    registry = ArchiveRegistry(tmp_path / "a.zip", "server-1/README")
    half = tmp_path / "engines" / ".server-a1b2c3d4"
    half.mkdir(parents=True)
    (half / "part").write_text("half")

    registry.ensure(tmp_path / "engines" / "server")

    assert sorted(path.name for path in half.parent.iterdir()) == ["server", "server.lock"]


def test_unwanted_members_stay_packed(tmp_path):
    registry = ArchiveRegistry(
        tmp_path / "a.zip", "s/modules/geo/geo.jar", "s/modules/ingest-geoip/world.mmdb", "s/lib/x.jar"
    )

    home = registry.ensure(tmp_path / "server", is_wanted)

    assert sorted(str(path.relative_to(home)) for path in home.rglob("*.*")) == ["lib/x.jar", "modules/geo/geo.jar"]


def test_an_unreachable_repository_is_one_sentence_that_names_it(tmp_path):
    artifact = MavenArtifact("org.example", "thing", "1.0", "zip", GOOD_SHA256)
    environ = {"TAILRACE_MAVEN_URL": "http://me:secret@127.0.0.1:9/maven2"}

    with pytest.raises(UserError) as caught:
        fetch_artifact(artifact, tmp_path, environ)

    assert str(caught.value) == (
        "cannot fetch org.example:thing:1.0:zip from http://127.0.0.1:9: "
        "check the network or TAILRACE_MAVEN_URL; nothing of it is cached"
    )


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path):
    artifact = MavenArtifact("org.example", "thing", "1.0", "zip", GOOD_SHA256)
    (tmp_path / "cache").write_text("a file, no folder")

    with (
        ZipServer() as url,
        pytest.raises(UserError, match=r"^cannot store org\.example:thing:1\.0:zip below .*cache:"),
    ):
        fetch_artifact(artifact, tmp_path / "cache", {"TAILRACE_MAVEN_URL": url})


def test_a_file_is_fetched_from_the_named_repository(tmp_path):
    artifact = MavenArtifact("org.example", "thing", "1.0", "zip", GOOD_SHA256)

    with ZipServer() as url:
        fetched = fetch_artifact(artifact, tmp_path, {"TAILRACE_MAVEN_URL": url})

    assert fetched == tmp_path / "org/example/thing/1.0/thing-1.0.zip"
    assert fetched.read_bytes() == GOOD


def test_a_cached_file_needs_no_repository(tmp_path):
    artifact = MavenArtifact("org.example", "thing", "1.0", "zip", GOOD_SHA256)
    cached = tmp_path / "org/example/thing/1.0/thing-1.0.zip"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(GOOD)

    assert fetch_artifact(artifact, tmp_path, {"TAILRACE_MAVEN_URL": "http://127.0.0.1:9/maven2"}) == cached


def test_a_server_whose_digest_nobody_holds_is_refused():
    with pytest.raises(
        UserError, match=r"^no digest is held for OpenSearch 9\.9\.9: choose one of 2\.19\.4, 3\.5\.0, 3\.7"
    ):
        read_recipe("9.9.9")


def test_an_unreachable_repository_with_nothing_cached_stops_the_server_home(tmp_path):
    environ = {"TAILRACE_HOME": str(tmp_path), "TAILRACE_MAVEN_URL": "http://127.0.0.1:9/maven2"}

    with pytest.raises(UserError, match=r"cannot fetch org\.opensearch.*:opensearch:3\.7\.0:zip from http://127"):
        ensure_server_home("3.7.0", environ)

    assert not (tmp_path / "engines" / "opensearch-3.7.0").exists()


def test_a_damaged_server_in_the_cache_is_removed_before_it_is_fetched_again(tmp_path):
    environ = {"TAILRACE_HOME": str(tmp_path), "TAILRACE_MAVEN_URL": "http://127.0.0.1:9/maven2"}
    cached = tmp_path / "maven/org/opensearch/distribution/integ-test-zip/opensearch/3.7.0/opensearch-3.7.0.zip"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a download")

    with pytest.raises(UserError, match=r"^cannot fetch"):
        ensure_server_home("3.7.0", environ)

    assert not cached.exists()
