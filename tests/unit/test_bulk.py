"""Packing and coalescing."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tailrace.actions import Action
from tailrace.bulk import coalesce, halve, pack
from tailrace.outcomes import Outcome


def action(id_="a", version=1, sequence=1, source=b'{"x":1}', alias="orders", record=0):
    return Action(alias, id_, version, str(sequence), source, Outcome.INDEXED, record)


def test_failure_21_an_action_line_has_alias_id_and_external_version_and_no_type():
    [body] = pack([action(), action("b", source=None)], max_bytes=1000)

    assert body.content == (
        b'{"index":{"_index":"orders","_id":"a","version":1,"version_type":"external"}}\n{"x":1}\n'
        b'{"delete":{"_index":"orders","_id":"b","version":1,"version_type":"external"}}\n'
    )


def test_failure_85_an_id_is_json_and_never_part_of_a_path():
    [body] = pack([action('ORDER#1?/%+& "é\n')], max_bytes=1000)

    assert orjson.loads(body.content.splitlines()[0])["index"]["_id"] == 'ORDER#1?/%+& "é\n'


@given(st.lists(st.integers(min_value=1, max_value=400), max_size=40), st.integers(min_value=100, max_value=900))
def test_failure_27_no_body_exceeds_the_limit_unless_one_action_alone_does(sizes, limit):
    actions = [action(str(i), source=b"x" * size) for i, size in enumerate(sizes)]

    bodies = list(pack(actions, max_bytes=limit, max_actions=7))

    assert [a for body in bodies for a in body.actions] == actions
    assert all(len(b.content) <= limit or len(b.actions) == 1 for b in bodies)
    assert all(len(b.actions) <= 7 for b in bodies)


def test_only_the_last_change_of_a_document_is_sent():
    first, second, other = action(sequence=1), action(sequence=2), action("b", sequence=3)

    assert coalesce([first, second, other]) == ([second, other], [first])


def test_a_repeated_older_record_inside_a_batch_does_not_win():
    newer, older = action(sequence=10), action(sequence=9)

    assert coalesce([newer, older]) == ([newer], [older])


def unnumbered(version, event_id, record=0):
    return action(version=version, record=record)._replace(sequence_number=None, event_id=event_id)


def test_trap_13_without_sequence_numbers_the_instants_decide():
    newer, older = unnumbered(2000, "a"), unnumbered(1000, "b")

    assert coalesce([newer, older]) == ([newer], [older])
    assert coalesce([older, newer]) == ([newer], [older])


def test_trap_13_changes_of_one_instant_are_undecided_and_the_first_to_arrive_stands_for_both():
    first, second = unnumbered(1001, "a", record=1), unnumbered(1002, "b", record=2)

    assert coalesce([first, second]) == ([first._replace(version=1002, is_undecided=True)], [second])


def test_one_change_twice_is_not_undecided():
    first, again = unnumbered(1000, "a", record=1), unnumbered(1000, "a", record=2)

    assert coalesce([first, again]) == ([first], [again])


def test_the_same_id_under_two_aliases_is_two_documents():
    one, other = action(alias="planes-a"), action(alias="planes-b")

    assert coalesce([one, other]) == ([one, other], [])


def test_halves_hold_everything_once():
    assert halve([1, 2, 3]) == ([1], [2, 3])
