# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256

import pytest
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from ledger.model import bls, certificate
from ledger.model.block import (
    QuorumCertificate,
    SignedVote,
    Validator,
    ValidatorSet,
    Vote,
    VotePhase,
)
from ledger.model.certificate import (
    CertificateError,
    FaultModel,
    assemble_certificate,
    find_invalid_votes,
    get_signers,
    quorum_size,
    verify_certificate,
    verify_vote,
)
from ledger.model.codec import encode
from ledger.model.hashes import vote_message
from ledger.model.keys import KeyType

CHAIN = "dev:0123456789abcdef"
VOTE = Vote(
    chain_id=CHAIN,
    height=7,
    phase=VotePhase.COMMIT,
    block_hash=b"\x01" * 32,
    state_root=b"\x02" * 32,
    receipts_root=b"\x03" * 32,
    log_root=b"\x04" * 32,
)


@cache
def bls_key(name: str) -> tuple[bytes, bytes]:
    secret = bls.generate_secret(sha256(name.encode()).digest())
    return secret, bls.secret_to_public(secret)


def ed25519_key(name: str) -> tuple[bytes, bytes]:
    public, secret = crypto_sign_seed_keypair(sha256(name.encode()).digest())
    return secret, public


def make_set(names: Iterable[str], key_type: KeyType = KeyType.BLS12381) -> ValidatorSet:
    make = bls_key if key_type is KeyType.BLS12381 else ed25519_key
    return ValidatorSet(
        tuple(
            Validator(id=name, vote_key_type=key_type, vote_key=make(name)[1])
            for name in sorted(names)
        )
    )


def sign_votes(
    names: Iterable[str], vote: Vote = VOTE, key_type: KeyType = KeyType.BLS12381
) -> Mapping[str, bytes]:
    message = vote_message(encode(vote))
    if key_type is KeyType.BLS12381:
        return {name: bls.sign(bls_key(name)[0], message) for name in names}
    return {name: crypto_sign(message, ed25519_key(name)[0])[:64] for name in names}


def names(count: int) -> list[str]:
    return [f"n{number:02}" for number in range(1, count + 1)]


def certify(
    signers: Iterable[str],
    validator_set: ValidatorSet,
    vote: Vote = VOTE,
    key_type: KeyType = KeyType.BLS12381,
) -> QuorumCertificate:
    return assemble_certificate(encode(vote), sign_votes(signers, vote, key_type), validator_set)


def refusal(held: QuorumCertificate, validator_set: ValidatorSet, **changes: str) -> str:
    arguments = {"chain_id": CHAIN, "fault_model": "byzantine"} | changes
    with pytest.raises(CertificateError) as caught:
        verify_certificate(
            held,
            validator_set,
            chain_id=arguments["chain_id"],
            fault_model=arguments["fault_model"],
        )
    assert str(caught.value)
    return caught.value.code


@pytest.mark.parametrize(
    ("count", "majority", "byzantine"),
    [(1, 1, 1), (2, 2, 2), (3, 2, 2), (4, 3, 3), (5, 3, 4), (6, 4, 4), (7, 4, 5), (10, 6, 7)],
)
def test_quorum_sizes(count: int, majority: int, byzantine: int) -> None:
    assert quorum_size(count, FaultModel.CRASH) == majority
    assert quorum_size(count, "byzantine") == byzantine


@pytest.mark.parametrize("count", range(1, 129))
def test_two_byzantine_quorums_share_an_honest_validator_and_honest_ones_suffice(
    count: int,
) -> None:
    faults = (count - 1) // 3
    quorum = quorum_size(count, "byzantine")
    assert 2 * quorum - count > faults
    assert quorum <= count - faults


@pytest.mark.parametrize("count", [0, 129])
def test_sizes_out_of_range_have_no_quorum(count: int) -> None:
    with pytest.raises(ValueError, match="validators"):
        quorum_size(count, "crash")
    with pytest.raises(ValueError, match="paxos"):
        quorum_size(4, "paxos")


