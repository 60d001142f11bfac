"""Filter patterns as Lambda reads them."""

import pytest

from tailrace_local.filters import FilterPatternError, compile_filters

INSERT = {
    "eventName": "INSERT",
    "dynamodb": {
        "Keys": {"id": {"S": "order#7"}},
        "NewImage": {
            "status": {"S": "PAID"},
            "total": {"N": "12.50"},
            "tags": {"SS": ["a", "b"]},
            "void": {"NULL": True},
        },
        "SizeBytes": 41,
    },
}
TTL_REMOVE = {
    "eventName": "REMOVE",
    "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
    "dynamodb": {"Keys": {"id": {"S": "order#8"}}},
}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{"eventName": ["INSERT"]}', True),
        ('{"eventName": ["MODIFY", "REMOVE"]}', False),
        ('{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"status": {"S": ["NEW"]}}}}', False),
        ('{"dynamodb": {"NewImage": {"status": {"S": ["NEW", "PAID"]}}}}', True),
        ('{"dynamodb": {"Keys": {"id": {"S": [{"prefix": "order#"}]}}}}', True),
        ('{"dynamodb": {"Keys": {"id": {"S": [{"suffix": "#8"}]}}}}', False),
        ('{"dynamodb": {"NewImage": {"status": {"S": [{"equals-ignore-case": "paid"}]}}}}', True),
        ('{"dynamodb": {"NewImage": {"status": {"S": [{"anything-but": ["NEW", "VOID"]}]}}}}', True),
        ('{"dynamodb": {"NewImage": {"status": {"S": [{"anything-but": {"prefix": "PA"}}]}}}}', False),
        ('{"dynamodb": {"NewImage": {"missing": {"S": [{"anything-but": ["NEW"]}]}}}}', False),
        ('{"dynamodb": {"NewImage": {"tags": {"SS": ["b"]}}}}', True),
        ('{"dynamodb": {"NewImage": {"void": {"NULL": [true]}}}}', True),
        ('{"dynamodb": {"NewImage": {"void": {"NULL": [1]}}}}', False),
        ('{"dynamodb": {"SizeBytes": [{"numeric": [">", 40, "<=", 41]}]}}', True),
        ('{"dynamodb": {"SizeBytes": [{"numeric": ["=", 40]}]}}', False),
        ('{"$or": [{"eventName": ["REMOVE"]}, {"dynamodb": {"SizeBytes": [41]}}]}', True),
        ('{"eventName": [null]}', False),
    ],
)
def test_a_pattern_matches_field_by_field(pattern, matches):
    assert compile_filters([pattern])(INSERT) is matches


def test_numeric_operators_never_match_the_n_values_of_an_item():
    over_10 = '{"dynamodb": {"NewImage": {"total": {"N": [{"numeric": [">", 10]}]}}}}'

    assert compile_filters([over_10])(INSERT) is False


@pytest.mark.parametrize(("leaf", "exists"), [("status", True), ("refund", False)])
def test_exists_works_on_a_leaf(leaf, exists):
    pattern = '{"dynamodb": {"NewImage": {"%s": {"S": [{"exists": %s}]}}}}' % (leaf, str(exists).lower())  # noqa: UP031

    assert compile_filters([pattern])(INSERT) is True


def test_exists_is_false_for_what_is_no_leaf():
    assert compile_filters(['{"dynamodb": {"NewImage": [{"exists": true}]}}'])(INSERT) is False


def test_ttl_deletes_are_told_by_the_principal():
    ttl_only = compile_filters(['{"userIdentity": {"principalId": ["dynamodb.amazonaws.com"]}}'])

    assert (ttl_only(TTL_REMOVE), ttl_only(INSERT)) == (True, False)


def test_several_filters_are_an_or():
    either = compile_filters(['{"eventName": ["MODIFY"]}', '{"eventName": ["INSERT"]}'])

    assert either(INSERT) is True


def test_without_filters_everything_matches():
    assert compile_filters([])(INSERT) is True


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("nonsense", "not JSON"),
        ("{}", "at least one field"),
        ('["INSERT"]', "a JSON object"),
        ('{"eventName": "INSERT"}', "a JSON object"),
        ('{"eventName": []}', "nothing would ever match"),
        ('{"eventName": [["INSERT"]]}', "texts, numbers, booleans, null and operators only"),
        ('{"eventName": [{"prefixx": "I"}]}', 'unknown operator "prefixx"'),
        ('{"eventName": [{"prefix": 1}]}', "takes a text"),
        ('{"eventName": [{"exists": "yes"}]}', "true or false"),
        ('{"eventName": [{"numeric": [">"]}]}', "pairs"),
        ('{"eventName": [{"numeric": ["!", 1]}]}', "pairs"),
        ('{"eventName": [{"prefix": "I", "suffix": "T"}]}', "exactly one field"),
        ('{"$or": []}', "list of patterns"),
        ('{"eventName": ["' + "x" * 4096 + '"]}', "at most 4096 characters"),
    ],
)
def test_a_wrong_pattern_is_refused(pattern, problem):
    with pytest.raises(FilterPatternError, match=problem):
        compile_filters([pattern])
