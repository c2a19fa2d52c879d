"""Wrong fields of records: each is named with its value and what it must be."""

import math

import pytest

from bag_of_transfer.engine import fields as f
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import parse_json

RECORD = f.fields(
    {
        "size": f.COUNT,
        "lr": f.optional(f.POSITIVE),
        "parts": f.optional(f.by_name(f.list_of(f.fields({"on": f.SWITCH})))),
        "kind": f.optional(f.one_of(1, "one")),
    }
)
HUGE = 10**5000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": True}, "size is True, not a whole number, 1 or more"),
        ({"size": 1.0}, "size is 1.0, not"),
        ({"size": "1"}, "size is '1', not"),
        ({"size": -1}, "size is -1, not"),
        ({"size": 2**63}, "size is 9223372036854775808, not"),
        ({"size": HUGE}, "size is a huge number, not"),
        ({"size": None}, "size is None, not"),
        ({"lr": math.nan}, "lr is nan, not a finite number above 0"),
        ({"lr": math.inf}, "lr is inf, not"),
        ({"lr": HUGE}, "lr is a huge number, not"),
        ({"lr": [0.1]}, r"lr is \[0.1\], not"),
        ({"parts": []}, r"parts is \[\], not an object"),
        ({"parts": {"a": {}}}, "parts.a is {}, not a list"),
        ({"parts": {"a": [{"on": True}, {"on": 1}]}}, "parts.a.1.on is 1, not True or False"),
        ({"parts": {"a": [{}]}}, "parts.a.0.on is missing"),
        ({"kind": True}, "kind is True, not one of 1, one"),  # True == 1
        ({"lr": "a: b: c" * 99}, "lr is 'a b c"),
    ],
)
def test_the_first_wrong_field_is_named(change: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        f.check({"size": 1, **change}, RECORD, "file", "mend it")
    assert len(str(caught.value).split(": ")) == 3
    assert len(str(caught.value)) < 200


def test_a_sound_record_may_have_more_fields() -> None:
    f.check({"size": 3, "lr": None, "parts": {"a": []}, "more": object()}, RECORD, "", "")


@pytest.mark.parametrize("record", [[], None, 5, "size"])
def test_what_is_no_object_has_no_fields(record: object) -> None:
    with pytest.raises(UserError, match=r"it is .*, not an object"):
        f.check(record, RECORD, "file", "mend it")


def test_a_number_that_would_be_read_as_infinite_is_refused() -> None:
    with pytest.raises(UserError, match="1e400 is larger than any number"):
        parse_json('{"lr": 1e400}', "file", "mend it")
    assert parse_json('{"lr": 1e400}', "file", "", finite=False) == {"lr": math.inf}
