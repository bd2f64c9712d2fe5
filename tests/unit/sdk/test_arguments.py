# SPDX-License-Identifier: Apache-2.0
"""Values of a wrong type are bad calls with a code, never an error of what is beneath."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledger.model.operations import KeySignature
from sdk import aio_issuer, aio_verifier, issuer, operations, verifier
from sdk.accreditor import Accreditor, AsyncAccreditor
from sdk.aio_client import LedgerClient
from sdk.arguments import (
    check_bytes,
    check_day,
    check_document,
    check_duration,
    check_fields,
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
from sdk.errors import CallerError, PsetError
from sdk.organisation_requests import OrganisationRequestFile
from sdk.policy import Policy
from sdk.signers import signer
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

    operation = AddSite("did:pset:test:2h3pNt5WcbSSdnM2Sz5Pw65Wbb2X", "1", "Sample", "GP")
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


def refused(call: Callable[[], Any]) -> None:
    with pytest.raises(CallerError) as caught:
        call()
    assert caught.value.code == "ARGUMENT_TYPE"
    assert caught.value.remedy


GRANT: dict[str, Any] = {
    "grant_id": "g",
    "expected_version": 1,
    "effective": DAY,
    "reason": "error",
}
OPERATIONS: list[tuple[type[operations.Operation], dict[str, Any], dict[str, list[Any]]]] = [
    (
        operations.AddSite,
        {"organisation": "d", "code": "1", "name": "Sample", "province": "GP"},
        {"organisation": [None, 5], "code": [b"1"], "name": [None], "province": [["GP"]]},
    ),
    (
        operations.EndorseOrganisation,
        {"request": {}},
        {"request": [None, "request.json"], "codes": [None, {"qcto": 5}, "qcto"]},
    ),
    (
        operations.UpdateDid,
        {"did": "d", "expected_version": 1},
        {
            "expected_version": ["1", True, None],
            "set_services": [None, ["x"], [operations.Service("a", "b", 5)]],  # type: ignore[arg-type]
            "remove_services": [None, "x", [5]],
            "add_keys": [["x"], None],
        },
    ),
    (
        operations.RotateKey,
        {
            "did": "d",
            "expected_version": 1,
            "retired_key_id": "k",
            "new_key": operations.NewKey("k", "issue", "ed25519", b"", b""),
        },
        {"new_key": [None, "k"], "overlap": [5], "compromised_since": [DAY, "now"]},
    ),
    (
        operations.PublishResource,
        {"name": "x", "type": "JsonSchema", "content": {}},
        {"content": [None, "text", {5: 1}], "resource_id": [None, "u"]},
    ),
    (operations.CreateStatusList, {"purpose": "revocation"}, {"bits": [1.0], "list_id": ["u"]}),
    (
        operations.UpdateStatusList,
        {"owner": "d", "list_id": UUID(int=1), "base_version": 0, "changes": {}},
        {"list_id": [b"u", None], "changes": [None, [1], {"1": 1}, {1: True}]},
    ),
    (
        operations.GrantAccreditation,
        {"grantee": "d", "powers": ["train"], "valid_from": DAY, "valid_until": None},
        {"powers": ["train", None, [5]], "valid_from": [INSTANT, None], "valid_until": ["2026"]},
    ),
    (operations.SuspendAccreditation, GRANT, {"effective": [None, INSTANT], "reason": [5]}),
    (operations.ReinstateAccreditation, GRANT, {"grant_id": [None], "expected_version": ["1"]}),
    (operations.WithdrawAccreditation, GRANT, {"ab_initio": [1, None]}),
    (
        operations.AdmitValidator,
        {
            "validator": operations.Validator("n2", "d", "bls", b"", b"", b"", b""),
            "peer_address": "n2.example:7052",
        },
        {
            "validator": [
                None,
                "n2",
                operations.Validator("n2", "d", "bls", "key", b"", b"", b""),  # type: ignore[arg-type]
            ],
            "peer_address": [None, ("n2.example", 7052)],
        },
    ),
    (
        operations.ActivateValidator,
        {"validator_id": "n2", "height": 1, "block_hash": b"", "signature": b""},
        {"height": ["1", True], "block_hash": ["ff"], "signature": [None], "replaces": [5, b"n1"]},
    ),
    (operations.RemoveValidator, {"validator_id": "n2"}, {"validator_id": [None, 5]}),
    (
        operations.UpdateValidatorAddress,
        {"validator_id": "n2", "peer_address": "n2.example:7052"},
        {"validator_id": [b"n2"], "peer_address": [None]},
    ),
]


@pytest.mark.parametrize(("kind", "good", "bad"), OPERATIONS)
def test_fields_of_an_operation(
    client: LedgerClient,
    kind: Callable[..., operations.Operation],
    good: dict[str, Any],
    bad: dict[str, list[Any]],
) -> None:
    check_fields(kind(**good))
    for name, values in bad.items():
        for value in values:
            operation = kind(**good | {name: value})
            refused(lambda operation=operation: check_fields(operation))  # type: ignore[misc]
            for call in (client.submit, client.dry_run):
                code = code_of(lambda call=call, operation=operation: call(operation))  # type: ignore[misc]
                assert code == "ARGUMENT_TYPE"


def test_every_operation_is_looked_at() -> None:
    every = {kind.__name__ for kind in operations.Operation.__subclasses__()}
    assert {kind.__name__ for kind, _, _ in OPERATIONS} == every


def test_an_endorsement_of_a_request_that_was_read() -> None:
    request = OrganisationRequestFile(b"", (KeySignature("admin", b""),))
    check_fields(operations.EndorseOrganisation(request))
    check_fields(operations.EndorseOrganisation(Path("request.json")))


def test_a_set_of_texts_will_do() -> None:
    check_fields(operations.GrantAccreditation("d", frozenset({"train"}), DAY, None))  # type: ignore[arg-type]


@pytest.mark.parametrize("signers", [5, "key", [5], [None], {"issue"}])
def test_signers(client: LedgerClient, signers: Any) -> None:
    operation = operations.AddSite("did", "1", "Sample", "GP")
    for call in (client.submit, client.dry_run):
        code = code_of(lambda call=call: call(operation, signers=signers))  # type: ignore[misc]
        assert code == "ARGUMENT_TYPE"


@pytest.mark.parametrize(
    "options",
    [{"request": None}, {"request": "request.json"}, {"name": 5}, {"short_name": b"x"}]
    + [{"codes": held} for held in ("qcto", {"qcto": 5}, {5: "x"})],
)
def test_an_endorsement(client: LedgerClient, options: Any) -> None:
    arguments: Any = {"request": {}} | options
    accreditor = AsyncAccreditor(client)
    assert code_of(lambda: accreditor.endorse(**arguments)) == "ARGUMENT_TYPE"


def test_what_a_verifier_is_made_of_and_given(client: LedgerClient) -> None:
    wrong: Any
    for wrong in (None, 5, "x"):
        refused(lambda wrong=wrong: aio_verifier.Verifier(wrong))  # type: ignore[misc]
        refused(lambda wrong=wrong: verifier.Verifier(wrong))  # type: ignore[misc]
        refused(lambda wrong=wrong: AsyncAccreditor(wrong))  # type: ignore[misc]
        refused(lambda wrong=wrong: Accreditor(wrong))  # type: ignore[misc]
        refused(lambda wrong=wrong: issuer.Issuer(wrong, store=Path("x")))  # type: ignore[misc]
    for options in ({"policy": "strict"}, {"policy": 5}, {"time_ms": 5}):
        wrong = options
        refused(lambda wrong=wrong: aio_verifier.Verifier(client, **wrong))  # type: ignore[misc]
    for wrong in (None, 5, "file.vc.json", b"{}"):
        many = aio_verifier.Verifier(client).verify_many
        refused(lambda wrong=wrong, many=many: many(wrong))  # type: ignore[misc]
        refused(lambda wrong=wrong: client.submit_many(wrong))  # type: ignore[misc]


@pytest.mark.parametrize(
    "options",
    [{"max_age": None}, {"max_age": 7}, {"require": None}, {"require": [5]}, {"warnings_fail": 1}],
)
def test_a_policy(options: Any) -> None:
    refused(lambda: Policy(**options))


@pytest.mark.parametrize(
    "options", [{"store": None}, {"store": "a\0b"}, {"key": "issue.key"}, {"passphrase": "secret"}]
)
def test_an_issuer(client: LedgerClient, options: Any) -> None:
    arguments: Any = {"store": Path("unused.db")} | options
    refused(lambda: aio_issuer.Issuer(client, **arguments))


@pytest.mark.parametrize("uri", [None, 5, b"x", "a\0b"])
def test_a_signer(uri: Any) -> None:
    refused(lambda: signer(uri))
    refused(lambda: signer("file:nowhere", passphrase="secret"))  # type: ignore[arg-type]
    refused(lambda: operations.NewKey.prove("did", "issue", uri))


def test_a_question_and_a_type(client: LedgerClient) -> None:
    assert code_of(lambda: client.ask(None)) == "ARGUMENT_TYPE"  # type: ignore[arg-type]
    assert code_of(lambda: client.organisations("a\0b")) == "ARGUMENT_TYPE"


def test_a_home_may_be_a_text(tmp_path: Path) -> None:
    with pytest.raises(PsetError) as caught:
        LedgerClient.connect("nowhere", home=str(tmp_path))  # type: ignore[arg-type]
    assert caught.value.code != "ARGUMENT_TYPE"
