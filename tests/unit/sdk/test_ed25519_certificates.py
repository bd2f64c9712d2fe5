# SPDX-License-Identifier: Apache-2.0
"""What a client believes under the `ed25519` scheme, and every way to bend such a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.model import bls, schema, verification
from ledger.model.block import QuorumCertificate
from ledger.model.codec import decode, encode
from ledger.model.keys import ED25519_SIGNATURE_SIZE, KeyType
from ledger.model.proofs import CertifiedHead, ProvenState
from ledger.model.verification import ProofError, verify_proven_state
from sdk.errors import TrustError
from sdk.proof_files import check_proof, encode_proof_file
from tests.support.certified_world import CertifiedWorld, FakeNode, make_client
from tests.support.ledger_world import make_genesis

NAMES = ("n1", "n2", "n3", "n4")


@pytest.fixture(scope="module")
def world() -> CertifiedWorld:
    genesis = make_genesis(validators=NAMES, fault_model="byzantine", certificate_scheme="ed25519")
    return CertifiedWorld(genesis)


def answer(world: CertifiedWorld) -> ProvenState:
    return world.chain.prove([schema.organisation_key(world.did("qcto"))])


def certificate_of(state: ProvenState) -> QuorumCertificate:
    assert state.head is not None
    return decode(QuorumCertificate, state.head.certificate)


def with_certificate(state: ProvenState, certificate: QuorumCertificate) -> ProvenState:
    assert state.head is not None
    return replace(state, head=CertifiedHead(state.head.header, encode(certificate)))


def test_a_client_reads_with_proof_and_keeps_the_head(
    world: CertifiedWorld, tmp_path: Path
) -> None:
    node = FakeNode(world)
    client = make_client(world, tmp_path, nodes=[node])

    async def read() -> None:
        proven = await client.get(schema.organisation_key(world.did("qcto")))
        assert proven.verified
        assert proven.value is not None
        assert check_proof(proven.proof, world.trust).height == world.header.height
        await client.close()

    asyncio.run(read())
    certificate = certificate_of(answer(world))
    assert certificate.signature == b""
    assert [len(item) for item in certificate.signatures] == [ED25519_SIGNATURE_SIZE] * 3
    # The head that was kept is verified when it is read again.
    node.height = world.header.height - 1
    again = make_client(world, tmp_path, nodes=[node])

    async def read_older() -> None:
        with pytest.raises(TrustError) as caught:
            await again.get(schema.organisation_key(world.did("qcto")))
        assert caught.value.code == verification.OLD_STATE
        await again.close()

    asyncio.run(read_older())


def _swap(made: QuorumCertificate) -> QuorumCertificate:
    first, second, third = made.signatures
    return replace(made, signatures=(second, first, third))


def _flip(made: QuorumCertificate) -> QuorumCertificate:
    first, *rest = made.signatures
    return replace(made, signatures=(first[:-1] + bytes([first[-1] ^ 1]), *rest))


def _repeat(made: QuorumCertificate) -> QuorumCertificate:
    first, *_ = made.signatures
    return replace(made, signatures=(first, first, first))


BENDS: list[Callable[[QuorumCertificate], QuorumCertificate]] = [
    _swap,
    _flip,
    _repeat,
    lambda made: replace(made, signatures=made.signatures[:2]),
    lambda made: replace(made, signatures=made.signatures[:2], signer_bits=b"\xc0"),
    lambda made: replace(made, signer_bits=b"\x70"),
    lambda made: replace(made, signer_bits=b"\xf0"),
    lambda made: replace(made, signatures=(), signature=bytes(bls.SIGNATURE_SIZE)),
    lambda made: replace(made, signature=made.signatures[0]),
    lambda made: replace(made, signatures=(*made.signatures, made.signatures[0])),
]


@pytest.mark.parametrize("bend", BENDS)
def test_a_bent_list_of_signatures_is_refused(
    world: CertifiedWorld, bend: Callable[[QuorumCertificate], QuorumCertificate]
) -> None:
    honest = answer(world)
    keys = [entry.key for entry in honest.entries]
    verify_proven_state(honest, keys, world.trust)
    bent = with_certificate(honest, bend(certificate_of(honest)))
    with pytest.raises(ProofError) as caught:
        verify_proven_state(bent, keys, world.trust)
    assert caught.value.code == verification.CERTIFICATE_INVALID
    with pytest.raises(ProofError):
        check_proof(encode_proof_file(bent), world.trust)


def test_a_certificate_of_the_other_scheme_is_refused(world: CertifiedWorld) -> None:
    """The same validators' secrets as BLS keys: a client knows the scheme from genesis alone."""
    genesis = make_genesis(validators=NAMES, fault_model="byzantine")
    other = CertifiedWorld(genesis)
    assert {v.vote_key_type for v in genesis.validators} == {KeyType.BLS12381}
    aggregated = certificate_of(answer(other))
    honest = answer(world)
    made = certificate_of(honest)
    bent = with_certificate(honest, replace(made, signatures=(), signature=aggregated.signature))
    with pytest.raises(ProofError) as caught:
        verify_proven_state(bent, [entry.key for entry in honest.entries], world.trust)
    assert caught.value.code == verification.CERTIFICATE_INVALID
