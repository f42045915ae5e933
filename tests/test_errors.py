"""Whole numbers in options are checked alike by all commands."""

import pytest

from gog_pose.errors import InputError, require_at_least


def test_bounds_count_as_allowed_and_null_only_where_it_may_be():
    require_at_least({"limit": None, "workers": 0, "every": 1}, nullable=["limit"], limit=1, workers=0, every=1)


@pytest.mark.parametrize(
    ("value", "nullable"), [(0, ["every"]), (-1, []), (None, []), (None, ["limit"]), (1.0, []), ("1", []), (True, [])]
)
def test_what_is_no_whole_number_or_too_small_is_refused(value, nullable):
    with pytest.raises(InputError, match=f"every: must be 1 or more, got {value}"):
        require_at_least({"every": value}, nullable=nullable, every=1)
