# SPDX-License-Identifier: Apache-2.0
"""The linter over whole operations: every text of every operation is looked at."""

from __future__ import annotations

import dataclasses

import pytest

from ledger.model.codec import decode, encode
from ledger.model.keys import KeyRole
from ledger.model.operation_lint import find_in_operation, find_in_texts
from ledger.model.operations import (
    AddSite,
    Code,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    NewKey,
    OrganisationRequest,
    PublishResource,
    RotateKey,
    Scope,
    Service,
    UpdateDid,
    WithdrawAccreditation,
)
from ledger.model.personal_data import EMAIL, SA_ID_NUMBER, Finding
from ledger.model.transaction import Operation
from tests.support.ledger_world import make_key, make_organisation

ID = "8001015009087"
GAA = make_organisation("gaa")
REQUEST = decode(OrganisationRequest, GAA.request)


def endorse(**changes: object) -> EndorseOrganisation:
    return EndorseOrganisation(
        request=encode(dataclasses.replace(REQUEST, **changes)),  # type: ignore[arg-type]
    )


def new_key(key_id: str) -> NewKey:
    return NewKey(key=dataclasses.replace(make_key("x", KeyRole.ISSUE).entry, key_id=key_id))


@pytest.mark.parametrize(
    ("operation", "where"),
    [
        (endorse(name=f"Sample {ID}"), "request.name"),
        (endorse(short_name=ID), "request.short_name"),
        (
            endorse(keys=(dataclasses.replace(REQUEST.keys[0], key_id=ID),)),
            "request.keys[0].key_id",
        ),
        (
            dataclasses.replace(endorse(), codes=(Code(system="a", value=ID),)),
            "codes[0].value",
        ),
        (
            dataclasses.replace(endorse(), codes=(Code(system=ID, value="1"),)),
            "codes[0].system",
        ),
        (AddSite(code=ID), "code"),
        (AddSite(name=ID), "name"),
        (UpdateDid(set_services=(Service(id=ID),)), "set_services[0].id"),
        (UpdateDid(set_services=(Service(type=ID),)), "set_services[0].type"),
        (
            UpdateDid(set_services=(Service(endpoint=f"https://a.example/{ID}"),)),
            "set_services[0].endpoint",
        ),
        (UpdateDid(add_keys=(NewKey(), new_key(ID))), "add_keys[1].key.key_id"),
        (RotateKey(new_key=new_key(ID)), "new_key.key.key_id"),
        (PublishResource(name=ID), "name"),
        (PublishResource(name="a", content=f'{{"a":["{ID}"]}}'.encode()), "content{0}[0]"),
        (GrantAccreditation(scope=Scope(designations=(ID,))), "scope.designations[0]"),
        (GrantAccreditation(scope=Scope(trades=("a", ID))), "scope.trades[1]"),
    ],
)
def test_found(operation: Operation, where: str) -> None:
    assert find_in_operation(operation) == Finding(SA_ID_NUMBER, where)


@pytest.mark.parametrize(
    "operation",
    [
        endorse(),
        EndorseOrganisation(request=b"\xff" + ID.encode()),
        PublishResource(name="a", content=b"\xff" + ID.encode()),
        PublishResource(name="a", content=b'{"a":91761}'),
        RotateKey(),
        GrantAccreditation(),
        CreateStatusList(list_id=b"\xff" + ID.encode()),
        WithdrawAccreditation(grant_id="g1"),
    ],
)
def test_not_found(operation: Operation) -> None:
    """What cannot be read is left to the operation's own checks."""
    assert find_in_operation(operation) is None


def test_texts_leave_content_out() -> None:
    operation = PublishResource(name="a", content=b'{"a":"x@example.org"}')
    assert find_in_texts(operation) is None
    assert find_in_operation(operation) == Finding(EMAIL, "content{0}")
