# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from ledger.model import bls

MESSAGE = b"a message"
SECRETS = [bls.generate_secret(bytes([number]) * 32) for number in range(1, 5)]
KEYS = [bls.secret_to_public(secret) for secret in SECRETS]
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(autouse=True)
def keep_selection() -> Iterator[None]:
    selected = bls.get_backend().name
    yield
    bls.select_backend(selected)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(bls.BlsError) as caught:
        call()
    assert str(caught.value) == caught.value.text
    return caught.value.code


# Secrets -----------------------------------------------------------------------------------------


def test_key_material_becomes_the_secret_that_eip_2333_publishes() -> None:
    # EIP-2333, test case 0: KeyGen is its derivation of the master key.
    seed = bytes.fromhex(
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d182"
        "64c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04"
    )
    expected = 6083874454709270928345386274498605044986640685124978867557563392430687146096
    assert int.from_bytes(bls.generate_secret(seed), "big") == expected


@pytest.mark.parametrize("size", [0, 31, 1025])
def test_too_little_or_too_much_key_material_is_refused(size: int) -> None:
    assert refusal(lambda: bls.generate_secret(bytes(size))) == "BLS_KEY_MATERIAL_SIZE"


@pytest.mark.parametrize(
    "secret",
    [
        b"",
        bytes(32),
        bytes(30) + b"\x01",
        bytes(32) + b"\x01",
        bls.ORDER.to_bytes(32, "big"),
        b"\xff" * 32,
    ],
    ids=["empty", "zero", "short", "long", "order", "all-ones"],
)
def test_a_secret_out_of_range_signs_nothing(secret: bytes) -> None:
    assert refusal(lambda: bls.secret_to_public(secret)) == "BLS_SECRET_INVALID"
    assert refusal(lambda: bls.sign(secret, MESSAGE)) == "BLS_SECRET_INVALID"
    assert refusal(lambda: bls.prove_possession(secret)) == "BLS_SECRET_INVALID"


def test_the_error_about_a_secret_does_not_show_it() -> None:
    with pytest.raises(bls.BlsError) as caught:
        bls.secret_to_public(b"\xff" * 32)
    assert "ff" * 4 not in repr(caught.value)
    assert str(2**256 - 1) not in repr(caught.value)


# Signatures --------------------------------------------------------------------------------------


def test_a_signature_is_good_for_its_key_and_message_only() -> None:
    signature = bls.sign(SECRETS[0], MESSAGE)
    assert len(signature) == bls.SIGNATURE_SIZE
    assert signature == bls.sign(SECRETS[0], MESSAGE)
    assert bls.verify(KEYS[0], MESSAGE, signature)
    assert not bls.verify(KEYS[1], MESSAGE, signature)
    assert not bls.verify(KEYS[0], MESSAGE + b".", signature)
    assert not bls.verify(KEYS[0], MESSAGE, bls.sign(SECRETS[1], MESSAGE))


def test_bytes_that_are_no_key_or_signature_verify_nothing() -> None:
    signature = bls.sign(SECRETS[0], MESSAGE)
    for key in (b"", KEYS[0][:47], KEYS[0] + b"\x00", bytes(48), b"\xff" * 48, bls.G1_IDENTITY):
        assert not bls.is_public_key(key)
        assert not bls.verify(key, MESSAGE, signature)
        assert not bls.fast_aggregate_verify([key], MESSAGE, signature)
        assert not bls.aggregate_verify([key], [MESSAGE], signature)
        assert not bls.verify_possession(key, signature)
    for bad in (b"", signature[:95], signature + b"\x00", bytes(96), b"\xff" * 96):
        assert not bls.is_signature(bad)
        assert not bls.verify(KEYS[0], MESSAGE, bad)
        assert not bls.fast_aggregate_verify([KEYS[0]], MESSAGE, bad)
        assert not bls.aggregate_verify([KEYS[0]], [MESSAGE], bad)
    assert not bls.verify(KEYS[0], MESSAGE, bls.G2_IDENTITY)
    assert not bls.fast_aggregate_verify([KEYS[0]], MESSAGE, bls.G2_IDENTITY)


