"""What the security plugin is given: complete or not at all, and no password in clear."""

import pytest

from tailrace.errors import UserError
from tailrace_local.engine_security import Security, prepare_security, security_settings

SECURITY = Security(password="in clear")


@pytest.fixture
def java(tmp_path):
    """Stands for Java: makes the file that a `-keystore` or `-file` names, and prints a hash."""
    executable = tmp_path / "java"
    executable.write_text(
        "#!/bin/sh\n"
        "while [ $# -gt 0 ]; do\n"
        '    case "$1" in -keystore|-file) echo "$ADMINISTRATOR_PASSWORD" > "$2";; esac; shift\n'
        "done\n"
        "echo some warning\necho '$2y$04$hash'\n"
    )
    executable.chmod(0o755)
    return executable


@pytest.fixture
def config(tmp_path):
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


def test_all_that_the_plugin_wants_is_there_and_the_password_is_not(java, config, tmp_path):
    prepare_security(SECURITY, config, java, tmp_path)

    assert sorted(str(path.relative_to(config)) for path in config.rglob("*.*")) == [
        "node.crt",
        "node.p12",
        "opensearch-security/action_groups.yml",
        "opensearch-security/config.yml",
        "opensearch-security/internal_users.yml",
        "opensearch-security/nodes_dn.yml",
        "opensearch-security/roles.yml",
        "opensearch-security/roles_mapping.yml",
        "opensearch-security/tenants.yml",
        "trusted.p12",
    ]
    assert "$2y$04$hash" in (config / "opensearch-security/internal_users.yml").read_text()
    assert not [path for path in config.rglob("*.*") if "in clear" in path.read_text()]
    assert "in clear" not in str(security_settings(SECURITY)) + repr(SECURITY)


def test_what_is_there_is_left_as_it_is(java, config, tmp_path):
    prepare_security(SECURITY, config, java, tmp_path)
    (config / "node.p12").write_text("as it was")

    prepare_security(SECURITY, config, java, tmp_path)

    assert (config / "node.p12").read_text() == "as it was"


def test_a_tool_that_fails_is_named_and_leaves_no_folder_of_the_plugin(java, config, tmp_path):
    java.write_text("#!/bin/sh\nexit 1\n")

    with pytest.raises(UserError, match=r"java could not prepare the security plugin: ") as caught:
        prepare_security(SECURITY, config, java, tmp_path)

    assert "in clear" not in str(caught.value)
    assert list(config.iterdir()) == []


def test_two_secured_servers_have_two_passwords():
    assert Security().password != Security().password
