"""Failure 49: whatever a value, a name or a key looks like, it is data. Nothing of it is evaluated or cut."""

import json

from builders import Indexer, change_record, order, tables
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.names import unescape_field_name

BRACKETS = (("${", "}"), ("{{", "}}"), ("#{", "}"), ("<%", "%>"), ("{%", "%}"), ("$(", ")"), ("%(", ")s"), ("`", "`"))
WORDS = ("id", "ctx._source", "7*7", "jndi:ldap://x", "params.x", "now/d", "__class__", "os.system('x')", "\n", '"}}\n')
plain = st.one_of(st.sampled_from(WORDS), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
templates = st.recursive(
    plain, lambda inner: st.builds(lambda pair, text: f"{pair[0]}{text}{pair[1]}", st.sampled_from(BRACKETS), inner)
)
TYPED = tables(type_attribute="status")


@settings(max_examples=150)
@given(templates, st.dictionaries(templates, templates, max_size=3), st.lists(templates, max_size=3))
def test_failure_49_values_and_names_that_look_like_templates_are_stored_as_they_are(text, attributes, elements):
    indexer = Indexer()
    listed = {"L": [{"S": element} for element in elements]}
    item = order(text=listed, odd={"M": {name: {"S": value} for name, value in attributes.items()}}, safe={"S": text})

    assert indexer.counts(change_record(new=item)) == {"indexed": 1}

    found = indexer.engine.visible("orders")["o-1"]
    assert (found["safe"], found["text"]) == (text, elements)
    assert {unescape_field_name(name): value for name, value in found["odd"].items()} == attributes


@settings(max_examples=100)
@given(templates.filter(bool))
def test_failure_49_a_key_that_looks_like_a_template_is_the_key(text):
    indexer = Indexer()

    indexer.index(change_record(new=order(text)))

    [document] = indexer.engine.visible("orders").values()
    assert (document["id"], document["ddb"]["key"]) == (text, {"id": {"S": text}})


@settings(max_examples=100)
@given(templates)
def test_failure_49_a_type_that_looks_like_a_template_names_one_index_of_its_own(text):
    indexer = Indexer(tables=TYPED)

    indexer.index(change_record(new=order(status={"S": text})))

    [alias] = indexer.engine.aliases
    assert alias.startswith("orders-")
    assert not set(alias) & set('\\/*?"<>| ,#:${}()`%\n')


@settings(max_examples=50)
@given(templates)
def test_failure_49_a_dead_letter_holds_the_record_as_it_came(text):
    indexer = Indexer()
    record = change_record(new=order(total={"N": f"x{text}"}))

    indexer.index(record)

    [letter] = map(json.loads, indexer.letters.letters.values())
    assert letter["record"] == record
