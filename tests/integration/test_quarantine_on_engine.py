"""Law 5 on a real OpenSearch: whatever field it refuses, the rest of the document and its neighbours are indexed."""

import orjson
import pytest
import requests
from builders import SECOND, Indexer, change_record, order

from tailrace.attributes import digest
from tailrace.contents import content_digest
from tailrace.documents import split_document
from tailrace.generations import build_index_request
from tailrace.tables import load_tables

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]

FIELDS = {
    "created": {"type": "date"},
    "place": {"type": "geo_point"},
    "area": {"type": "geo_shape"},
    "host": {"type": "ip"},
    "amount": {"type": "number"},
    "count": {"type": "number", "format": "long"},
    "done": {"type": "boolean"},
    "payload": {"type": "flat"},
    "lines": {"type": "nested"},
    "code": {"type": "keyword"},
    "home.point": {"type": "geo_point"},
}
TEXT, NUMBER, FLAG = {"S": "some text"}, {"N": "1"}, {"BOOL": True}
MAP = {"M": {"x": {"N": "1"}}}
LONG_TEXT = {"S": "é" * 20_000}


@pytest.fixture
def make_indexer(opensearch, corner):
    def make(fields=FIELDS, **orders):
        specs = {"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"], "fields": fields} | orders}}
        return Indexer(tables=load_tables(specs), engine=opensearch)

    return make


@pytest.fixture
def indexer(make_indexer, corner):
    indexer = make_indexer()
    indexer.index(insert("first", text=TEXT, number=NUMBER, flag=FLAG, map=MAP))
    return indexer


def insert(id_, sequence=1, **attributes):
    return change_record(new=order(id_, **attributes), sequence=sequence)


def source(indexer, corner, id_):
    """The stored bytes of a document, and the document."""
    url = f"{indexer.engine.url}/{corner}orders/_source/{id_}"
    response = requests.get(url, timeout=10)
    return response.content, orjson.loads(response.content)


def exactly(stored):
    """A stored document, its numbers with their own digits."""
    fields, bookkeeping = split_document(stored)
    return {**fields, "ddb": bookkeeping}


def found(indexer, corner, query):
    indexer.engine.request("POST", f"/{corner}orders/_refresh")
    answer = indexer.engine.request("POST", f"/{corner}orders/_search", {"size": 1000, "query": query})
    return {hit["_id"] for hit in answer["hits"]["hits"]}


CASES = {
    "an object where the index has text": {"text": MAP},
    "an object where the index has a number": {"number": MAP},
    "an object where the index has a flag": {"flag": MAP},
    "text where the index has a flag": {"flag": TEXT},
    "a scalar where the index has an object": {"map": TEXT},
    "a list of scalars where the index has an object": {"map": {"L": [TEXT]}},
    "an object among the texts of a list": {"text": {"L": [TEXT, MAP]}},
    "an object deep in a map": {"map": {"M": {"x": {"M": {"y": NUMBER}}}}},
    "a malformed date": {"created": TEXT},
    "a number for a date": {"created": NUMBER},
    "a point beyond the pole": {"place": {"M": {"lat": {"N": "91"}, "lon": {"N": "0"}}}},
    "half a point": {"place": {"M": {"lat": {"N": "1"}}}},
    "a malformed shape": {"area": TEXT},
    "a malformed address": {"host": TEXT},
    "a malformed number": {"amount": TEXT},
    "a number beyond a long": {"count": {"N": "1e38"}},
    "a number for a declared flag": {"done": NUMBER},
    "a scalar in a flat field": {"payload": TEXT},
    "a term too long in a flat field": {"payload": {"M": {"note": LONG_TEXT}}},
    "a scalar in a nested field": {"lines": TEXT},
    "an object in a keyword": {"code": MAP},
    "a malformed point in a map": {"home": {"M": {"point": {"M": {"lat": {"S": "x"}, "lon": {"S": "y"}}}}}},
    "a new list of numbers and text": {"fresh": {"L": [NUMBER, TEXT]}},
    "a new list of text and numbers": {"fresh": {"L": [TEXT, NUMBER]}},
    "a new list of flags and text": {"fresh": {"L": [FLAG, TEXT]}},
    "a new list of a number and an object": {"fresh": {"L": [NUMBER, MAP]}},
    "a mixed list in a new map": {"fresh": {"M": {"a": {"L": [NUMBER, MAP]}}}},
    "a dotted name below a number": {"number.part": NUMBER},
    "a dotted name and its scalar head": {"head.part": NUMBER},
}


