# SPDX-License-Identifier: Apache-2.0
"""What can be said of a validator's operations without a state: each field, one by one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ledger.model.block import Validator
from ledger.model.hashes import activation_message
from ledger.model.keys import KeyType
from ledger.model.operations import (
    ActivateValidator,
    AdmitValidator,
    RemoveValidator,
    UpdateValidatorAddress,
)
from ledger.model.organisation_request import RequestError
from ledger.model.receipts import ReceiptCode
from ledger.model.tls_certificate import TlsCertificateError, check_tls_certificate
from ledger.model.validator_form import (
    ValidatorOperation,
    check_admission_form,
    check_validator_form,
    is_peer_address,
)
from tests.support.ledger_world import (
    NETWORK,
    make_organisation,
    make_tls_certificate,
    make_validator,
)

DID = make_organisation("gaa").did
BLS = make_validator("n9", DID)
ED25519 = make_validator("n9", DID, certificate_scheme="ed25519")
ACTIVATION = ActivateValidator("n9", 7, b"\xff" * 32, b"\xff" * 64)
ADDRESS = "n9.example:7052"


def refusal(operation: ValidatorOperation) -> tuple[ReceiptCode, str]:
    with pytest.raises(RequestError) as caught:
        check_validator_form(operation, network=NETWORK)
    assert caught.value.text
    return caught.value.code, caught.value.where


GOOD_ADDRESSES = [
    *("n1:1", "n1.example.org:65535", "10.0.0.2:7052", "[::1]:7052", "[2001:db8::7]:80", "1:2"),
    f"{'a' * 63}.b:1",
]
BAD_ADDRESSES = [
    *(
        "",
        "n1",
        "n1:",
        ":7052",
        "n1:0",
        "n1:065",
        "n1:65536",
        "n1:+80",
        "N1:80",
        "n 1:80",
        "n1:80 ",
    ),
    *("n_1:80", "-n1:80", "n1-:80", "n1..org:80", ".n1:80", "n1.:80", "::1:80", "[]:80", "[::1:80"),
    *("[::G]:80", "http://n1:80", "a@n1:80", "n1:80\n", "n1:\u096e", "[n1]:80", f"{'a' * 64}:1"),
    *(".".join(["a" * 63] * 4) + ":80", f"[{'1' * 40}]:80"),
]


@pytest.mark.parametrize("address", GOOD_ADDRESSES)
def test_addresses(address: str) -> None:
    assert is_peer_address(address)


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_what_is_no_address(address: str) -> None:
    assert not is_peer_address(address)
    code, where = refusal(UpdateValidatorAddress("n9", address))
    assert (code, where) == (ReceiptCode.FIELD_INVALID, "peer_address")
    assert refusal(AdmitValidator(BLS, address)) == (code, where)


@pytest.mark.parametrize("validator", [BLS, ED25519], ids=["bls", "ed25519"])
def test_good(validator: Validator) -> None:
    assert check_admission_form(AdmitValidator(validator, ADDRESS), network=NETWORK) == validator
    others = (ACTIVATION, RemoveValidator("n9"), UpdateValidatorAddress("n9", ADDRESS))
    for operation in others:
        check_validator_form(operation, network=NETWORK)
    for signature in (b"\xff" * 64, b"\xff" * 96):
        check_validator_form(
            dataclasses.replace(ACTIVATION, signature=signature, replaces="n1"), network=NETWORK
        )


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"id": ""}, ReceiptCode.FIELD_INVALID, "id"),
        ({"id": "N9"}, ReceiptCode.FIELD_INVALID, "id"),
        ({"organisation": "gaa"}, ReceiptCode.ORGANISATION_UNKNOWN, "organisation"),
        (
            {"organisation": make_organisation("gaa", network="other").did},
            ReceiptCode.ORGANISATION_UNKNOWN,
            "organisation",
        ),
        ({"vote_key_type": KeyType.P256}, ReceiptCode.VALIDATOR_KEY_INVALID, "vote_key_type"),
        ({"vote_key_type": KeyType.ED25519}, ReceiptCode.VALIDATOR_KEY_INVALID, "vote_key"),
        ({"vote_key": b""}, ReceiptCode.VALIDATOR_KEY_INVALID, "vote_key"),
        ({"vote_key": b"\xc0" + bytes(47)}, ReceiptCode.VALIDATOR_KEY_INVALID, "vote_key"),
        ({"peer_key": b""}, ReceiptCode.VALIDATOR_KEY_INVALID, "peer_key"),
        ({"peer_key": b"\1" + bytes(31)}, ReceiptCode.VALIDATOR_KEY_INVALID, "peer_key"),
        ({"vote_possession": b""}, ReceiptCode.KEY_POSSESSION_INVALID, "vote_possession"),
        (
            {"vote_possession": make_validator("n8", DID).vote_possession},
            ReceiptCode.KEY_POSSESSION_INVALID,
            "vote_possession",
        ),
        ({"tls_certificate": b""}, ReceiptCode.VALIDATOR_KEY_INVALID, "tls_certificate"),
        (
            {"tls_certificate": make_tls_certificate("n8")[0]},
            ReceiptCode.VALIDATOR_KEY_INVALID,
            "tls_certificate",
        ),
    ],
)
def test_a_record_that_is_not_right(changes: dict[str, Any], code: ReceiptCode, where: str) -> None:
    operation = AdmitValidator(dataclasses.replace(BLS, **changes), ADDRESS)
    assert refusal(operation) == (code, f"validator.{where}")


def test_two_roles_need_two_keys_and_ed25519_shows_no_possession() -> None:
    same = dataclasses.replace(ED25519, peer_key=ED25519.vote_key)
    expected = (ReceiptCode.VALIDATOR_KEY_INVALID, "validator.peer_key")
    assert refusal(AdmitValidator(same, ADDRESS)) == expected
    more = dataclasses.replace(ED25519, vote_possession=BLS.vote_possession)
    expected = (ReceiptCode.KEY_POSSESSION_INVALID, "validator.vote_possession")
    assert refusal(AdmitValidator(more, ADDRESS)) == expected
    assert refusal(AdmitValidator(None, ADDRESS)) == (ReceiptCode.FIELD_INVALID, "validator")


def test_a_certificate_names_its_validator_and_nobody_else() -> None:
    for name in ("n9", "n9 validator CA"):
        check_tls_certificate(make_tls_certificate(name)[0], "n9")
    for name in ("n8", "n9 of Thandi Sample", "n9 validator CA."):
        check_tls_certificate(make_tls_certificate(name)[0])
        with pytest.raises(TlsCertificateError, match="subject"):
            check_tls_certificate(make_tls_certificate(name)[0], "n9")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"validator_id": "N 9"}, "validator_id"),
        ({"validator_id": ""}, "validator_id"),
        ({"replaces": "N 9"}, "replaces"),
        ({"block_hash": b"\xff" * 31}, "block_hash"),
        ({"block_hash": b""}, "block_hash"),
        ({"signature": b""}, "signature"),
        ({"signature": b"\xff" * 65}, "signature"),
    ],
)
def test_an_activation_that_is_not_right(changes: dict[str, Any], where: str) -> None:
    operation = dataclasses.replace(ACTIVATION, **changes)
    assert refusal(operation) == (ReceiptCode.FIELD_INVALID, where)


def test_what_is_removed_or_told_has_an_id() -> None:
    expected = (ReceiptCode.FIELD_INVALID, "validator_id")
    assert refusal(RemoveValidator("N 9")) == expected
    assert refusal(UpdateValidatorAddress("N 9", ADDRESS)) == expected


def test_no_two_activations_sign_the_same_bytes() -> None:
    """Where one text ends and the next begins is part of the message."""
    messages = {
        activation_message(*parts)
        for parts in (
            ("test:1", "n9", 1, b"h"),
            ("test:1n", "9", 1, b"h"),
            ("test:", "1n9", 1, b"h"),
            ("test:1", "n9", 2, b"h"),
            ("test:1", "n9", 1, b"i"),
            ("test:1", "n", int.from_bytes(b"9" + bytes(7), "big"), b"\x01h"),
        )
    }
    assert len(messages) == 6
    assert all(m.startswith(b"psetledger/validator-activation/v1\0") for m in messages)
