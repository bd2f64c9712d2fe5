# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta

import pytest

from sdk.errors import CallerError
from sdk.policy import Policy


def test_by_default_a_week_old_facts_count_and_nothing_more_is_required() -> None:
    policy = Policy()
    assert policy.max_age == timedelta(days=7)
    assert policy.require == frozenset()
    assert not policy.warnings_fail


def test_what_cannot_be_required_is_refused() -> None:
    assert Policy(require=("holder", "anchor")).require == {"holder", "anchor"}
    assert Policy(require="anchor").require == {"anchor"}
    with pytest.raises(CallerError) as caught:
        Policy(require=("holder", "blood"))
    assert caught.value.code == "REQUIREMENT_UNKNOWN"
    assert "blood" in caught.value.text


def test_an_age_below_zero_is_refused() -> None:
    with pytest.raises(CallerError) as caught:
        Policy(max_age=timedelta(seconds=-1))
    assert caught.value.code == "MAX_AGE_INVALID"
    assert Policy(max_age=timedelta()).max_age == timedelta()
