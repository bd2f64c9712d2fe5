# SPDX-License-Identifier: Apache-2.0
"""No field of any operation carries a person into a block.

The fields are enumerated from the declarations of the messages: one that is added fails here until
there is a sample that fills it and a rule that keeps persons out of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, get_args

import pytest

from ledger.model.charter import default_charter
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_grant_id
from ledger.model.keys import KeyRole
from ledger.model.operation_lint import find_in_operation
from ledger.model.operations import (
    AccreditationReason,
    ActivateValidator,
    AddSite,
    AdmitValidator,
    Code,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    OrganisationRequest,
    PublishResource,
    ReinstateAccreditation,
    RemoveValidator,
    ResourceType,
    RotateKey,
    Scope,
    Service,
    StatusPurpose,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    WithdrawAccreditation,
)
from ledger.model.personal_data import EMAIL, SA_ID_NUMBER
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation, Signer, TransactionBody
from ledger.model.transaction_check import TransactionRefusedError
from ledger.model.wire import Kind, Label, get_message
from ledger.node.operation_check import check_operation
from tests.support.ledger_world import NETWORK, day, make_organisation, make_validator

CHARTER = default_charter()
GAA = make_organisation("gaa")
CONTENT = b'{"languages":{"en":{"a":"b"}}}'
GRANT = compute_grant_id(bytes(32))
CHANGE: dict[str, Any] = {
    "grant_id": GRANT,
    "expected_version": 1,
    "effective": day("2024-02-01"),
    "reason": AccreditationReason.VOLUNTARY,
}

SAMPLES: dict[type[Any], Operation] = {
    EndorseOrganisation: EndorseOrganisation(
        request=GAA.request,
        request_signatures=GAA.request_signatures,
        codes=(Code(system="qcto", value="SDP-0142"),),
    ),
    AddSite: AddSite(organisation=GAA.did, code="1", name="Workshop (sample)", province="EC"),
    UpdateDid: UpdateDid(
        did=GAA.did,
        expected_version=1,
        set_services=(Service(id="node", type="PsetNode", endpoint="https://n.example"),),
        remove_services=("old",),
        add_keys=(GAA.new_key("further", KeyRole.ISSUE),),
    ),
    RotateKey: RotateKey(
        did=GAA.did,
        expected_version=1,
        retired_key_id="ledger",
        new_key=GAA.new_key("next", KeyRole.LEDGER),
    ),
    PublishResource: PublishResource(
        resource_id=bytes(15) + b"\1",
        name="labels",
        type=ResourceType.DISPLAY_BUNDLE,
        media_type="application/json",
        content=CONTENT,
        checksum=sha256(CONTENT).digest(),
    ),
    CreateStatusList: CreateStatusList(
        list_id=bytes(15) + b"\1", purpose=StatusPurpose.REVOCATION, bits=1, size=131_072
    ),
    UpdateStatusList: UpdateStatusList(
        owner=GAA.did,
        list_id=bytes(15) + b"\1",
        indexes=tuple(range(13)),
        values=bytes([1] * 13),
    ),
    GrantAccreditation: GrantAccreditation(
        grantee=GAA.did,
        powers=("train",),
        scope=Scope(
            sub_frameworks=("OQSF",),
            qualifications=("za:saqa:q:91761",),
            sites=("1",),
            designations=("PrEng",),
            trades=("za:ofo:2021:671101",),
        ),
        valid_from=day("2024-02-01"),
        valid_until=day("2029-01-31"),
    ),
    SuspendAccreditation: SuspendAccreditation(**CHANGE),
    ReinstateAccreditation: ReinstateAccreditation(**CHANGE),
    WithdrawAccreditation: WithdrawAccreditation(**CHANGE),
    AdmitValidator: AdmitValidator(make_validator("n2", GAA.did), "n2.example:7052"),
    ActivateValidator: ActivateValidator("n2", 7, b"\xff" * 32, b"\xff" * 96, "n1"),
    RemoveValidator: RemoveValidator("n2"),
    UpdateValidatorAddress: UpdateValidatorAddress("n2", "10.0.0.2:7052"),
}
"""One operation of each class that is admitted, with all its fields filled."""

ID = "8001015009087"
ADDRESS = "a@example.org"
FREE_TEXT = "Thandi Sample"
FREE_TEXT_ALLOWED = {
    "AddSite.name": "a name is the one text that is written freely",
    "UpdateStatusList.values": "one entry each; the list, which is state, says how large",
}
BYTES_THAT_HOLD_A_MESSAGE = {"request": OrganisationRequest}
UUID_SIZE = 16


def list_fields(cls: type[Any]) -> Iterator[tuple[str, ...]]:
    """Paths of all texts and byte strings of a message, nested ones included."""
    for field in get_message(cls).fields:
        if field.kind is Kind.MESSAGE:
            assert field.message is not None
            for path in list_fields(field.message):
                yield (field.name, *path)
        elif field.kind in {Kind.STRING, Kind.OCTETS}:
            yield (field.name,)
            if field.name in BYTES_THAT_HOLD_A_MESSAGE:
                for path in list_fields(BYTES_THAT_HOLD_A_MESSAGE[field.name]):
                    yield (field.name, *path)


def plant(message: Any, path: tuple[str, ...], text: str) -> Any:
    """The message with a text in one of its fields; in the first element of a repeated one."""
    name, rest = path[0], path[1:]
    cls: type[Any] = message.__class__
    field = next(field for field in get_message(cls).fields if field.name == name)
    held = getattr(message, name)
    is_repeated = field.label is Label.REPEATED
    first = held[0] if is_repeated else held
    value: Any = text
    if rest and field.kind is Kind.OCTETS:
        value = encode(plant(decode(BYTES_THAT_HOLD_A_MESSAGE[name], first), rest, text))
    elif rest:
        value = plant(first, rest, text)
    elif field.kind is Kind.OCTETS:
        value = text.encode()
        if field.size_max == UUID_SIZE and text in {ID, ADDRESS}:
            value = value.ljust(UUID_SIZE, b"\0")
    return dataclasses.replace(message, **{name: (value, *held[1:]) if is_repeated else value})


FIELDS = [(cls, path) for cls in get_args(Operation) for path in list_fields(cls)]
FIELD_NAMES = [".".join((cls.__name__, *path)) for cls, path in FIELDS]


def check(operation: Operation) -> None:
    check_operation(operation, network=NETWORK, charter=CHARTER)


def test_every_operation_has_a_sample_that_is_admitted() -> None:
    assert set(SAMPLES) == set(get_args(Operation))
    assert len(FIELDS) > 40
    for operation in SAMPLES.values():
        check(operation)


@pytest.mark.parametrize(("cls", "path"), FIELDS, ids=FIELD_NAMES)
@pytest.mark.parametrize(("text", "rule"), [(ID, SA_ID_NUMBER), (ADDRESS, EMAIL)])
def test_personal_data_is_found_in_every_field(
    cls: type[Any], path: tuple[str, ...], text: str, rule: str
) -> None:
    planted = plant(SAMPLES[cls], path, text)
    if path == ("request",):
        with pytest.raises(TransactionRefusedError):
            check(planted)
        return
    if path == ("content",):
        planted = dataclasses.replace(planted, content=b'["' + text.encode() + b'"]')
    finding = find_in_operation(planted)
    assert finding is not None
    assert finding.rule == rule
    assert finding.where.replace("[0]", "") == ".".join(path)
    with pytest.raises(TransactionRefusedError) as refused:
        check(planted)
    assert refused.value.code is ReceiptCode.PERSONAL_DATA
    assert text not in refused.value.text


@pytest.mark.parametrize(("cls", "path"), FIELDS, ids=FIELD_NAMES)
def test_free_text_is_refused_in_every_field_but_names(
    cls: type[Any], path: tuple[str, ...]
) -> None:
    planted = plant(SAMPLES[cls], path, FREE_TEXT)
    if ".".join((cls.__name__, *path)) in FREE_TEXT_ALLOWED:
        check(planted)
        return
    with pytest.raises(TransactionRefusedError) as refused:
        check(planted)
    assert "Thandi" not in refused.value.text


def test_an_entry_beyond_every_list_is_refused() -> None:
    operation = UpdateStatusList(
        owner=GAA.did, list_id=bytes(15) + b"\1", indexes=(int(ID),), values=b"\1"
    )
    with pytest.raises(TransactionRefusedError) as refused:
        check(operation)
    assert refused.value.code is ReceiptCode.STATUS_INDEX_OUT_OF_RANGE


def test_the_fields_around_an_operation_are_those_with_checks_of_their_own() -> None:
    """`check_transaction` compares or lints them; keys are compared with the state at admission."""
    assert list(list_fields_around()) == [
        "chain_id",
        "author",
        "signers.did",
        "signers.key_id",
        "signers.public_key",
        "idempotency_key",
    ]


def list_fields_around() -> Iterator[str]:
    for field in get_message(TransactionBody).fields:
        if field.message is Signer:
            yield from (".".join(("signers", *path)) for path in list_fields(Signer))
        elif field.kind is not Kind.MESSAGE and field.kind in {Kind.STRING, Kind.OCTETS}:
            yield field.name
