"""The security plugin of an engine of this machine: its certificate, its first user, its settings.

The certificate is made by the `keytool` inside every Java, and the password is hashed by the plugin itself, so neither
needs a network, `openssl` or another package. TLS stays between nodes, where the plugin demands it; HTTP is loopback.

Invariant: the password is on disk as a hash alone, and the plugin's folder is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailrace.errors import UserError
from tailrace_local.server_recipes import SECURITY_PLUGIN

KEY_STORE = "node.p12"
TRUST_STORE = "trusted.p12"
CERTIFICATE = "node.crt"
PASSWORD_VARIABLE = "ADMINISTRATOR_PASSWORD"
TOOL_TIMEOUT_SECONDS = 60.0
NEW_KEY = "-genkeypair -keyalg EC -groupname secp256r1 -dname CN=tailrace -ext san=ip:127.0.0.1 -validity 3650"
BCRYPT_ROUNDS = 4
"""The fewest that there are: at the usual 12 each user's first request after any change of rights takes 0.3 s."""

TYPES: Mapping[str, str] = {
    "config": "config",
    "internal_users": "internalusers",
    "roles": "roles",
    "roles_mapping": "rolesmapping",
    "action_groups": "actiongroups",
    "tenants": "tenants",
    "nodes_dn": "nodesdn",
}
"""The plugin's files and their types: with one missing it never gets ready."""

BASIC_LOGIN: Mapping[str, Any] = {
    "dynamic": {
        "authc": {
            "basic": {
                "http_enabled": True,
                "order": 0,
                "http_authenticator": {"type": "basic", "challenge": True},
                "authentication_backend": {"type": "intern"},
            }
        }
    }
}


@dataclass(frozen=True, slots=True)
class Security:
    """The security plugin's first user, who may do everything. A restart on the same data needs the same one."""

    user: str = "admin"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)

    @property
    def login(self) -> tuple[str, str]:
        """Name and password, as HTTP asks for them."""
        return self.user, self.password

    @property
    def store_password(self) -> str:
        """The key stores' own, which the server's settings hold as it is: from it nobody learns the other one."""
        return hashlib.sha256(f"key stores of {self.user}:{self.password}".encode()).hexdigest()


def security_settings(security: Security) -> dict[str, str | bool | int | Sequence[str]]:
    """What `opensearch.yml` says of the plugin; file names are below the server's own settings."""
    transport = "plugins.security.ssl.transport."
    return {
        f"{transport}keystore_type": "PKCS12",
        f"{transport}keystore_filepath": KEY_STORE,
        f"{transport}keystore_password": security.store_password,
        f"{transport}truststore_type": "PKCS12",
        f"{transport}truststore_filepath": TRUST_STORE,
        f"{transport}truststore_password": security.store_password,
        f"{transport}enforce_hostname_verification": False,
        "plugins.security.ssl.http.enabled": False,
        "plugins.security.allow_default_init_securityindex": True,
        "plugins.security.restapi.roles_enabled": ["all_access"],
        "plugins.security.password.hashing.bcrypt.rounds": BCRYPT_ROUNDS,
    }


def prepare_security(security: Security, config: Path, java: Path, server: Path) -> None:
    """Writes certificate, key stores and the plugin's files below `config`, unless they are there already.

    Raises `UserError` where `java` or the plugin does not do its part.
    """
    folder = config / SECURITY_PLUGIN
    if folder.is_dir():
        return
    _make_key_stores(java, config, security.store_password)
    hashed = _hash_password(java, server, security.password)
    with tempfile.TemporaryDirectory(dir=config) as temporary:
        made = Path(temporary) / SECURITY_PLUGIN
        made.mkdir()
        for name, content in _files(security.user, hashed).items():
            (made / f"{name}.yml").write_text(json.dumps(content))
        made.rename(folder)


def _files(user: str, hashed: str) -> Mapping[str, Mapping[str, Any]]:
    contents: dict[str, Mapping[str, Any]] = {
        "config": {"config": BASIC_LOGIN},
        "internal_users": {user: {"hash": hashed, "backend_roles": ["admin"]}},
        "roles_mapping": {"all_access": {"users": [user]}},
    }
    return {
        name: {"_meta": {"type": type_, "config_version": 2}, **contents.get(name, {})} for name, type_ in TYPES.items()
    }


def _make_key_stores(java: Path, config: Path, password: str) -> None:
    def keytool(*arguments: str | Path) -> None:
        store = ["-alias", "node", "-storetype", "PKCS12", "-storepass:env", PASSWORD_VARIABLE]
        _run([java, "-m", "java.base/sun.security.tools.keytool.Main", *arguments, *store], password)

    for leftover in (KEY_STORE, TRUST_STORE, CERTIFICATE):
        (config / leftover).unlink(missing_ok=True)
    keytool(*NEW_KEY.split(), "-keystore", config / KEY_STORE)
    keytool("-exportcert", "-file", config / CERTIFICATE, "-keystore", config / KEY_STORE)
    keytool("-importcert", "-noprompt", "-file", config / CERTIFICATE, "-keystore", config / TRUST_STORE)


def _hash_password(java: Path, server: Path, password: str) -> str:
    classes = f"{server / 'plugins' / SECURITY_PLUGIN}/*{os.pathsep}{server / 'lib'}/*"
    hasher = "org.opensearch.security.tools.Hasher"
    options = ["-env", PASSWORD_VARIABLE, "-r", str(BCRYPT_ROUNDS)]
    return _run([java, "-XX:TieredStopAtLevel=1", "-cp", classes, hasher, *options], password).split()[-1]


def _run(arguments: Sequence[str | Path], password: str) -> str:
    environment = {"PATH": os.defpath, PASSWORD_VARIABLE: password}
    try:
        ended = subprocess.run(
            arguments, env=environment, capture_output=True, text=True, timeout=TOOL_TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{arguments[0]} could not prepare the security plugin: {error}") from error
    return ended.stdout
