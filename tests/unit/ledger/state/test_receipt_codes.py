# SPDX-License-Identifier: Apache-2.0
"""Every code that execution can answer, reached once, with a state that did not change.

Boundaries and variants of each rule are in the tests of their modules; here none may be forgotten.
Codes below 200 are admission's: tests/unit/ledger/model/test_transaction_check.py and the node's.
Long because every code stands here once, in one place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from hashlib import sha256

import pytest

from ledger.model.codec import decode, encode
from ledger.model.keys import KeyRole
from ledger.model.operations import (
    AccreditationReason,
    AddSite,
    Code,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    KeySignature,
    NewKey,
    OrganisationRequest,
    PublishResource,
    ReinstateAccreditation,
    RemoveValidator,
    ResourceType,
    RotateKey,
    StatusPurpose,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    WithdrawAccreditation,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.schema import did_key
from ledger.model.transaction import Operation
from ledger.state.machine import execute_block
from tests.support.ledger_execution import (
    ELECTRICIAN,
    HOUR_MS,
    LedgerWorld,
    electrician,
    make_training_world,
)
from tests.support.ledger_world import day, make_key, make_organisation
from tests.support.membership import activation, admission, admit

UNREACHABLE = {ReceiptCode.OPERATION_UNKNOWN}
"""The canonical encoding knows no other operations; the code is for a handler that is missing."""

Case = tuple[str, Operation] | tuple[str, Operation, dict[str, object]]
CASES: dict[ReceiptCode, Callable[[LedgerWorld], Case]] = {}


def case(code: ReceiptCode) -> Callable[[Callable[[LedgerWorld], Case]], Callable[..., Case]]:
    def register(make: Callable[[LedgerWorld], Case]) -> Callable[[LedgerWorld], Case]:
        assert code not in CASES
        CASES[code] = make
        return make

    return register


def training(world: LedgerWorld, **options: object) -> GrantAccreditation:
    """What QCTO may grant gaa."""
    scope = {"qualifications": [ELECTRICIAN], "sites": ["2"], **options}
    until = scope.pop("until", "2029-01-31")
    return world.grant_operation("gaa", "train", until=until, **scope)  # type: ignore[arg-type]


def granted(world: LedgerWorld) -> str:
    return world.apply("qcto", training(world))["grant_id"]


def suspend(grant_id: str, effective: str = "2024-06-01", version: int = 1) -> SuspendAccreditation:
    return SuspendAccreditation(
        grant_id=grant_id,
        expected_version=version,
        effective=day(effective),
        reason=AccreditationReason.NON_COMPLIANCE,
    )


def withdraw(
    grant_id: str,
    *,
    version: int = 1,
    effective: str = "2024-06-01",
    reason: AccreditationReason = AccreditationReason.FRAUD_FINDING,
    ab_initio: bool = False,
) -> WithdrawAccreditation:
    return WithdrawAccreditation(
        grant_id=grant_id,
        expected_version=version,
        effective=day(effective),
        reason=reason,
        ab_initio=ab_initio,
    )


def site(world: LedgerWorld, **changes: str) -> AddSite:
    fields = {"organisation": world.did("gaa"), "code": "9", "name": "Sample", "province": "EC"}
    return AddSite(**{**fields, **changes})


def schema(world: LedgerWorld, name: str = "sample", **changes: object) -> PublishResource:
    content = b'{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object"}'
    operation = world.publish("gaa", name, ResourceType.JSON_SCHEMA, content)
    return dataclasses.replace(operation, **changes)  # type: ignore[arg-type]


def new_organisation(world: LedgerWorld, **changes: object) -> EndorseOrganisation:
    return dataclasses.replace(
        world.endorsement(make_organisation("fresh", name="Fresh Sample")),
        **changes,  # type: ignore[arg-type]
    )


# The envelope --------------------------------------------------------------------------------------


@case(ReceiptCode.EXPIRED)
def _expired(world: LedgerWorld) -> Case:
    return "gaa", site(world), {"expires_at": world.time + 1000}


@case(ReceiptCode.EXPIRY_TOO_FAR)
def _expiry_too_far(world: LedgerWorld) -> Case:
    return "gaa", site(world), {"expires_at": world.time + 1000 + 24 * HOUR_MS + 1}


@case(ReceiptCode.IDEMPOTENCY_KEY_REUSED)
def _idempotency_key_reused(world: LedgerWorld) -> Case:
    world.apply("gaa", site(world), idempotency_key=b"k" * 16)
    return "gaa", site(world, code="10"), {"idempotency_key": b"k" * 16}


@case(ReceiptCode.AUTHOR_UNKNOWN)
def _author_unknown(world: LedgerWorld) -> Case:
    world.organisations["stranger"] = make_organisation("stranger")
    return "stranger", CreateStatusList()


@case(ReceiptCode.KEY_NOT_AUTHORISED)
def _key_not_authorised(world: LedgerWorld) -> Case:
    gaa = world.organisations["gaa"]
    gaa.keys["other"] = make_key("other", KeyRole.LEDGER, "ledger")
    return "gaa", site(world), {"keys": ["other"]}


@case(ReceiptCode.NOT_AUTHORISED)
def _not_authorised(world: LedgerWorld) -> Case:
    return "gaa", site(world), {"keys": ["admin"]}


@case(ReceiptCode.PERSONAL_DATA)
def _personal_data(world: LedgerWorld) -> Case:
    return "gaa", site(world, name="Site of 8001015009087")


@case(ReceiptCode.FIELD_INVALID)
def _field_invalid(world: LedgerWorld) -> Case:
    return "gaa", site(world, code="no blanks")


@case(ReceiptCode.TEXT_NOT_ALLOWED)
def _text_not_allowed(world: LedgerWorld) -> Case:
    return "gaa", site(world, name="Site <b>")


@case(ReceiptCode.LIMIT_EXCEEDED)
def _limit_exceeded(world: LedgerWorld) -> Case:
    return "gaa", CreateStatusList(
        list_id=b"l" * 16, purpose=StatusPurpose.REVOCATION, bits=1, size=2**32
    )


# Organisations and DIDs ----------------------------------------------------------------------------


@case(ReceiptCode.STALE_VERSION)
def _stale_version(world: LedgerWorld) -> Case:
    return "gaa", UpdateDid(did=world.did("gaa"), expected_version=2), {"keys": ["admin"]}


@case(ReceiptCode.DID_UNKNOWN)
def _did_unknown(world: LedgerWorld) -> Case:
    stranger = make_organisation("stranger").did
    return "gaa", UpdateDid(did=stranger, expected_version=1), {"keys": ["admin"]}


@case(ReceiptCode.DID_DEACTIVATED)
def _did_deactivated(world: LedgerWorld) -> Case:
    key = did_key(world.did("gaa"))
    record = dataclasses.replace(world.did_record("gaa"), deactivated=world.time)
    world.values[key] = encode(record)
    return "gaa", site(world)


@case(ReceiptCode.REQUEST_MALFORMED)
def _request_malformed(world: LedgerWorld) -> Case:
    return "qcto", new_organisation(world, request=b"\xff")


@case(ReceiptCode.REQUEST_SIGNATURE_INVALID)
def _request_signature_invalid(world: LedgerWorld) -> Case:
    operation = new_organisation(world)
    first, *others = operation.request_signatures
    forged = KeySignature(key_id=first.key_id, signature=bytes(64))
    return "qcto", dataclasses.replace(operation, request_signatures=(forged, *others))


@case(ReceiptCode.REQUEST_OTHER_NETWORK)
def _request_other_network(world: LedgerWorld) -> Case:
    return "qcto", world.endorsement(make_organisation("fresh", name="Fresh", network="other"))


@case(ReceiptCode.ORGANISATION_EXISTS)
def _organisation_exists(world: LedgerWorld) -> Case:
    return "qcto", world.endorsement(world.organisations["gaa"])


@case(ReceiptCode.SHORT_NAME_TAKEN)
def _short_name_taken(world: LedgerWorld) -> Case:
    return "qcto", world.endorsement(make_organisation("gaa", name="Another Sample"))


@case(ReceiptCode.NAME_TAKEN)
def _name_taken(world: LedgerWorld) -> Case:
    name = world.organisations["gaa"].name.upper()
    return "qcto", world.endorsement(make_organisation("double", name=name))


@case(ReceiptCode.CODE_TAKEN)
def _code_taken(world: LedgerWorld) -> Case:
    codes = (Code(system="qcto", value="SDP-0142"),)
    world.organisations["one"] = make_organisation("one", name="One Sample")
    world.apply(
        "qcto", dataclasses.replace(world.endorsement(world.organisations["one"]), codes=codes)
    )
    return "qcto", new_organisation(world, codes=codes)


@case(ReceiptCode.ORGANISATION_UNKNOWN)
def _organisation_unknown(world: LedgerWorld) -> Case:
    return "gaa", site(world, organisation=make_organisation("stranger").did)


@case(ReceiptCode.ORGANISATION_TYPE_UNKNOWN)
def _organisation_type_unknown(world: LedgerWorld) -> Case:
    return "qcto", world.endorsement(make_organisation("fresh", name="Fresh", type_="club"))


@case(ReceiptCode.SITE_EXISTS)
def _site_exists(world: LedgerWorld) -> Case:
    return "gaa", site(world, code="1")


@case(ReceiptCode.PROVINCE_UNKNOWN)
def _province_unknown(world: LedgerWorld) -> Case:
    return "gaa", site(world, province="XX")


def _update_keys(world: LedgerWorld, new_key: NewKey) -> Case:
    operation = UpdateDid(did=world.did("gaa"), expected_version=1, add_keys=(new_key,))
    return "gaa", operation, {"keys": ["admin"]}


@case(ReceiptCode.KEY_EXISTS)
def _key_exists(world: LedgerWorld) -> Case:
    gaa = world.organisations["gaa"]
    return _update_keys(world, gaa.new_key("ledger", KeyRole.LEDGER))


@case(ReceiptCode.KEY_UNKNOWN)
def _key_unknown(world: LedgerWorld) -> Case:
    operation = RotateKey(did=world.did("gaa"), expected_version=1, retired_key_id="nothing")
    return "gaa", operation, {"keys": ["admin"]}


@case(ReceiptCode.KEY_FORMAT)
def _key_format(world: LedgerWorld) -> Case:
    new_key = world.organisations["gaa"].new_key("further", KeyRole.ISSUE)
    assert new_key.key is not None
    small_order = dataclasses.replace(new_key.key, public_key=b"\x01" + bytes(31))
    return _update_keys(world, dataclasses.replace(new_key, key=small_order))


@case(ReceiptCode.KEY_ROLE_MISSING)
def _key_role_missing(world: LedgerWorld) -> Case:
    organisation = make_organisation("fresh", name="Fresh Sample")
    request = decode(OrganisationRequest, organisation.request)
    keys = tuple(key for key in request.keys if key.role is not KeyRole.ADMIN)
    return "qcto", EndorseOrganisation(request=encode(dataclasses.replace(request, keys=keys)))


@case(ReceiptCode.KEY_POSSESSION_INVALID)
def _key_possession_invalid(world: LedgerWorld) -> Case:
    new_key = world.organisations["gaa"].new_key("further", KeyRole.ISSUE)
    return _update_keys(world, dataclasses.replace(new_key, possession=bytes(64)))


@case(ReceiptCode.SERVICE_UNKNOWN)
def _service_unknown(world: LedgerWorld) -> Case:
    operation = UpdateDid(did=world.did("gaa"), expected_version=1, remove_services=("nothing",))
    return "gaa", operation, {"keys": ["admin"]}


@case(ReceiptCode.NOT_OWNER)
def _not_owner(world: LedgerWorld) -> Case:
    return "ttc", site(world)


@case(ReceiptCode.ORGANISATION_SUCCEEDED)
def _organisation_succeeded(world: LedgerWorld) -> Case:
    world.succeed("gaa", "nmu")
    return "qcto", training(world)


# Resources -----------------------------------------------------------------------------------------


@case(ReceiptCode.RESOURCE_EXISTS)
def _resource_exists(world: LedgerWorld) -> Case:
    world.apply("gaa", schema(world, resource_id=b"r" * 16))
    return "gaa", schema(world, "another", resource_id=b"r" * 16)


@case(ReceiptCode.RESOURCE_NAME_TAKEN)
def _resource_name_taken(world: LedgerWorld) -> Case:
    world.apply("gaa", schema(world))
    return "ttc", schema(world, expected_version=1)


@case(ReceiptCode.RESOURCE_TYPE_MISMATCH)
def _resource_type_mismatch(world: LedgerWorld) -> Case:
    world.apply("gaa", schema(world))
    content = b'{"languages":{"en":{"a":"b"}}}'
    return "gaa", world.publish(
        "gaa", "sample", ResourceType.DISPLAY_BUNDLE, content, expected_version=1
    )


@case(ReceiptCode.RESOURCE_CONTENT_INVALID)
def _resource_content_invalid(world: LedgerWorld) -> Case:
    return "saqa", world.publish(
        "saqa", "za:saqa:q:1", ResourceType.QUALIFICATION, electrician(saqa_id=2)
    )


@case(ReceiptCode.CHECKSUM_MISMATCH)
def _checksum_mismatch(world: LedgerWorld) -> Case:
    return "gaa", schema(world, checksum=sha256(b"other").digest())


@case(ReceiptCode.RESOURCE_TYPE_UNSUPPORTED)
def _resource_type_unsupported(world: LedgerWorld) -> Case:
    return "gaa", schema(world, type=ResourceType.GOVERNANCE_DOCUMENT)


# Status lists --------------------------------------------------------------------------------------


def new_list(**changes: object) -> CreateStatusList:
    fields: dict[str, object] = {
        "list_id": b"l" * 16,
        "purpose": StatusPurpose.REVOCATION,
        "bits": 1,
        "size": 131_072,
    }
    return CreateStatusList(**{**fields, **changes})  # type: ignore[arg-type]


def change(world: LedgerWorld, list_id: bytes, index: int, value: int) -> UpdateStatusList:
    return UpdateStatusList(
        owner=world.did("gaa"),
        list_id=list_id,
        base_version=0,
        indexes=(index,),
        values=bytes((value,)),
    )


@case(ReceiptCode.STATUS_LIST_EXISTS)
def _status_list_exists(world: LedgerWorld) -> Case:
    world.apply("gaa", new_list())
    return "gaa", new_list()


@case(ReceiptCode.STATUS_LIST_UNKNOWN)
def _status_list_unknown(world: LedgerWorld) -> Case:
    return "gaa", change(world, b"n" * 16, 0, 1)


@case(ReceiptCode.STATUS_LIST_TOO_SMALL)
def _status_list_too_small(world: LedgerWorld) -> Case:
    return "gaa", new_list(size=131_071)


@case(ReceiptCode.STATUS_INDEX_OUT_OF_RANGE)
def _status_index_out_of_range(world: LedgerWorld) -> Case:
    return "gaa", change(world, world.create_status_list("gaa"), 131_072, 1)


@case(ReceiptCode.STATUS_VALUE_OUT_OF_RANGE)
def _status_value_out_of_range(world: LedgerWorld) -> Case:
    return "gaa", change(world, world.create_status_list("gaa"), 0, 2)


@case(ReceiptCode.REVOCATION_IS_FINAL)
def _revocation_is_final(world: LedgerWorld) -> Case:
    list_id = world.create_status_list("gaa")
    world.apply("gaa", change(world, list_id, 7, 1))
    return "gaa", dataclasses.replace(change(world, list_id, 7, 0), base_version=1)


# Accreditation -------------------------------------------------------------------------------------


@case(ReceiptCode.SELF_GRANT)
def _self_grant(world: LedgerWorld) -> Case:
    return "qcto", dataclasses.replace(training(world), grantee=world.did("qcto"))


@case(ReceiptCode.GRANT_CYCLE)
def _grant_cycle(world: LedgerWorld) -> Case:
    return "qcto", dataclasses.replace(training(world), grantee=world.did("saqa"))


@case(ReceiptCode.NO_POWER)
def _no_power(world: LedgerWorld) -> Case:
    return "ttc", training(world)


@case(ReceiptCode.SEPARATION_OF_DUTIES)
def _separation_of_duties(world: LedgerWorld) -> Case:
    granted(world)
    return "qcto", world.grant_operation("gaa", "conduct-eisa", qualifications=[ELECTRICIAN])


@case(ReceiptCode.SCOPE_NOT_COVERED)
def _scope_not_covered(world: LedgerWorld) -> Case:
    return "che", training(world)


@case(ReceiptCode.TERM_TOO_LONG)
def _term_too_long(world: LedgerWorld) -> Case:
    return "qcto", training(world, until="2029-02-01")


@case(ReceiptCode.GRANT_UNKNOWN)
def _grant_unknown(world: LedgerWorld) -> Case:
    return "qcto", suspend("gNothing")


@case(ReceiptCode.NOT_GRANTOR)
def _not_grantor(world: LedgerWorld) -> Case:
    return "saqa", suspend(granted(world))


@case(ReceiptCode.GRANT_ENDED)
def _grant_ended(world: LedgerWorld) -> Case:
    grant_id = granted(world)
    world.apply("qcto", withdraw(grant_id))
    return "qcto", suspend(grant_id, version=2)


@case(ReceiptCode.GRANT_NOT_SUSPENDED)
def _grant_not_suspended(world: LedgerWorld) -> Case:
    return "qcto", ReinstateAccreditation(
        grant_id=granted(world),
        expected_version=1,
        effective=day("2024-06-01"),
        reason=AccreditationReason.ERROR,
    )


@case(ReceiptCode.GRANT_SUSPENDED_ALREADY)
def _grant_suspended_already(world: LedgerWorld) -> Case:
    grant_id = granted(world)
    world.apply("qcto", suspend(grant_id))
    return "qcto", suspend(grant_id, version=2)


@case(ReceiptCode.EFFECTIVE_IN_PAST)
def _effective_in_past(world: LedgerWorld) -> Case:
    grant_id = granted(world)
    world.skip_to("2024-06-02")
    return "qcto", suspend(grant_id)


@case(ReceiptCode.EFFECTIVE_OUTSIDE_TERM)
def _effective_outside_term(world: LedgerWorld) -> Case:
    return "qcto", suspend(granted(world), effective="2029-02-01")


@case(ReceiptCode.AB_INITIO_MISMATCH)
def _ab_initio_mismatch(world: LedgerWorld) -> Case:
    grant_id = granted(world)
    world.apply("qcto", withdraw(grant_id, ab_initio=True))
    return "saqa", withdraw(grant_id, version=2, reason=AccreditationReason.ERROR, ab_initio=True)


@case(ReceiptCode.AB_INITIO_PENDING)
def _ab_initio_pending(world: LedgerWorld) -> Case:
    grant_id = granted(world)
    world.apply("qcto", withdraw(grant_id, ab_initio=True))
    return "qcto", withdraw(grant_id, version=2, ab_initio=True)


@case(ReceiptCode.AB_INITIO_NOT_OPEN)
def _ab_initio_not_open(world: LedgerWorld) -> Case:
    return "saqa", withdraw(granted(world), ab_initio=True)


@case(ReceiptCode.NO_SECOND_PARTY)
def _no_second_party(world: LedgerWorld) -> Case:
    grant_id = world.grant("saqa", "qcto", "certify", sub_frameworks=["OQSF"])
    return "saqa", withdraw(grant_id, ab_initio=True)


@case(ReceiptCode.SITE_UNKNOWN)
def _site_unknown(world: LedgerWorld) -> Case:
    return "qcto", training(world, sites=["3"])


@case(ReceiptCode.QUALIFICATION_UNKNOWN)
def _qualification_unknown(world: LedgerWorld) -> Case:
    return "qcto", training(world, qualifications=["za:saqa:q:1"])


# Validators ----------------------------------------------------------------------------------------

ADMIN: dict[str, object] = {"keys": ["admin"]}


@case(ReceiptCode.WOULD_LOSE_QUORUM)
def _would_lose_quorum(world: LedgerWorld) -> Case:
    return "saqa", RemoveValidator("n1"), ADMIN


@case(ReceiptCode.CHANGE_PENDING)
def _change_pending(world: LedgerWorld) -> Case:
    admit(world, "n9", "qcto")
    world.apply("qcto", activation(world, "n9"), keys=["admin"])
    return "saqa", RemoveValidator("n1"), ADMIN


@case(ReceiptCode.VALIDATOR_EXISTS)
def _validator_exists(world: LedgerWorld) -> Case:
    return "saqa", admission(world, "n1", "qcto"), ADMIN


@case(ReceiptCode.VALIDATOR_UNKNOWN)
def _validator_unknown(world: LedgerWorld) -> Case:
    return "qcto", UpdateValidatorAddress("n9", "n9.example:7052")


@case(ReceiptCode.VALIDATOR_KEY_USED)
def _validator_key_used(world: LedgerWorld) -> Case:
    operation = admission(world, "n9", "qcto")
    assert operation.validator is not None
    taken = world.genesis.validators[0].peer_key
    validator = dataclasses.replace(operation.validator, peer_key=taken)
    return "saqa", dataclasses.replace(operation, validator=validator), ADMIN


@case(ReceiptCode.VALIDATOR_KEY_INVALID)
def _validator_key_invalid(world: LedgerWorld) -> Case:
    operation = admission(world, "n9", "qcto")
    assert operation.validator is not None
    validator = dataclasses.replace(operation.validator, peer_key=bytes(32))
    return "saqa", dataclasses.replace(operation, validator=validator), ADMIN


@case(ReceiptCode.VALIDATOR_NOT_LEARNER)
def _validator_not_learner(world: LedgerWorld) -> Case:
    return "saqa", activation(world, "n1"), ADMIN


@case(ReceiptCode.VALIDATOR_NOT_ACTIVE)
def _validator_not_active(world: LedgerWorld) -> Case:
    admit(world, "n8", "qcto")
    admit(world, "n9", "qcto")
    return "qcto", activation(world, "n9", replaces="n8"), ADMIN


@case(ReceiptCode.VALIDATOR_REMOVED)
def _validator_removed(world: LedgerWorld) -> Case:
    admit(world, "n9", "qcto")
    world.apply("qcto", RemoveValidator("n9"), keys=["admin"])
    return "qcto", RemoveValidator("n9"), ADMIN


@case(ReceiptCode.ACTIVATION_STALE)
def _activation_stale(world: LedgerWorld) -> Case:
    admit(world, "n9", "qcto")
    return "qcto", activation(world, "n9", height=1), ADMIN


@case(ReceiptCode.ACTIVATION_SIGNATURE_INVALID)
def _activation_signature_invalid(world: LedgerWorld) -> Case:
    admit(world, "n9", "qcto")
    return "qcto", activation(world, "n9", signer="n8"), ADMIN


def test_every_code_is_reached() -> None:
    execution = {code for code in ReceiptCode if code >= 200}
    assert execution == set(CASES) | UNREACHABLE
    assert not set(CASES) & UNREACHABLE


@pytest.mark.parametrize("code", sorted(CASES), ids=lambda code: code.name)
def test_refusal_changes_nothing(code: ReceiptCode) -> None:
    world = make_training_world()
    author, operation, *options = CASES[code](world)
    world.refuse(code, author, operation, **(options[0] if options else {}))


def test_operation_without_handler_is_refused() -> None:
    """No input reaches this: `check_transaction` refuses a body without an operation."""
    world = make_training_world()
    before = world.snapshot()
    checked = world.check(world.make_transaction("gaa", site(world)))
    body = dataclasses.replace(checked.body, operation=None)
    result = execute_block(
        world.state, world.make_header([]), [dataclasses.replace(checked, body=body)]
    )
    assert ReceiptCode(result.receipts[0].code) is ReceiptCode.OPERATION_UNKNOWN
    assert result.writes == ()
    assert world.values == before
