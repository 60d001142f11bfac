"""The tests of what the native accelerator speeds up run twice: in Python alone, and with it where it is built."""

import pytest

from tailrace import acceleration

ACCELERATED = {
    "test_bulk",
    "test_decoding",
    "test_export_identity",
    "test_failure_rows",
    "test_kinesis",
    "test_kinesis_order",
    "test_pipeline",
    "test_quarantine",
    "test_verifying",
}


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__.rpartition(".")[2] in ACCELERATED:
        metafunc.fixturenames.append("way")
        metafunc.parametrize("way", ["python", *(["native"] if acceleration.NATIVE else [])], indirect=True)


@pytest.fixture(scope="module")
def way(request):
    """`python` or `native`, for a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceleration, "NATIVE", acceleration.NATIVE if request.param == "native" else None)
        yield request.param
