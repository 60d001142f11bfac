"""Law 3 for the lines of DynamoDB's exports: their images give the id and the document that the stream gives.

Reading whole exports comes with the reindex job; what is held here is that nothing in a line needs other decoding.
"""

import json

import pytest
from builders import change_record, event, tables

from tailrace.actions import Planner
from tailrace.decoding import decode_event

ITEM = {
    "id": {"B": "+/8="},
    "total": {"N": "1.50"},
    "tags": {"SS": ["b", "a"]},
    "parts": {"BS": ["/w==", "AA=="]},
    "address": {"M": {"zip": {"S": "0150"}, "note": {"NULL": True}}},
}
FULL = json.dumps({"Item": ITEM})
INCREMENTAL = json.dumps(
    {"Metadata": {"WriteTimestampMicros": {"N": "1763726400123456"}}, "Keys": {"id": ITEM["id"]}, "NewImage": ITEM}
)


def planned(image):
    [record] = decode_event(event(change_record(new=image)))
    [action] = Planner(tables()).plan(record, 0)
    return action.alias, action.id, action.source.split(b',"ddb":')[0]


@pytest.mark.parametrize(("line", "member"), [(FULL, "Item"), (INCREMENTAL, "NewImage")])
def test_law_3_an_exported_image_has_the_id_and_the_document_of_the_stream(line, member):
    assert planned(json.loads(line)[member]) == planned(ITEM)
    assert planned(ITEM) == (
        "orders",
        "-_8",
        b'{"address":{"note":null,"zip":"0150"},"id":"+/8=","parts":["AA==","/w=="],"tags":["a","b"],"total":1.5',
    )
