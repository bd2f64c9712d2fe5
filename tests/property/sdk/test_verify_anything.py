# SPDX-License-Identifier: Apache-2.0
"""A bad document is a report, whatever its bytes: `verify` raises for none."""

from __future__ import annotations

import json
from datetime import UTC
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sdk.credentials.problems import CredentialError
from sdk.results import Verdict
from sdk.verdicts import VERDICT_TEXTS
from tests.support.issuing_world import IssuingWorld
from tests.support.json_places import places, value_at

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=10), below, max_size=4)
    ),
    max_leaves=15,
)


@cache
def world() -> IssuingWorld:
    return IssuingWorld()


@cache
def good() -> bytes:
    return world().issue()


def assert_refused(document: bytes | str) -> None:
    report = world().verify(document)
    assert report.verdict is not Verdict.VALID
    assert report.code in VERDICT_TEXTS
    assert report.claims == {}
    assert report.to_text()
    assert json.loads(report.to_json())["code"] == report.code


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    assert_refused(data)


@given(st.text(max_size=200))
def test_any_text_in_braces(text: str) -> None:
    assert_refused("{" + text)


@given(JSON)
def test_any_json(value: object) -> None:
    assert_refused(json.dumps(value).encode("utf-8", "surrogatepass"))


@given(st.data())
def test_a_credential_with_anything_in_place_of_anything(data: st.DataObject) -> None:
    document: dict[str, Any] = json.loads(good())
    holders = [place for place, value in places(document) if isinstance(value, dict | list)]
    holder: Any = value_at(document, data.draw(st.sampled_from(holders)))
    names = [place[0] for place, _ in places(holder) if len(place) == 1]
    if not names:
        return
    name = data.draw(st.sampled_from(names))
    value = data.draw(JSON)
    changed = value != holder[name] or type(value) is not type(holder[name])
    holder[name] = value
    if changed:
        assert_refused(json.dumps(document).encode("utf-8", "surrogatepass"))


INSTANTS = st.datetimes(timezones=st.just(UTC)).map(
    lambda instant: instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
)
DAYS = st.dates().map(lambda day: day.isoformat())


@given(st.data())
def test_whatever_an_accredited_issuer_signs(data: st.DataObject) -> None:
    document: dict[str, Any] = json.loads(good())
    holders = [place for place, value in places(document) if isinstance(value, dict)]
    holder: Any = value_at(document, data.draw(st.sampled_from(holders)))
    name = data.draw(st.sampled_from(list(holder)))
    holder[name] = data.draw(JSON | INSTANTS | DAYS)
    created = data.draw(st.datetimes(timezones=st.just(UTC)))
    try:
        signed = world().sign(document, created=created)
    except CredentialError:
        return  # no canonical form
    report = world().verify(signed)
    assert report.code is None or report.code in VERDICT_TEXTS
    assert report.to_text()
    assert report.to_json()


@given(st.integers(0, 5_000), st.binary(max_size=20))
def test_a_credential_cut_or_overwritten(position: int, data: bytes) -> None:
    document = good()
    position = min(position, len(document) - 1)
    assert_refused(document[:position])
    changed = document[:position] + data + document[position + len(data) :]
    if changed != document:
        assert_refused(changed)
