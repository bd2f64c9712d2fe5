# SPDX-License-Identifier: Apache-2.0
"""Values of a wrong type are bad calls with a code, never an error of what is beneath."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sdk.accreditor import AsyncAccreditor
from sdk.aio_client import LedgerClient
from sdk.arguments import (
    check_bytes,
    check_day,
    check_document,
    check_duration,
    check_flag,
    check_integer,
    check_mapping,
    check_term,
    check_text,
    check_text_or_bytes,
    check_text_or_path,
    check_texts,
    check_when,
)
from sdk.errors import CallerError
from tests.support.certified_world import CertifiedWorld, FakeNode, make_client

DAY = date(2026, 5, 20)
INSTANT = datetime(2026, 5, 20)  # noqa: DTZ001 (a wrong argument)


def named(check: Callable[[object, str], None]) -> Callable[[object], None]:
    return lambda value: check(value, "sample")


KINDS: list[tuple[Callable[[object], None], list[Any], list[Any]]] = [
    (named(check_text), ["", "x"], [None, 5, b"x", ["x"]]),
    (named(check_texts), [[], ["x"], ("x",)], [None, 5, "x", b"x", [5], {"x"}]),
    (named(check_bytes), [b"", b"x"], [None, "x", bytearray(b"x"), 5]),
    (named(check_text_or_bytes), ["x", b"x"], [None, 5, Path("x")]),
    (named(check_text_or_path), ["x", Path("x")], [None, 5, b"x"]),
    (check_document, ["x", b"x", Path("x")], [None, 5, {}, [], bytearray(b"{}")]),
    (named(check_mapping), [{}], [None, [], "x"]),
    (named(check_day), [DAY], [None, INSTANT, "2026-05-20", 5]),
    (named(check_term), [(DAY, DAY), (DAY, None)], [None, DAY, (DAY,), (None, DAY), "ab"]),
    (named(check_duration), [timedelta()], [None, 5, timedelta(seconds=-1)]),
    (named(check_flag), [True, False], [None, 0, "no"]),
    (named(check_when), [None, DAY, INSTANT, 5], [True, "2026-05-20", 1.5]),
    (named(check_integer), [0, -1], [True, 1.5, "1", None]),
]


@pytest.mark.parametrize(("check", "good", "bad"), KINDS)
def test_each_kind(check: Callable[[object], None], good: list[object], bad: list[object]) -> None:
    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(CallerError) as caught:
            check(value)
        assert caught.value.code == "ARGUMENT_TYPE"


@pytest.fixture
def client(tmp_path: Path) -> LedgerClient:
    world = CertifiedWorld()
    return make_client(world, tmp_path, org="qcto", nodes=[FakeNode(world)])


def code_of(call: Callable[[], Any]) -> str:
    async def main() -> None:
        await call()

    with pytest.raises(CallerError) as caught:
        asyncio.run(main())
    return caught.value.code


@pytest.mark.parametrize("value", [None, 5, 1.5, ["x"]])
@pytest.mark.parametrize(
    "method",
    [
        "get",
        "organisation",
        "organisations",
        "did_document",
        "did_history",
        "resource",
        "resources",
        "accreditations",
        "accreditation",
        "status_list",
        "status_lists",
        "transaction",
        "submit",
        "dry_run",
    ],
)
def test_calls_of_the_client(client: LedgerClient, method: str, value: Any) -> None:
    assert code_of(lambda: getattr(client, method)(value)) == "ARGUMENT_TYPE"


@pytest.mark.parametrize(
    ("height", "code"),
    [
        (-1, "HEIGHT_UNKNOWN"),
        (2**63, "HEIGHT_UNKNOWN"),
        pytest.param(10**5000, "HEIGHT_UNKNOWN", id="digits"),
        (True, "ARGUMENT_TYPE"),
        (1.5, "ARGUMENT_TYPE"),
        ("1", "ARGUMENT_TYPE"),
    ],
)
def test_heights_that_no_block_can_have(client: LedgerClient, height: Any, code: str) -> None:
    assert code_of(lambda: client.block(height)) == code
    assert code_of(lambda: client.organisation("qcto", at=height)) == code


@pytest.mark.parametrize("options", [{"wait": "certified"}, {"expires_in": 5}])
def test_options_of_a_write(client: LedgerClient, options: Any) -> None:
    from sdk.operations import AddSite

    operation = AddSite("did", "1", "Sample", "GP")
    assert code_of(lambda: client.submit(operation, **options)) == "ARGUMENT_TYPE"
    assert code_of(lambda: anext(client.submit_many([operation], wait=1))) == "ARGUMENT_TYPE"  # type: ignore[arg-type]
    assert code_of(lambda: client.submit(operation, idempotency_key="k" * 16)) == "ARGUMENT_TYPE"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"network": 5},
        {"home": 5},
        {"client_checks": 0},
    ],
)
def test_connect(options: Any) -> None:
    with pytest.raises(CallerError) as caught:
        LedgerClient.connect(**options)
    assert caught.value.code == "ARGUMENT_TYPE"


@pytest.mark.parametrize(
    "options", [{"org": 5, "signer": None}, {"timeout": 5}, {"max_age": timedelta(seconds=-1)}]
)
def test_what_a_client_is_made_of(tmp_path: Path, options: Any) -> None:
    world = CertifiedWorld()
    with pytest.raises(CallerError) as caught:
        make_client(world, tmp_path, nodes=[FakeNode(world)], **options)
    assert caught.value.code == "ARGUMENT_TYPE"


@pytest.mark.parametrize(
    "changes", [{"org": 5}, {"powers": "train"}, {"sites": [1]}, {"valid": DAY}, {"trades": None}]
)
def test_a_grant(client: LedgerClient, changes: Any) -> None:
    options: Any = {"org": "qcto", "powers": ["train"], "valid": (DAY, None)} | changes
    accreditor = AsyncAccreditor(client)
    assert code_of(lambda: accreditor.grant(options.pop("org"), **options)) == "ARGUMENT_TYPE"


@pytest.mark.parametrize("changes", [{"grant_id": 5}, {"reason": None}, {"effective": INSTANT}])
def test_an_event_of_a_grant(client: LedgerClient, changes: Any) -> None:
    options: Any = {"grant_id": "g", "reason": "error", "effective": DAY} | changes
    for method in ("suspend", "reinstate", "withdraw"):
        call = getattr(AsyncAccreditor(client), method)
        assert code_of(lambda call=call: call(**options)) == "ARGUMENT_TYPE"  # type: ignore[misc]