@pytest.mark.parametrize("first", [0xC0, 0xC1, 0xE0, 0xFF, 0x40])
@pytest.mark.parametrize("last", [0, 1])
def test_one_encoding_of_the_identity_and_no_other(first: int, last: int) -> None:
    key = bytes([first]) + bytes(46) + bytes([last])
    signature = bytes([first]) + bytes(94) + bytes([last])
    # The library decodes most of these.
    assert not bls.is_public_key(key)
    assert bls.is_signature(signature) is ((first, last) == (0xC0, 0))
    if (first, last) != (0xC0, 0):
        assert refusal(lambda: bls.aggregate([signature])) == "BLS_SIGNATURE_INVALID"


def point_outside_g1() -> bytes:
    for x in range(1, 100):
        data = bytes([0x80]) + x.to_bytes(47, "big")
        try:
            point = G1Point.from_compressed_bytes_unchecked(data)
        except ValueError:
            continue
        if not point.is_in_subgroup():
            return data
    raise AssertionError


def point_outside_g2() -> bytes:
    for x in range(1, 100):
        data = bytes([0x80]) + x.to_bytes(95, "big")
        try:
            point = G2Point.from_compressed_bytes_unchecked(data)
        except ValueError:
            continue
        if not point.is_in_subgroup():
            return data
    raise AssertionError


@pytest.mark.parametrize("name", [bls.ARKWORKS, bls.PY_ECC])
def test_points_outside_the_subgroups_are_refused(name: str) -> None:
    bls.select_backend(name)
    assert not bls.is_public_key(point_outside_g1())
    assert not bls.is_signature(point_outside_g2())
    assert refusal(lambda: bls.aggregate([point_outside_g2()])) == "BLS_SIGNATURE_INVALID"
    assert not bls.verify(KEYS[0], MESSAGE, point_outside_g2())


def test_possession_is_proven_for_one_key() -> None:
    proof = bls.prove_possession(SECRETS[0])
    assert bls.verify_possession(KEYS[0], proof)
    assert not bls.verify_possession(KEYS[1], proof)
    # Under a tag of its own: no signature over a key is a proof, and no proof a signature.
    assert not bls.verify_possession(KEYS[0], bls.sign(SECRETS[0], KEYS[0]))
    assert not bls.verify(KEYS[0], KEYS[0], proof)


# Aggregates --------------------------------------------------------------------------------------


def test_an_aggregate_is_good_for_exactly_its_signers() -> None:
    signatures = [bls.sign(secret, MESSAGE) for secret in SECRETS]
    whole = bls.aggregate(signatures)
    assert whole == bls.aggregate(signatures[::-1])
    assert bls.fast_aggregate_verify(KEYS, MESSAGE, whole)
    assert bls.fast_aggregate_verify(KEYS[::-1], MESSAGE, whole)
    assert not bls.fast_aggregate_verify(KEYS[:3], MESSAGE, whole)
    assert not bls.fast_aggregate_verify([*KEYS, KEYS[0]], MESSAGE, whole)
    assert not bls.fast_aggregate_verify(KEYS, MESSAGE + b".", whole)
    assert not bls.fast_aggregate_verify(KEYS, MESSAGE, bls.aggregate(signatures[:3]))
    assert bls.aggregate(signatures[:1]) == signatures[0]


def test_an_aggregate_over_several_messages() -> None:
    messages = [bytes([number]) for number in range(4)]
    pairs = zip(SECRETS, messages, strict=True)
    whole = bls.aggregate([bls.sign(secret, message) for secret, message in pairs])
    assert bls.aggregate_verify(KEYS, messages, whole)
    assert not bls.aggregate_verify(KEYS, messages[::-1], whole)
    assert not bls.aggregate_verify(KEYS, messages[:3], whole)
    assert not bls.aggregate_verify(KEYS[:3], messages, whole)


def test_nobody_has_signed_nothing() -> None:
    # The draft wants n >= 1; Ethereum's eth_fast_aggregate_verify would say yes to the second.
    assert refusal(lambda: bls.aggregate([])) == "BLS_COUNT"
    assert not bls.fast_aggregate_verify([], MESSAGE, bls.G2_IDENTITY)
    assert not bls.aggregate_verify([], [], bls.G2_IDENTITY)


def test_more_than_the_limit_is_refused() -> None:
    signature = bls.sign(SECRETS[0], MESSAGE)
    count = bls.AGGREGATE_COUNT_MAX
    assert refusal(lambda: bls.aggregate([signature] * (count + 1))) == "BLS_COUNT"
    whole = bls.aggregate([signature] * count)
    assert bls.fast_aggregate_verify([KEYS[0]] * count, MESSAGE, whole)
    more = bls.aggregate([whole, signature])
    assert not bls.fast_aggregate_verify([KEYS[0]] * (count + 1), MESSAGE, more)


