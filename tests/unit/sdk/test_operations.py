# SPDX-License-Identifier: Apache-2.0
"""From a caller's own types to what the ledger receives, and what has no form there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledger.model import operations as model
from ledger.model.codec import encode
from ledger.model.hashes import activation_message, possession_message
from ledger.model.keys import KeyRole, KeyType, verify_signature
from ledger.model.operations import AccreditationReason, StatusPurpose
from sdk.accreditor import longest_term, parse_qualification, prepare_endorsement
from sdk.client_checks import OperationRefusal, check_operation
from sdk.errors import CallerError
from sdk.operations import (
    ActivateValidator,
    AddSite,
    AdmitValidator,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    NewKey,
    Operation,
    PublishResource,
    ReinstateAccreditation,
    RemoveValidator,
    RotateKey,
    Service,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    Validator,
    WithdrawAccreditation,
)
from sdk.organisation_requests import OrganisationRequestFile, create_request, read_request
from sdk.signers import Signer
from tests.support.certified_world import WorldSigner
from tests.support.ledger_world import (
    TestKey,
    make_genesis,
    make_key,
    make_organisation,
    make_validator,
)

DID = make_organisation("gaa").did
LIST_ID = UUID("58172aac-d8ba-41ed-83dd-0b3aef56cc33")


def refuse(code: str, call: Callable[[], object]) -> CallerError:
    with pytest.raises(CallerError) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.remedy
    return caught.value


def signer(key: TestKey) -> Signer:
    return WorldSigner(key)


def new_key(role: str = "issue") -> NewKey:
    return NewKey.prove(DID, role, signer(make_key("gaa/issue-2", KeyRole.ISSUE)))


def newcomer(**changes: Any) -> Validator:
    made = make_validator("n2", DID)
    fields: dict[str, Any] = {
        "id": made.id,
        "organisation": made.organisation,
        "vote_key_type": "bls",
        "vote_key": made.vote_key,
        "vote_possession": made.vote_possession,
        "peer_key": made.peer_key,
        "tls_certificate": made.tls_certificate,
    }
    return Validator(**fields | changes)


# Operations --------------------------------------------------------------------------------------


def test_every_operation_has_bytes_on_the_ledger() -> None:
    organisation = make_organisation("gaa")
    request = OrganisationRequestFile(organisation.request, organisation.request_signatures)
    operations: list[Operation] = [
        EndorseOrganisation(request, {"qcto": "SDP-0142"}),
        AddSite(DID, "2", "Sample site", "EC"),
        UpdateDid(DID, 1, [Service("a", "B", "https://x.example")], ["old"], [new_key()]),
        RotateKey(DID, 1, "issue", new_key(), timedelta(days=1)),
        PublishResource("sample", "JsonSchema", {"type": "object"}),
        CreateStatusList("suspension"),
        UpdateStatusList(DID, LIST_ID, 0, {7: 1}),
        GrantAccreditation(DID, ["train"], date(2024, 2, 1), None),
        SuspendAccreditation("g1", 1, date(2026, 1, 1), "quality-failure"),
        ReinstateAccreditation("g1", 2, date(2026, 2, 1), "error"),
        WithdrawAccreditation("g1", 3, date(2026, 3, 1), "voluntary", ab_initio=True),
        AdmitValidator(newcomer(), "n2.example:7052"),
        ActivateValidator("n2", 7, bytes(32), bytes(96), replaces="n1"),
        RemoveValidator("n2"),
        UpdateValidatorAddress("n2", "[::1]:7052"),
    ]
    models = [operation.to_model() for operation in operations]
    assert [type(held).__name__ for held in models] == [type(held).__name__ for held in operations]
    assert all(encode(held) for held in models)


def test_a_validator_as_its_node_made_it() -> None:
    assert AdmitValidator(newcomer(), "h:1").to_model() == model.AdmitValidator(
        make_validator("n2", DID), "h:1"
    )
    ed25519 = newcomer(vote_key_type="ed25519", vote_possession=b"").to_model()
    assert ed25519.vote_key_type is KeyType.ED25519
    refuse("DID_MALFORMED", lambda: newcomer(organisation="qcto").to_model())
    refuse("KEY_TYPE_UNKNOWN", lambda: newcomer(vote_key_type="rsa").to_model())


def test_a_newcomer_signs_the_block_that_it_has() -> None:
    key = make_key("vote/n2", KeyRole.VOTE)
    made = ActivateValidator.prove("test:0123", "n2", 7, b"h" * 32, signer(key)).to_model()
    assert (made.validator_id, made.height, made.block_hash) == ("n2", 7, b"h" * 32)
    assert made.replaces == ""
    for args, expected in (
        (("test:0123", "n2", 7, b"h" * 32), True),
        (("test:0124", "n2", 7, b"h" * 32), False),
        (("test:0123", "n3", 7, b"h" * 32), False),
        (("test:0123", "n2", 8, b"h" * 32), False),
        (("test:0123", "n2", 7, b"i" * 32), False),
    ):
        message = activation_message(*args)
        assert (
            verify_signature(KeyType.ED25519, key.public_key, message, made.signature) is expected
        )
    replacing = ActivateValidator.prove("c", "n2", 7, b"", signer(key), replaces="n1")
    assert replacing.to_model().replaces == "n1"
    wrong: Any = "7"
    refuse("ARGUMENT_TYPE", lambda: ActivateValidator.prove("c", "n2", wrong, b"", signer(key)))


def test_a_grant_in_days_and_sorted_scopes() -> None:
    held = GrantAccreditation(
        DID,
        ["train", "assess-internally", "train"],
        date(1970, 1, 2),
        date(2029, 1, 31),
        qualifications=["za:saqa:q:91761", "za:saqa:q:11111"],
        sites=["2", "1"],
    ).to_model()
    assert held.powers == ("assess-internally", "train")
    assert held.scope == model.Scope(
        qualifications=("za:saqa:q:11111", "za:saqa:q:91761"), sites=("1", "2")
    )
    assert held.valid_from == 1
    assert held.valid_until == (date(2029, 1, 31) - date(1970, 1, 1)).days
    assert GrantAccreditation(DID, ["train"], date(2024, 1, 1), None).to_model().valid_until == 0


def test_one_text_is_not_taken_for_a_list_of_letters() -> None:
    refuse(
        "FIELD_INVALID",
        lambda: GrantAccreditation(DID, "train", date(2024, 1, 1), None).to_model(),
    )


def test_dates_before_1970_and_reasons_in_free_text() -> None:
    refuse(
        "DATE_OUT_OF_RANGE",
        lambda: GrantAccreditation(DID, ["train"], date(1969, 12, 31), None).to_model(),
    )
    for reason in ("he cheated", "", "unspecified"):
        refuse(
            "REASON_UNKNOWN",
            lambda reason=reason: SuspendAccreditation(  # type: ignore[misc]
                "g1", 1, date(2026, 1, 1), reason
            ).to_model(),
        )
    assert (
        SuspendAccreditation("g1", 1, date(2026, 1, 1), "fraud-finding").to_model().reason
        is AccreditationReason.FRAUD_FINDING
    )


def test_published_content_and_its_checksum() -> None:
    made = PublishResource("sample", "DisplayBundle", {"b": [1, "é"], "a": {}}, 3).to_model()
    assert made.content == '{"a":{},"b":[1,"é"]}'.encode()
    assert made.checksum == sha256(made.content).digest()
    assert (made.expected_version, made.media_type) == (3, "application/json")
    raw = PublishResource("sample", "DisplayBundle", b"{}", resource_id=LIST_ID).to_model()
    assert (raw.content, raw.resource_id) == (b"{}", LIST_ID.bytes)
    first, second = (
        PublishResource("sample", "DisplayBundle", b"{}").to_model().resource_id for _ in range(2)
    )
    assert first != second
    refuse(
        "RESOURCE_CONTENT_INVALID",
        lambda: PublishResource("sample", "DisplayBundle", {"a": 0.5}).to_model(),
    )
    refuse("RESOURCE_TYPE_UNKNOWN", lambda: PublishResource("sample", "Recipe", b"{}").to_model())
    refuse("RESOURCE_TYPE_UNKNOWN", lambda: PublishResource("x", "Unspecified", b"{}").to_model())


def test_status_lists_and_their_changes() -> None:
    made = CreateStatusList("message", bits=4, size=262_144, list_id=LIST_ID).to_model()
    assert made == model.CreateStatusList(LIST_ID.bytes, StatusPurpose.MESSAGE, 4, 262_144)
    assert CreateStatusList("revocation").to_model().size == 131_072
    update = UpdateStatusList(DID, LIST_ID, 2, {9: 1, 3: 0}).to_model()
    assert (update.indexes, update.values) == ((3, 9), b"\x00\x01")
    for value in (-1, 256):
        changes = {9: value}
        refuse(
            "STATUS_VALUE_OUT_OF_RANGE",
            lambda changes=changes: UpdateStatusList(DID, LIST_ID, 2, changes).to_model(),  # type: ignore[misc]
        )
    for purpose in ("unspecified", "refresh", ""):
        refuse(
            "STATUS_PURPOSE_UNKNOWN",
            lambda purpose=purpose: CreateStatusList(purpose).to_model(),  # type: ignore[misc]
        )


def test_a_new_key_shows_its_possession() -> None:
    made = new_key().to_model()
    assert made.key is not None
    assert (made.key.role, made.key.type) == (KeyRole.ISSUE, KeyType.ED25519)
    message = possession_message(DID, encode(made.key))
    assert verify_signature(KeyType.ED25519, made.key.public_key, message, made.possession)
    refuse("KEY_ROLE_UNKNOWN", lambda: new_key("boss"))
    bad = NewKey("k", "issue", "rsa", b"", b"")
    refuse("KEY_TYPE_UNKNOWN", bad.to_model)


def test_a_rotation_in_milliseconds() -> None:
    since = datetime(2026, 5, 1, 12, tzinfo=UTC)
    made = RotateKey(DID, 4, "issue", new_key(), timedelta(days=1), since).to_model()
    assert made.overlap_ms == 24 * 60 * 60 * 1000
    assert made.compromised_since == 1_777_636_800_000
    assert RotateKey(DID, 4, "issue", new_key()).to_model().compromised_since == 0
    naive = RotateKey(DID, 4, "issue", new_key(), compromised_since=since.replace(tzinfo=None))
    refuse("TIME_ZONE_MISSING", naive.to_model)


# Requests ----------------------------------------------------------------------------------------


def request_file(**changes: Any) -> OrganisationRequestFile:
    keys = make_organisation("gaa").keys
    arguments: dict[str, Any] = {
        "network": "test",
        "short_name": "gaa",
        "name": "Gqeberha Artisan Academy (sample)",
        "type": "provider",
        "keys": [(key.role, signer(key)) for key in keys.values()],
    }
    return create_request(**(arguments | changes))


def test_a_request_is_written_and_read(tmp_path: Path) -> None:
    made = request_file()
    path = tmp_path / "request.json"
    path.write_bytes(made.to_bytes())
    document = json.loads(path.read_bytes())
    assert document["did"] == made.did
    assert document["name"] == "Gqeberha Artisan Academy (sample)"
    assert read_request(path) == read_request(document) == read_request(made) == made
    assert request_file().did != made.did, "each request has a nonce of its own"
    operation = prepare_endorsement(path, short_name="gaa", codes={"qcto": "SDP-0142"}).to_model()
    assert operation == model.EndorseOrganisation(
        made.request, made.signatures, (model.Code("qcto", "SDP-0142"),)
    )


def test_an_endorser_is_not_shown_another_name_than_the_signed_one() -> None:
    document = request_file().to_document()
    for name in ("network", "short_name", "name", "type", "did"):
        refuse("REQUEST_MALFORMED", lambda name=name: read_request(document | {name: "x"}))  # type: ignore[misc]


def test_an_endorser_who_knows_another_name_refuses() -> None:
    made = request_file()
    refuse("ENDORSEMENT_DIFFERS", lambda: prepare_endorsement(made, name="Another"))
    refuse("ENDORSEMENT_DIFFERS", lambda: prepare_endorsement(made, short_name="other"))
    prepare_endorsement(made, name=made.content.name)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": "x"}, "REQUEST_MALFORMED"),
        ({"request": "?"}, "REQUEST_MALFORMED"),
        ({"request": 7}, "REQUEST_MALFORMED"),
        ({"request": "AAAA"}, "REQUEST_MALFORMED"),
        ({"signatures": None}, "REQUEST_MALFORMED"),
        ({"signatures": ["x"]}, "REQUEST_MALFORMED"),
        ({"signatures": [{"key_id": "admin", "signature": "!"}]}, "REQUEST_MALFORMED"),
        ({"signatures": []}, "REQUEST_SIGNATURE_INVALID"),
    ],
)
def test_damaged_requests(changes: dict[str, Any], code: str) -> None:
    document = request_file().to_document()
    refuse(code, lambda: read_request(document | changes))


def test_request_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    refuse("FILE_UNREADABLE", lambda: read_request(path))
    for content in (b"", b"[]", b"{" * 10_000, b"\xff", b" " * 70_000):
        path.write_bytes(content)
        refuse("REQUEST_MALFORMED", lambda: read_request(path))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"keys": []}, "KEY_ROLE_MISSING"),
        ({"short_name": "Two words"}, "TEXT_NOT_ALLOWED"),
        ({"name": "x" * 300}, "REQUEST_MALFORMED"),
    ],
)
def test_requests_that_nobody_could_endorse(changes: dict[str, Any], code: str) -> None:
    refuse(code, lambda: request_file(**changes))


@pytest.mark.parametrize(
    "operation",
    [
        AddSite("gaa", "2", "Site", "EC"),
        UpdateDid("gaa", 1, remove_services=["x"]),
        UpdateStatusList("gaa", LIST_ID, 0, {1: 1}),
        GrantAccreditation("qcto:SDP-0142", ["train"], date(2026, 1, 1), None),
        GrantAccreditation(DID + "0", ["train"], date(2026, 1, 1), None),
    ],
)
def test_an_operation_names_organisations_by_did(operation: Operation) -> None:
    error = refuse("DID_MALFORMED", operation.to_model)
    assert "organisation(NAME).value.did" in error.remedy


# Client checks -----------------------------------------------------------------------------------

GENESIS = make_genesis()


def check(operation: Operation) -> None:
    check_operation(operation.to_model(), network="test", charter=GENESIS.charter)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (AddSite(DID, "2", "Call 082 555 1234", "EC"), "PERSONAL_DATA"),
        (AddSite(DID, "2", "jane@example.org", "EC"), "PERSONAL_DATA"),
        (
            PublishResource(
                "sample", "DisplayBundle", {"languages": {"en": {"a": "ID 8001015009087"}}}
            ),
            "PERSONAL_DATA",
        ),
        (
            UpdateDid(DID, 1, set_services=[Service("a", "Web", "http://x.example")]),
            "FIELD_INVALID",
        ),
        (UpdateDid(DID, 1, remove_services=["No Such"]), "SERVICE_UNKNOWN"),
        (UpdateDid(DID, 1), "FIELD_INVALID"),
        (PublishResource("sample", "DisplayBundle", b"no json"), "RESOURCE_CONTENT_INVALID"),
        (PublishResource("sample", "SkillAlignment", b"{}"), "RESOURCE_TYPE_UNSUPPORTED"),
        (
            PublishResource("sample", "DisplayBundle", b" " * 131_073),
            "LIMIT_EXCEEDED",
        ),
    ],
)
def test_what_the_client_refuses(operation: Operation, code: str) -> None:
    with pytest.raises(OperationRefusal) as caught:
        check(operation)
    assert caught.value.code.name == code
    assert "8001015009087" not in caught.value.text


def test_what_the_client_lets_pass() -> None:
    check(AddSite(DID, "2", "Sample site", "EC"))
    check(
        PublishResource("sample", "DisplayBundle", {"languages": {"en": {"title": "Electrician"}}})
    )
    organisation = make_organisation("gaa")
    check(
        EndorseOrganisation(
            OrganisationRequestFile(organisation.request, organisation.request_signatures)
        )
    )


def test_a_request_of_another_network_is_refused_by_the_client() -> None:
    other = make_organisation("gaa", network="other")
    with pytest.raises(OperationRefusal) as caught:
        check(EndorseOrganisation(OrganisationRequestFile(other.request, other.request_signatures)))
    assert caught.value.code.name == "REQUEST_OTHER_NETWORK"


# Accreditor --------------------------------------------------------------------------------------


def test_qualifications_by_number_or_name() -> None:
    assert parse_qualification("91761") == parse_qualification("za:saqa:q:91761")
    for text in ("", "0", "91761a", "za:saqa:q:", "-1", "٣"):
        refuse("QUALIFICATION_MALFORMED", lambda text=text: parse_qualification(text))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("powers", "held", "grantee", "named", "years"),
    [
        (["train"], {"accredit-provider"}, "provider", {"qualifications"}, 5),
        (
            ["train", "issue-badge"],
            {"accredit-provider"},
            "provider",
            {"qualifications", "sites"},
            5,
        ),
        (["trade-test"], {"accredit-provider"}, "trade-test-centre", {"trades"}, None),
        (["train", "trade-test"], {"accredit-provider"}, "provider", {"qualifications"}, 5),
        (["issue"], {"accredit-provider"}, "university", {"qualifications"}, None),
        (["train"], {"register-qualification"}, "provider", {"qualifications"}, None),
        (["train"], {"accredit-provider"}, "employer", {"qualifications"}, None),
        (["train"], {"accredit-provider"}, "provider", set[str](), None),
        (["accredit-provider"], {"recognise-council"}, "quality-council", {"sub_frameworks"}, None),
    ],
)
def test_the_longest_term_that_the_charter_allows(
    powers: list[str], held: set[str], grantee: str, named: set[str], years: int | None
) -> None:
    assert longest_term(GENESIS.charter, powers, held, grantee, named) == years
