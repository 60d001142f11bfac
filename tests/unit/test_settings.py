"""What a service cannot take is refused before anything is sent to it."""

import pytest

from tailrace.settings import SettingsError, read_settings

MIB = 1024 * 1024
ENVIRONMENT = {
    "TAILRACE_TABLES": "/opt/tables.json",
    "OPENSEARCH_URL": "https://search.example",
    "DEAD_LETTER_BUCKET": "letters",
}


def settings(**variables):
    return read_settings(ENVIRONMENT | variables)


def test_failure_28_the_default_is_5_mib_whatever_the_service():
    services = ("es", "aoss", "none")

    assert [settings(OPENSEARCH_SERVICE=service).max_bulk_bytes for service in services] == [5 * MIB] * 3


@pytest.mark.parametrize(("service", "most"), [("aoss", 10 * MIB), ("es", 100 * MIB), ("none", 100 * MIB)])
def test_failure_28_a_request_is_no_larger_than_its_service_takes(service, most):
    given = {"OPENSEARCH_SERVICE": service, "TAILRACE_MAX_BULK_BYTES": str(most)}
    assert settings(**given).max_bulk_bytes == most

    with pytest.raises(SettingsError) as caught:
        settings(**given | {"TAILRACE_MAX_BULK_BYTES": str(most + 1)})
    assert str(caught.value) == (
        f"TAILRACE_MAX_BULK_BYTES is {most + 1}: with OPENSEARCH_SERVICE={service} it must be at most {most}."
    )


def test_bodies_are_compressed_where_that_is_asked_for():
    assert [settings().is_gzipped, settings(TAILRACE_GZIP="").is_gzipped] == [False, False]
    assert [settings(TAILRACE_GZIP=value).is_gzipped for value in ("on", "off")] == [True, False]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TAILRACE_GZIP": "yes"}, "TAILRACE_GZIP is 'yes': it must be on or off."),
        (
            {"TAILRACE_GZIP": "on", "OPENSEARCH_SERVICE": "aoss"},
            "TAILRACE_GZIP is on: with OPENSEARCH_SERVICE=aoss it must be off.",
        ),
    ],
)
def test_compression_that_cannot_be_is_named(variables, message):
    with pytest.raises(SettingsError) as caught:
        settings(**variables)
    assert str(caught.value) == message
