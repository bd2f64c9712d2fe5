# SPDX-License-Identifier: Apache-2.0
"""The BLS12-381 vectors of ethereum/bls12-381-tests, and RFC 9380's for hashing to G2.

All of them on the backend that nodes run, a part on the slow reference. Their expectations are those
of the IETF draft, with two readings that are this project's:
- `deserialization_G1` asks whether bytes decode, for which the identity counts; a public key must
  also pass KeyValidate, for which it does not. That one case is expected the other way round.
- `batch_verify` asks for a faster way to the conjunction of single verifications; we take the plain
  one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.model import bls
from tests.support.vectors import vector_path

DIRECTORY = vector_path("bls12-381-eth", "bls")
COUNTS = {
    "aggregate": 6,
    "aggregate_verify": 5,
    "batch_verify": 4,
    "deserialization_G1": 16,
    "deserialization_G2": 18,
    "fast_aggregate_verify": 12,
    "hash_to_G2": 4,
    "sign": 10,
    "verify": 29,
}
# About ten seconds of the reference: every family, and each reason for which it may say no.
SLOW_CASES = (
    "aggregate_0x00",
    "aggregate_infinity",
    "aggregate_na",
    "aggregate_verify_infinity",
    "aggregate_verify_na",
    "aggregate_verify_valid",
    "deserialization_",
    "fast_aggregate_verify_extra_pubkey_4f07",
    "fast_aggregate_verify_infinity",
    "fast_aggregate_verify_na",
    "fast_aggregate_verify_valid_3d75",
    "sign_case_11b8",
    "sign_case_zero",
    "verify_infinity",
    "verify_tampered_signature_case_1952",
    "verify_valid_case_1952",
    "verify_wrong_pubkey_case_1952",
)


def names(family: str) -> list[str]:
    return sorted(path.stem for path in (DIRECTORY / family).glob("*.json"))


def cases(family: str) -> list[Any]:
    """(backend, name) for every file on arkworks, and for some on py_ecc."""
    fast = [pytest.param(bls.ARKWORKS, name, id=f"ark-{name}") for name in names(family)]
    slow = [
        pytest.param(bls.PY_ECC, name, id=f"ecc-{name}")
        for name in names(family)
        if name.startswith(SLOW_CASES)
    ]
    return fast + slow


def read(family: str, name: str) -> tuple[Any, Any]:
    case = json.loads((DIRECTORY / family / f"{name}.json").read_text("utf-8"))
    return case["input"], case["output"]


def octets(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def all_octets(texts: list[str]) -> list[bytes]:
    return [octets(text) for text in texts]


@pytest.fixture(autouse=True)
def restore_backend() -> Iterator[None]:
    selected = bls.get_backend().name
    yield
    bls.select_backend(selected)


def test_the_vectors_are_the_ones_we_know() -> None:
    assert {path.name: len(names(path.name)) for path in DIRECTORY.iterdir()} == COUNTS
    reached = [name for family in COUNTS for name in names(family) if name.startswith(SLOW_CASES)]
    assert all(any(name.startswith(case) for name in reached) for case in SLOW_CASES)


@pytest.mark.parametrize(("backend", "name"), cases("sign"))
def test_sign(backend: str, name: str) -> None:
    bls.select_backend(backend)
    given, expected = read("sign", name)
    secret, message = octets(given["privkey"]), octets(given["message"])
    if expected is None:
        with pytest.raises(bls.BlsError):
            bls.sign(secret, message)
    else:
        assert bls.sign(secret, message) == octets(expected)


@pytest.mark.parametrize(("backend", "name"), cases("verify"))
def test_verify(backend: str, name: str) -> None:
    bls.select_backend(backend)
    given, expected = read("verify", name)
    found = bls.verify(
        octets(given["pubkey"]), octets(given["message"]), octets(given["signature"])
    )
    assert found is expected


@pytest.mark.parametrize(("backend", "name"), cases("aggregate"))
def test_aggregate(backend: str, name: str) -> None:
    bls.select_backend(backend)
    given, expected = read("aggregate", name)
    if expected is None:
        with pytest.raises(bls.BlsError):
            bls.aggregate(all_octets(given))
    else:
        assert bls.aggregate(all_octets(given)) == octets(expected)


@pytest.mark.parametrize(("backend", "name"), cases("fast_aggregate_verify"))
def test_fast_aggregate_verify(backend: str, name: str) -> None:
    bls.select_backend(backend)
    given, expected = read("fast_aggregate_verify", name)
    found = bls.fast_aggregate_verify(
        all_octets(given["pubkeys"]), octets(given["message"]), octets(given["signature"])
    )
    assert found is expected


@pytest.mark.parametrize(("backend", "name"), cases("aggregate_verify"))
def test_aggregate_verify(backend: str, name: str) -> None:
    bls.select_backend(backend)
    given, expected = read("aggregate_verify", name)
    found = bls.aggregate_verify(
        all_octets(given["pubkeys"]), all_octets(given["messages"]), octets(given["signature"])
    )
    assert found is expected


@pytest.mark.parametrize("name", names("batch_verify"))
def test_batch_verify(name: str) -> None:
    given, expected = read("batch_verify", name)
    sets = zip(given["pubkeys"], given["messages"], given["signatures"], strict=True)
    assert all(bls.verify(*all_octets(list(each))) for each in sets) is expected


@pytest.mark.parametrize(("backend", "name"), cases("deserialization_G1"))
def test_deserialization_of_public_keys(backend: str, name: str) -> None:
    bls.select_backend(backend)
    given, decodes = read("deserialization_G1", name)
    public_key = octets(given["pubkey"])
    assert bls.is_public_key(public_key) is (decodes and public_key != bls.G1_IDENTITY)


@pytest.mark.parametrize(("backend", "name"), cases("deserialization_G2"))
def test_deserialization_of_signatures(backend: str, name: str) -> None:
    bls.select_backend(backend)
    given, decodes = read("deserialization_G2", name)
    assert bls.is_signature(octets(given["signature"])) is decodes


# Hashing to G2: the signature under the secret 1 is the point to which the message was hashed.

FIELD_MODULUS = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
RFC_9380 = json.loads(
    vector_path(
        "hash-to-curve", "poc", "vectors", "BLS12381G2_XMD:SHA-256_SSWU_RO_.json"
    ).read_text("utf-8")
)
RFC_9380_TAG: bytes = RFC_9380["dst"].encode()


def compress(point: dict[str, str]) -> bytes:
    """The ZCash serialisation of an affine point of G2, from the text of its two coordinates."""
    (x0, x1), (y0, y1) = ([int(part, 16) for part in point[axis].split(",")] for axis in "xy")
    is_larger = (y1 or y0) > (FIELD_MODULUS - 1) // 2
    head = 0x80 | (0x20 if is_larger else 0)
    encoded = bytearray(x1.to_bytes(48, "big") + x0.to_bytes(48, "big"))
    encoded[0] |= head
    return bytes(encoded)


def hash_to_g2(message: bytes) -> bytes:
    return bls.load_backend(bls.ARKWORKS).sign(1, message, RFC_9380_TAG)


@pytest.mark.parametrize("name", names("hash_to_G2"))
def test_hash_to_g2(name: str) -> None:
    given, expected = read("hash_to_G2", name)
    assert hash_to_g2(given["msg"].encode()) == compress(expected)


@pytest.mark.parametrize("index", range(5))
def test_hash_to_g2_as_in_rfc_9380(index: int) -> None:
    assert len(RFC_9380["vectors"]) == 5
    vector = RFC_9380["vectors"][index]
    assert hash_to_g2(vector["msg"].encode()) == compress(vector["P"])
