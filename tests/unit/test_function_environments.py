"""Where a function's environment and imports come from."""

from function_builders import FIXTURES, declared

from tailrace_local.function_environments import Surroundings, build_environment, import_paths, locate_in_layers

LAYER = FIXTURES / "layer"


def environment(surroundings=None, **settings):
    around = Surroundings(parent={}) if surroundings is None else surroundings
    return build_environment(declared(**settings), around, "127.0.0.1:9001")


def test_a_variable_below_opt_means_the_layer_that_holds_the_file():
    assert locate_in_layers("/opt/tables.json", [FIXTURES / "functions", LAYER]) == str(LAYER / "tables.json")


def test_the_python_folder_of_a_layer_is_its_top_in_the_source(tmp_path):
    built = tmp_path / "python"
    built.mkdir()
    (built / "tables.json").write_text("{}")

    assert locate_in_layers("/opt/python/tables.json", [LAYER]) == str(LAYER / "tables.json")
    assert locate_in_layers("/opt/tables.json", [tmp_path]) == str(built / "tables.json")


def test_a_variable_below_opt_that_no_layer_holds_is_looked_for_in_the_last_one():
    assert locate_in_layers("/opt/missing.json", [LAYER]) == str(LAYER / "missing.json")


def test_other_values_stay_as_they_are():
    assert locate_in_layers("s3://opt/x", [LAYER]) == "s3://opt/x"


def test_a_built_layer_is_imported_from_its_python_folder(tmp_path):
    (tmp_path / "python").mkdir()
    function = declared(layers=(LAYER, tmp_path))

    assert import_paths(function, Surroundings(parent={})) == [function.code, LAYER, tmp_path / "python"]


def test_the_runtimes_own_packages_come_last(tmp_path):
    function = declared(layers=(LAYER,))

    assert import_paths(function, Surroundings(parent={}, runtime_packages=tmp_path))[-1] == tmp_path


def test_the_templates_variables_win():
    assert environment(variables={"AWS_REGION": "eu-west-1"})["AWS_REGION"] == "eu-west-1"


def test_the_endpoint_is_the_emulators_or_awss_own():
    around = Surroundings(parent={}, endpoint_url="http://127.0.0.1:14566")

    assert environment(around)["AWS_ENDPOINT_URL"] == "http://127.0.0.1:14566"
    assert "AWS_ENDPOINT_URL" not in environment()


def test_the_log_format_is_the_templates():
    assert environment(log_format="JSON", log_level="WARN")["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert environment(log_format="JSON", log_level="WARN")["AWS_LAMBDA_LOG_LEVEL"] == "WARN"
