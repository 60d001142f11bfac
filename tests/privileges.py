"""A real OpenSearch with the security plugin, where one user has the rights that a test gives it and no others."""

import copy
import json
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import requests
from requests.auth import HTTPBasicAuth

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.tables import Tables, load_tables

ROLES = Path(__file__).resolve().parents[1] / "docs/security-roles"
SUBJECT = "subject"
PASSWORD = "Quince-7-Lantern-Meadow"
Role = dict[str, Any]
SLOTS = ("first", "second")
NO_RIGHTS: Role = {"cluster_permissions": []}


def read_role(name: str) -> Role:
    """The role that the docs tell operators to create."""
    role: Role = json.loads((ROLES / f"{name}.json").read_text())
    return role


def rights(role: Role) -> list[str]:
    """Every right of a role, as `cluster …` or `index …`."""
    (indices,) = role["index_permissions"]
    return [
        *(f"cluster {action}" for action in role["cluster_permissions"]),
        *(f"index {action}" for action in indices["allowed_actions"]),
    ]


def without(role: Role, *lost: str) -> Role:
    """A role without some of its rights."""
    less = copy.deepcopy(role)
    (indices,) = less["index_permissions"]
    less["cluster_permissions"] = [action for action in role["cluster_permissions"] if f"cluster {action}" not in lost]
    indices["allowed_actions"] = [action for action in indices["allowed_actions"] if f"index {action}" not in lost]
    return less


def specs(**more: Any) -> Tables:
    """Tables below the roles' own prefix; `hard` deletes for good."""
    named = {"orders": {"key": ["id"]}, "hard": {"key": ["id"], "deletes": "hard"}}
    return load_tables({"defaults": {"index_prefix": "tailrace-"}, "tables": named | more})


@dataclass
class Domain:
    """A secured engine and its administrator."""

    url: str
    admin: tuple[str, str]
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A request of the administrator that succeeds."""
        response = self.session.request(method, self.url + path, json=body, auth=self.admin, timeout=30)
        response.raise_for_status()
        return response

    def ask_as_subject(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A request of the subject, whatever the answer; a body that is bytes is NDJSON."""
        content = {"json": body} if not isinstance(body, bytes) else {"data": body}
        headers = {"Content-Type": "application/x-ndjson"} if isinstance(body, bytes) else {}
        login = (SUBJECT, PASSWORD)
        return self.session.request(method, self.url + path, headers=headers, auth=login, timeout=30, **content)

    def introduce(self) -> None:
        """Makes the subject, without any right."""
        self.ask("PUT", f"/_plugins/_security/api/internalusers/{SUBJECT}", {"password": PASSWORD})
        for slot in SLOTS:
            self.ask("PUT", f"/_plugins/_security/api/roles/{slot}", NO_RIGHTS)
            self.ask("PUT", f"/_plugins/_security/api/rolesmapping/{slot}", {"users": [SUBJECT]})
        self.ask("PUT", "/other-1", {"mappings": {"properties": {"secret": {"type": "keyword"}}}})

    def grant(self, *roles: Role) -> OpenSearchEngine:
        """The engine as the subject sees it with these rights, and no index of Tailrace's."""
        self.ask("DELETE", "/tailrace-*,elsewhere-*")
        for slot, role in zip_longest(SLOTS, roles, fillvalue=NO_RIGHTS):
            self.ask("PUT", f"/_plugins/_security/api/roles/{slot}", role)
        return OpenSearchEngine(self.url, auth=HTTPBasicAuth(SUBJECT, PASSWORD), session=requests.Session())

    def as_admin(self) -> OpenSearchEngine:
        """The engine as its administrator sees it."""
        return OpenSearchEngine(self.url, auth=HTTPBasicAuth(*self.admin), session=requests.Session())

    def refresh(self) -> None:
        """Makes all that is written visible to searches."""
        self.ask("POST", "/tailrace-*/_refresh")