@pytest.mark.parametrize("bad", CASES.values(), ids=CASES)
def test_a_field_that_the_engine_refuses_is_set_apart_and_neighbours_are_indexed(indexer, corner, bad):
    report = indexer.index(
        insert("b", 2, head=NUMBER),
        insert("c", 3, head=NUMBER, other=TEXT, **bad),
        insert("d", 4),
    )

    counts = report.account.as_dict()
    assert (counts["records_in"], counts["indexed"], report.counts["quarantined"]) == (3, 3, 1)
    _, document = source(indexer, corner, "c")
    assert list(document["ddb"]["rejected"]) == list(bad)
    assert set(document) == {"id", "status", "total", "head", "other", "ddb"}
    assert indexer.letters.letters == {}


def test_many_bad_fields_of_one_document_are_all_set_apart(indexer, corner):
    bad = {"text": MAP, "created": TEXT, "host": TEXT, "map": TEXT, "fresh": {"L": [NUMBER, TEXT]}}

    assert indexer.counts(insert("b", 2, other=TEXT, **bad)) == {"indexed": 1}

    _, document = source(indexer, corner, "b")
    assert document["ddb"]["rejected_fields"] == ["created", "fresh", "host", "map", "text"]
    assert set(document) == {"id", "status", "total", "other", "ddb"}


def test_a_reason_is_kept_beside_the_value(indexer, corner):
    indexer.index(insert("b", 2, created=TEXT))

    entry = source(indexer, corner, "b")[1]["ddb"]["rejected"]["created"]
    assert entry["value"] == "some text"
    assert "created" in entry["reason"]


def test_documents_with_rejected_fields_are_found_by_the_name_of_the_field(indexer, corner):
    indexer.index(insert("b", 2, created=TEXT), insert("c", 3, host=TEXT), insert("d", 4))

    assert found(indexer, corner, {"exists": {"field": "ddb.rejected_fields"}}) == {"b", "c"}
    assert found(indexer, corner, {"term": {"ddb.rejected_fields": "host"}}) == {"c"}
    assert found(indexer, corner, {"term": {"status": "PAID"}}) == {"first", "b", "c", "d"}


def test_law_4_digits_are_exact_and_the_digest_is_that_of_the_whole_item(indexer, corner):
    numbers = ["0.12345678901234567890123456789012345678", "9" * 38 + "0" * 88, "-0." + "0" * 129 + "1", "1.5"]
    typed = [{"N": number} for number in numbers]

    indexer.index(insert("b", 2, text={"M": {"numbers": {"L": typed}}}, amount=typed[0]))

    stored, document = source(indexer, corner, "b")
    assert f'"value":{{"numbers":[{",".join(numbers)}]}}'.encode() in stored
    assert f'"amount":{numbers[0]},'.encode() in stored
    assert content_digest(exactly(stored)) == document["ddb"]["digest"]
    assert document["ddb"]["digest"] != digest(b"{}")


def test_fields_beyond_the_limit_are_set_apart_and_known_ones_stay(make_indexer, corner):
    indexer = make_indexer(fields={})
    wide = insert("a", 1, **{f"f{n:03}": TEXT for n in range(600)})

    counts = indexer.counts(insert("first"), wide, insert("c", 3))

    assert counts == {"indexed": 3}
    _, document = source(indexer, corner, "a")
    assert len(document["ddb"]["rejected"]) == 600 - 490
    assert document["ddb"]["rejected_fields"][0] == "f490"
    assert document["status"] == "PAID"


def test_a_full_index_costs_a_few_probes_for_each_document(make_indexer, corner):
    indexer = make_indexer(fields={})
    indexer.index(insert("first", 1, map=MAP))
    indexer.index(insert("full", 1, **{f"f{n:03}": TEXT for n in range(492)}))
    records = [insert(f"o-{n}", n, **{f"own{n}": TEXT, "map": {"M": {f"k{n}": TEXT}}}) for n in range(2, 102)]

    report = indexer.index(*records)

    assert report.account.as_dict()["indexed"] == 100
    assert report.counts["quarantined"] == 100
    _, document = source(indexer, corner, "o-2")
    assert document["ddb"]["rejected_fields"] == ["map", "own2"]
    assert report.counts["probes"] <= 250
    assert report.counts["bulk_requests"] == 2


def test_a_document_deeper_than_the_index_takes_loses_its_deep_field(make_indexer, corner):
    indexer = make_indexer(fields={})
    spec = indexer.tables.spec("orders")
    request = build_index_request(spec, f"{corner}orders")
    request["settings"]["index"]["mapping"]["depth"]["limit"] = 5
    indexer.engine.ensure_index(f"{corner}orders", request)
    deep = {"M": {"1": {"M": {"2": {"M": {"3": {"M": {"4": {"M": {"5": NUMBER}}}}}}}}}}

    assert indexer.counts(insert("a", 1, deep=deep, flat=MAP)) == {"indexed": 1}

    _, document = source(indexer, corner, "a")
    assert document["ddb"]["rejected"]["deep"]["value"] == {"1": {"2": {"3": {"4": {"5": 1}}}}}
    assert document["flat"] == {"x": 1}


