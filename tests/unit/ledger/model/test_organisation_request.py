# SPDX-License-Identifier: Apache-2.0
"""An organisation's request: signed by each of its keys, with the keys it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from ledger.model import bls
from ledger.model.codec import decode, encode
from ledger.model.hashes import request_message
from ledger.model.keys import KeyRole, KeyType
from ledger.model.operations import KeyEntry, KeySignature, OrganisationRequest
from ledger.model.organisation_request import RequestError, check_organisation_request
from ledger.model.receipts import ReceiptCode
from tests.support.ledger_world import make_key, make_organisation

GAA = make_organisation("gaa")
REQUEST = decode(OrganisationRequest, GAA.request)


def sign(request: OrganisationRequest) -> tuple[bytes, tuple[KeySignature, ...]]:
    """The request with a signature by each key whose secret the fixture has."""
    encoded = encode(request)
    message = request_message(encoded)
    by_public_key = {key.public_key: key for key in GAA.keys.values()}
    return encoded, tuple(
        KeySignature(
            key_id=key.key_id,
            signature=by_public_key[key.public_key].sign(message)
            if key.public_key in by_public_key
            else bytes(64),
        )
        for key in request.keys
    )


def refusal(request: OrganisationRequest) -> ReceiptCode:
    encoded, signatures = sign(request)
    with pytest.raises(RequestError) as caught:
        check_organisation_request(encoded, signatures, network="test")
    assert caught.value.where.startswith("request")
    assert caught.value.code.name in str(caught.value)
    return caught.value.code


def test_good() -> None:
    assert check_organisation_request(*sign(REQUEST), network="test") == REQUEST


def test_bls_vote_key_signs_too() -> None:
    secret = bls.generate_secret(b"v" * 32)
    entry = KeyEntry(
        key_id="vote",
        role=KeyRole.VOTE,
        type=KeyType.BLS12381,
        public_key=bls.secret_to_public(secret),
    )
    encoded, signatures = sign(dataclasses.replace(REQUEST, keys=(*REQUEST.keys, entry)))
    good = KeySignature(key_id="vote", signature=bls.sign(secret, request_message(encoded)))
    check_organisation_request(encoded, (*signatures[:-1], good), network="test")
    with pytest.raises(RequestError) as caught:
        check_organisation_request(encoded, signatures, network="test")
    assert caught.value.code is ReceiptCode.REQUEST_SIGNATURE_INVALID


def with_keys(
    change: Callable[[tuple[KeyEntry, ...]], tuple[KeyEntry, ...]],
) -> OrganisationRequest:
    return dataclasses.replace(REQUEST, keys=change(REQUEST.keys))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (dataclasses.replace(REQUEST, network="other"), ReceiptCode.REQUEST_OTHER_NETWORK),
        (dataclasses.replace(REQUEST, nonce=b"n" * 15), ReceiptCode.REQUEST_MALFORMED),
        (dataclasses.replace(REQUEST, short_name="G"), ReceiptCode.TEXT_NOT_ALLOWED),
        (dataclasses.replace(REQUEST, name="<gaa>"), ReceiptCode.TEXT_NOT_ALLOWED),
        (dataclasses.replace(REQUEST, name="8001015009087"), ReceiptCode.PERSONAL_DATA),
        (dataclasses.replace(REQUEST, short_name="8001015009087"), ReceiptCode.PERSONAL_DATA),
        (with_keys(lambda _: ()), ReceiptCode.KEY_ROLE_MISSING),
        (with_keys(lambda keys: keys[1:]), ReceiptCode.KEY_ROLE_MISSING),
        (with_keys(lambda keys: (keys[0], keys[2])), ReceiptCode.KEY_ROLE_MISSING),
        (with_keys(lambda keys: (*keys, keys[0])), ReceiptCode.KEY_EXISTS),
        (
            with_keys(lambda keys: (*keys, dataclasses.replace(keys[0], key_id="other"))),
            ReceiptCode.KEY_EXISTS,
        ),
        (
            with_keys(lambda keys: (*keys, dataclasses.replace(keys[0], key_id="no blanks"))),
            ReceiptCode.KEY_FORMAT,
        ),
        (
            with_keys(
                lambda keys: (
                    *keys,
                    dataclasses.replace(
                        make_key("x", KeyRole.ISSUE).entry, public_key=b"\x01" * 31
                    ),
                )
            ),
            ReceiptCode.KEY_FORMAT,
        ),
        (
            with_keys(lambda keys: (*keys, make_key("x", KeyRole.ISSUE).entry)),
            ReceiptCode.REQUEST_SIGNATURE_INVALID,
        ),
    ],
)
def test_refused(request_: OrganisationRequest, code: ReceiptCode) -> None:
    assert refusal(request_) is code


def test_key_type_suits_the_role() -> None:
    secret = bls.generate_secret(b"v" * 32)
    entry = KeyEntry(
        key_id="issue-bls",
        role=KeyRole.ISSUE,
        type=KeyType.BLS12381,
        public_key=bls.secret_to_public(secret),
    )
    assert refusal(with_keys(lambda keys: (*keys, entry))) is ReceiptCode.KEY_FORMAT


def test_signatures_are_the_keys_in_order() -> None:
    encoded, signatures = sign(REQUEST)
    for wrong in (signatures[:-1], signatures[::-1], (*signatures, signatures[0]), ()):
        with pytest.raises(RequestError) as caught:
            check_organisation_request(encoded, wrong, network="test")
        assert caught.value.code is ReceiptCode.REQUEST_SIGNATURE_INVALID


def test_not_canonical() -> None:
    encoded, signatures = sign(REQUEST)
    for wrong in (b"\xff", encoded + b"\x00", encoded + encoded):
        with pytest.raises(RequestError) as caught:
            check_organisation_request(wrong, signatures, network="test")
        assert caught.value.code is ReceiptCode.REQUEST_MALFORMED