@pytest.mark.parametrize("key_type", [KeyType.BLS12381, KeyType.ED25519])
@pytest.mark.parametrize("count", [1, 4, 8, 9])
def test_a_quorum_certifies(count: int, key_type: KeyType) -> None:
    validator_set = make_set(names(count), key_type)
    signers = names(count)[-quorum_size(count, "byzantine") :]
    held = certify(signers, validator_set, key_type=key_type)
    assert len(held.signer_bits) == (count + 7) // 8
    assert verify_certificate(held, validator_set, chain_id=CHAIN, fault_model="byzantine") == VOTE
    assert get_signers(held, validator_set) == tuple(signers)


def test_signer_bits_count_from_the_most_significant_over_ids_in_order() -> None:
    validator_set = make_set(names(9))
    assert certify(["n01", "n03", "n09"], validator_set).signer_bits == b"\xa0\x80"
    shuffled = ValidatorSet(validator_set.validators[::-1])
    assert certify(["n09", "n03", "n01"], shuffled) == certify(["n01", "n03", "n09"], validator_set)


def test_too_few_signers_are_refused() -> None:
    validator_set = make_set(names(4))
    held = certify(names(2), validator_set)
    assert refusal(held, validator_set) == certificate.TOO_FEW_SIGNERS
    assert refusal(held, validator_set, fault_model="crash") == certificate.TOO_FEW_SIGNERS
    nobody = replace(held, signer_bits=b"\x00")
    assert refusal(nobody, validator_set) == certificate.TOO_FEW_SIGNERS


def test_a_bit_for_somebody_who_did_not_sign_is_refused() -> None:
    validator_set = make_set(names(4))
    held = certify(names(3), validator_set)
    assert refusal(replace(held, signer_bits=b"\xf0"), validator_set) == "SIGNATURE_INVALID"
    assert refusal(replace(held, signer_bits=b"\xd0"), validator_set) == "SIGNATURE_INVALID"


@pytest.mark.parametrize("bits", [b"", b"\xe0\x00", b"\x00\xe0", b"\xe8", b"\xe1", b"\xef"])
def test_signer_bits_have_one_form(bits: bytes) -> None:
    validator_set = make_set(names(4))
    held = replace(certify(names(3), validator_set), signer_bits=bits)
    assert refusal(held, validator_set) == certificate.SIGNER_BITS_INVALID
    with pytest.raises(CertificateError, match="bit"):
        get_signers(held, validator_set)


def test_the_other_network_s_certificate_is_refused() -> None:
    validator_set = make_set(names(1))
    other = replace(VOTE, chain_id="dev:fedcba9876543210")
    assert refusal(certify(names(1), validator_set, other), validator_set) == "CHAIN_MISMATCH"


def test_another_validator_set_s_certificate_is_refused() -> None:
    held = certify(names(4), make_set(names(4)))
    strangers = make_set(["m1", "m2", "m3", "m4"])
    assert refusal(held, strangers) == certificate.SIGNATURE_INVALID
    assert refusal(held, make_set(names(9))) == certificate.SIGNER_BITS_INVALID


@pytest.mark.parametrize(
    "change",
    [
        {"height": 8},
        {"epoch": 1},
        {"block_hash": b"\x11" * 32},
        {"state_root": b"\x11" * 32},
        {"receipts_root": b"\x11" * 32},
        {"log_root": b"\x11" * 32},
    ],
)
def test_a_changed_vote_is_refused(change: dict[str, object]) -> None:
    validator_set = make_set(names(1))
    held = certify(names(1), validator_set)
    changed = replace(held, vote=encode(replace(VOTE, **change)))  # type: ignore[arg-type]
    assert refusal(changed, validator_set) == certificate.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "vote",
    [
        b"",
        b"\xff",
        encode(VOTE) + b"\x00",
        encode(replace(VOTE, round=1)),
        encode(replace(VOTE, phase=VotePhase.PREPARE)),
        encode(replace(VOTE, phase=VotePhase.UNSPECIFIED)),
        encode(replace(VOTE, state_root=b"\x02" * 31)),
        encode(replace(VOTE, log_root=b"")),
    ],
)
def test_a_malformed_vote_is_refused_though_signed(vote: bytes) -> None:
    validator_set = make_set(names(1))
    signature = bls.sign(bls_key("n01")[0], vote_message(vote))
    held = assemble_certificate(vote, {"n01": signature}, validator_set)
    assert refusal(held, validator_set) == certificate.VOTE_MALFORMED
    with pytest.raises(CertificateError) as caught:
        verify_vote(SignedVote(vote, "n01", signature), validator_set)
    assert caught.value.code == certificate.VOTE_MALFORMED


