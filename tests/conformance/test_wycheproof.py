# SPDX-License-Identifier: Apache-2.0
"""Project Wycheproof: Ed25519, and ECDSA over P-256 with SHA-256 in the raw form r || s.

Wycheproof accepts both s of an ECDSA signature, this ledger the smaller alone: where a valid vector
has the other one it must be refused as it stands and accepted with n - s in its place.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from ledger.model.keys import P256_ORDER, KeyType, check_public_key, is_low_s, verify_signature
from tests.support.vectors import vector_path


def read(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every (public key, test) of a file."""
    document = json.loads(vector_path("wycheproof", name).read_text("utf-8"))
    pairs = [
        (group["publicKey"], test) for group in document["testGroups"] for test in group["tests"]
    ]
    assert len(pairs) == document["numberOfTests"]
    return pairs


def identify(pair: tuple[dict[str, Any], dict[str, Any]]) -> str:
    return f"{pair[1]['tcId']}-{pair[1]['result']}"


ED25519 = read("ed25519_test.json")
P256 = read("ecdsa_secp256r1_sha256_p1363_test.json")


def test_the_files_are_the_ones_we_know() -> None:
    assert Counter(test["result"] for _, test in ED25519) == {"valid": 88, "invalid": 63}
    assert Counter(test["result"] for _, test in P256) == {"valid": 173, "invalid": 89}


@pytest.mark.parametrize("pair", ED25519, ids=identify)
def test_ed25519(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    key, test = pair
    public_key = bytes.fromhex(key["pk"])
    check_public_key(KeyType.ED25519, public_key)
    found = verify_signature(
        KeyType.ED25519, public_key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
    )
    assert found is (test["result"] == "valid"), test["comment"]


def compress(uncompressed: bytes) -> bytes:
    x, y = uncompressed[1:33], uncompressed[33:]
    return bytes([2 + (y[-1] & 1)]) + x


def with_other_s(signature: bytes) -> bytes:
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + (P256_ORDER - s).to_bytes(32, "big")


@pytest.mark.parametrize("pair", P256, ids=identify)
def test_ecdsa_p256(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    key, test = pair
    public_key = compress(bytes.fromhex(key["uncompressed"]))
    message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
    check_public_key(KeyType.P256, public_key)
    is_valid = test["result"] == "valid"
    found = verify_signature(KeyType.P256, public_key, message, signature)
    assert found is (is_valid and is_low_s(signature)), test["comment"]
    if is_valid:
        other = with_other_s(signature)
        assert verify_signature(KeyType.P256, public_key, message, other) is not found


def test_both_halves_of_s_occur() -> None:
    valid = [bytes.fromhex(test["sig"]) for _, test in P256 if test["result"] == "valid"]
    assert {is_low_s(signature) for signature in valid} == {True, False}