@pytest.mark.parametrize("name", [bls.ARKWORKS, bls.PY_ECC])
def test_keys_that_cancel_out_sign_nothing(name: str) -> None:
    bls.select_backend(name)
    secret = int.from_bytes(SECRETS[0], "big")
    opposite = bls.secret_to_public((bls.ORDER - secret).to_bytes(32, "big"))
    assert bls.is_public_key(opposite)
    assert not bls.fast_aggregate_verify([KEYS[0], opposite], MESSAGE, bls.G2_IDENTITY)


def test_a_rogue_key_forges_without_its_proof_of_possession_and_has_none() -> None:
    # §3.3: the attacker announces its own key minus the victim's, then signs alone "for both".
    attacker = int.from_bytes(SECRETS[1], "big")
    victim = G1Point.from_compressed_bytes(KEYS[0])
    rogue = (G1Point() * Scalar(attacker) - victim).to_compressed_bytes()
    forged = bls.sign(SECRETS[1], MESSAGE)
    assert bls.fast_aggregate_verify([KEYS[0], rogue], MESSAGE, forged)
    assert not bls.verify_possession(rogue, bls.prove_possession(SECRETS[1]))


# Backends ----------------------------------------------------------------------------------------


def test_backends_agree_byte_for_byte() -> None:
    fast, reference = bls.load_backend(bls.ARKWORKS), bls.load_backend(bls.PY_ECC)
    results: list[list[object]] = []
    for backend in (fast, reference):
        bls.select_backend(backend.name)
        signatures = [bls.sign(secret, MESSAGE) for secret in SECRETS[:2]]
        whole = bls.aggregate(signatures)
        proof = bls.prove_possession(SECRETS[0])
        results.append(
            [
                bls.secret_to_public(SECRETS[0]),
                signatures,
                whole,
                proof,
                bls.verify_possession(KEYS[0], proof),
                bls.fast_aggregate_verify(KEYS[:2], MESSAGE, whole),
                bls.aggregate_verify(KEYS[:2], [MESSAGE, MESSAGE], whole),
                bls.verify(KEYS[1], MESSAGE, signatures[0]),
            ]
        )
    assert results[0] == results[1]
    assert results[0][-4:] == [True, True, True, False]


def test_the_fast_backend_is_the_default() -> None:
    assert bls.get_backend().name == bls.ARKWORKS


def test_an_unknown_backend_is_refused_and_the_selection_stays() -> None:
    assert refusal(lambda: bls.select_backend("milagro")) == "BLS_BACKEND_UNKNOWN"
    assert bls.get_backend().name == bls.ARKWORKS


def test_without_its_library_a_backend_is_refused_and_the_next_is_taken() -> None:
    script = """
import sys
sys.modules["py_arkworks_bls12381"] = None
from ledger.model import bls
try:
    bls.select_backend("arkworks")
except bls.BlsError as error:
    print(error.code)
print(bls.get_backend().name)
"""
    assert run(script) == ["BLS_BACKEND_MISSING", "py_ecc"]


def test_without_any_library_the_error_says_what_to_install() -> None:
    script = """
import sys
sys.modules["py_arkworks_bls12381"] = sys.modules["py_ecc"] = None
from ledger.model import bls
try:
    bls.get_backend()
except bls.BlsError as error:
    print(error.code)
"""
    assert run(script) == ["BLS_BACKEND_MISSING"]


def test_the_slow_library_is_not_imported_unless_selected() -> None:
    script = """
import sys
from ledger.model import bls, keys
secret = bls.generate_secret(bytes(32))
assert bls.verify(bls.secret_to_public(secret), b"", bls.sign(secret, b""))
print(any(name.split(".")[0] in {"py_ecc", "eth_utils"} for name in sys.modules))
"""
    assert run(script) == ["False"]


def run(script: str) -> list[str]:
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return finished.stdout.split()


def test_loading_the_reference_leaves_the_recursion_limit_as_it_was() -> None:
    script = """
import sys
limit = sys.getrecursionlimit()
from ledger.model.bls import PY_ECC, load_backend
load_backend(PY_ECC)
print(sys.getrecursionlimit() == limit)
"""
    assert run(script) == ["True"]