def test_a_signature_has_the_form_of_its_scheme() -> None:
    aggregate = certify(names(1), make_set(names(1)))
    listed = certify(names(1), make_set(names(1), KeyType.ED25519), key_type=KeyType.ED25519)
    for held, key_type in [
        (replace(aggregate, signatures=listed.signatures), KeyType.BLS12381),
        (replace(aggregate, signature=b""), KeyType.BLS12381),
        (replace(aggregate, signature=aggregate.signature[:-1]), KeyType.BLS12381),
        (listed, KeyType.BLS12381),
        (aggregate, KeyType.ED25519),
        (replace(listed, signature=aggregate.signature), KeyType.ED25519),
        (replace(listed, signatures=listed.signatures * 2), KeyType.ED25519),
        (replace(listed, signatures=()), KeyType.ED25519),
    ]:
        assert refusal(held, make_set(names(1), key_type)) == certificate.SIGNATURE_FORM


def test_bad_signatures_are_refused() -> None:
    validator_set = make_set(names(1))
    held = certify(names(1), validator_set)
    flipped = held.signature[:-1] + bytes([held.signature[-1] ^ 1])
    for signature in (flipped, bls.G2_IDENTITY, bytes(96)):
        changed = replace(held, signature=signature)
        assert refusal(changed, validator_set) == certificate.SIGNATURE_INVALID
    listed_set = make_set(names(4), KeyType.ED25519)
    listed = certify(names(4), listed_set, key_type=KeyType.ED25519)
    swapped = replace(listed, signatures=listed.signatures[::-1])
    assert refusal(swapped, listed_set) == certificate.SIGNATURE_INVALID


def test_a_set_that_cannot_certify_is_named_as_such() -> None:
    held = certify(names(1), make_set(names(1)))
    one = make_set(names(1)).validators[0]
    for validators in [
        (),
        (one, one),
        (one, replace(one, id="n02")),
        (one, make_set(["n02"], KeyType.ED25519).validators[0]),
        (replace(one, vote_key_type=KeyType.P256),),
    ]:
        candidate = ValidatorSet(validators)
        many = replace(held, signer_bits=b"\xc0" if len(validators) == 2 else b"\x80")
        assert refusal(many, candidate) == certificate.VALIDATORS_INVALID


def test_votes_of_strangers_and_no_votes_are_not_assembled() -> None:
    validator_set = make_set(names(4))
    for votes, code in [
        (sign_votes(["n01", "stranger"]), certificate.VALIDATOR_UNKNOWN),
        ({}, certificate.SIGNATURE_FORM),
        ({"n01": b"\x00" * 96}, certificate.SIGNATURE_FORM),
        ({"n01": b"short"}, certificate.SIGNATURE_FORM),
    ]:
        with pytest.raises(CertificateError) as caught:
            assemble_certificate(encode(VOTE), votes, validator_set)
        assert caught.value.code == code


@pytest.mark.parametrize("key_type", [KeyType.BLS12381, KeyType.ED25519])
def test_single_votes_and_culprits(key_type: KeyType) -> None:
    validator_set = make_set(names(4), key_type)
    votes = dict(sign_votes(names(4), key_type=key_type))
    data = encode(VOTE)
    assert verify_vote(SignedVote(data, "n02", votes["n02"]), validator_set) == VOTE
    for validator, code in [
        ("n01", certificate.SIGNATURE_INVALID),
        ("stranger", certificate.VALIDATOR_UNKNOWN),
    ]:
        with pytest.raises(CertificateError) as caught:
            verify_vote(SignedVote(data, validator, votes["n02"]), validator_set)
        assert caught.value.code == code
    assert find_invalid_votes(data, votes, validator_set) == ()
    votes |= {"n03": votes["n01"], "stranger": votes["n01"]}
    assert find_invalid_votes(data, votes, validator_set) == ("n03", "stranger")