def test_an_item_as_deep_as_dynamodb_allows_needs_no_quarantine(indexer, corner):
    deep = NUMBER
    for _ in range(31):
        deep = {"M": {"m": deep}}

    report = indexer.index(insert("b", 2, deep=deep))

    assert report.account.as_dict()["indexed"] == 1
    assert "quarantined" not in report.counts


def test_odd_names_beside_a_bad_field_stay_where_they_are(indexer, corner):
    odd = {
        ".a": TEXT,
        "a..b": TEXT,
        " ": TEXT,
        "_id": TEXT,
        "": TEXT,
        "x.": TEXT,
        "50%": TEXT,
        "*": TEXT,
        "é\x00": TEXT,
    }

    assert indexer.counts(insert("b", 2, created=TEXT, **odd)) == {"indexed": 1}

    _, document = source(indexer, corner, "b")
    assert list(document["ddb"]["rejected"]) == ["created"]
    assert {"%2Ea", "a%2E%2Eb", "%20", "%5Fid", "%", "x%2E", "50%25", "*", "é\x00"} < set(document)


def test_odd_names_themselves_are_set_apart_when_refused(indexer, corner):
    odd = {"[text]": MAP, '"quoted"': MAP, "a'b": MAP}
    indexer.index(insert("b", 2, **dict.fromkeys(odd, TEXT)))

    assert indexer.counts(insert("c", 3, **odd)) == {"indexed": 1}
    assert set(source(indexer, corner, "c")[1]["ddb"]["rejected"]) == set(odd)


def test_a_name_too_long_for_the_engine_is_set_apart_or_taken(indexer, corner):
    assert indexer.counts(insert("b", 2, **{"n" * 60_000: TEXT})) == {"indexed": 1}  # 2.19 takes it, 3.x does not

    stored, document = source(indexer, corner, "b")
    assert content_digest(exactly(stored)) == document["ddb"]["digest"]


def test_a_value_that_quotes_another_field_misleads_nobody(indexer, corner):
    assert indexer.counts(insert("b", 2, created={"S": "[status] [total] 'id'"})) == {"indexed": 1}

    _, document = source(indexer, corner, "b")
    assert list(document["ddb"]["rejected"]) == ["created"]


def test_the_policy_dead_letter_keeps_the_document_whole(make_indexer, corner):
    indexer = make_indexer(on_type_conflict="dead_letter")

    counts = indexer.counts(insert("a"), insert("b", 2, created=TEXT), insert("c", 3))

    assert counts == {"indexed": 2, "dead_lettered": 1}
    assert found(indexer, corner, {"match_all": {}}) == {"a", "c"}
    [letter] = map(orjson.loads, indexer.letters.letters.values())
    assert letter["record"] == insert("b", 2, created=TEXT)


def test_a_closed_index_is_no_reason_to_strip_documents(indexer, corner):
    indexer.engine.request("POST", f"/{corner}orders/_close")

    assert indexer.counts(insert("b", 2), insert("c", 3)) == {"dead_lettered": 2}

    indexer.engine.request("POST", f"/{corner}orders/_open")
    indexer.engine.request("GET", f"/_cluster/health/{corner}orders?wait_for_status=yellow")
    assert found(indexer, corner, {"match_all": {}}) == {"first"}


def test_a_later_change_without_the_bad_field_clears_rejected(indexer, corner):
    indexer.index(insert("b", 2, created=TEXT))
    fixed = order("b", created={"S": "2026-11-21"})

    later = change_record("MODIFY", new=fixed, old=order("b", created=TEXT), sequence=3, second=SECOND + 1)
    assert indexer.counts(later) == {"indexed": 1}

    _, document = source(indexer, corner, "b")
    assert document["created"] == "2026-11-21"
    assert "rejected" not in document["ddb"]
    assert found(indexer, corner, {"exists": {"field": "ddb.rejected_fields"}}) == set()


def test_redelivery_and_lateness_of_a_quarantined_change_are_settled_as_ever(indexer, corner):
    bad = insert("b", 2, created=TEXT)
    indexer.index(bad)

    assert indexer.counts(bad) == {"duplicate": 1}
    indexer.index(change_record("MODIFY", new=order("b"), old=order("b"), sequence=3))
    assert indexer.counts(bad) == {"stale": 1}
    indexer.index(change_record("REMOVE", old=order("b"), sequence=4))
    assert indexer.counts(bad) == {"stale": 1}
    assert found(indexer, corner, {"match_all": {}}) == {"first"}
