# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.model import halt_report as module
from ledger.model.block import BlockHeader, Vote
from ledger.model.codec import decode, encode
from ledger.model.genesis import Genesis, genesis_header
from ledger.model.halt_report import (
    HaltReport,
    HaltReportError,
    SignedHaltReport,
    make_halt_report,
    verify_halt_report,
)
from ledger.model.hashes import compute_block_hash, halt_report_message, proposal_message
from ledger.model.keys import KeyRole, KeyType
from ledger.model.private_key import PrivateKey
from ledger.model.proofs import CertifiedHead
from tests.support.evidence_parts import (
    HEIGHT,
    certify,
    liars_genesis,
    make_header,
    make_vote,
    sign_vote,
)
from tests.support.ledger_world import make_genesis, peer_key

GENESIS = liars_genesis()
ED25519 = liars_genesis("ed25519")
GENESIS_HEAD = encode(CertifiedHead(encode(genesis_header(GENESIS)), b""))


def key_of(name: str) -> PrivateKey:
    return PrivateKey("peer", KeyRole.PEER, KeyType.ED25519, "peer", bytes(peer_key(name).secret))


def make_report(genesis: Genesis = GENESIS, **fields: Any) -> HaltReport:
    header = encode(make_header(genesis, "parent", "n2"))
    vote = make_vote(genesis, "x", block_hash=compute_block_hash(header))
    head = CertifiedHead(header, encode(certify(genesis, vote, ["n1", "n2", "n4"])))
    own = make_vote(genesis, "in flight", height=HEIGHT + 1)
    values: dict[str, Any] = {
        "chain_id": genesis.chain_id,
        "validator": "n1",
        "height": HEIGHT,
        "certified_head": encode(head),
        "vote": own,
        "vote_signature": sign_vote(genesis, own, "n1").signature,
        "last_index": 40,
        "last_term": 3,
        "log_digest": bytes(32),
        "time": 5,
        **fields,
    }
    return HaltReport(**values)


def verify(data: bytes, genesis: Genesis = GENESIS) -> HaltReport:
    return verify_halt_report(
        data,
        genesis.validator_set,
        chain_id=genesis.chain_id,
        fault_model=genesis.fault_model,
        genesis_header=encode(genesis_header(genesis)),
    )


def refuse(report: HaltReport | bytes, signer: str = "n1") -> str:
    data = report if isinstance(report, bytes) else make_halt_report(report, key_of(signer))
    with pytest.raises(HaltReportError) as caught:
        verify(data)
    return caught.value.code


@pytest.mark.parametrize("genesis", [GENESIS, ED25519], ids=["bls12381", "ed25519"])
def test_a_report_says_what_its_validator_knows(genesis: Genesis) -> None:
    report = make_report(genesis)
    assert verify(make_halt_report(report, key_of("n1")), genesis) == report


def test_a_network_that_never_certified_anything_has_reports_too() -> None:
    report = make_report(height=0, certified_head=GENESIS_HEAD, vote=b"", vote_signature=b"")
    assert verify(make_halt_report(report, key_of("n1"))) == report
    other = encode(CertifiedHead(encode(genesis_header(make_genesis())), b""))
    assert refuse(replace(report, certified_head=other)) == module.REPORT_NOT_CERTIFIED
    bent = replace(decode(BlockHeader, encode(genesis_header(GENESIS))), time=1)
    head = encode(CertifiedHead(encode(bent), b""))
    assert refuse(replace(report, certified_head=head)) == module.REPORT_NOT_CERTIFIED


def test_nobody_reports_for_another() -> None:
    report = make_report()
    assert refuse(report, "n2") == module.REPORT_UNSIGNED
    assert refuse(replace(report, validator="n9")) == module.REPORT_UNSIGNED
    encoded = encode(report)
    # The same key signs proposals: neither message is one of the other kind.
    signature = key_of("n1").sign(proposal_message(bytes(32), 0))
    assert refuse(encode(SignedHaltReport(encoded, signature))) == module.REPORT_UNSIGNED
    bare = key_of("n1").sign(encoded)
    assert refuse(encode(SignedHaltReport(encoded, bare))) == module.REPORT_UNSIGNED
    assert halt_report_message(encoded).startswith(b"psetledger/halt-report/v1\x00")


def test_a_report_holds_a_certificate_of_its_height() -> None:
    report = make_report()
    assert refuse(replace(report, height=HEIGHT + 1)) == module.REPORT_NOT_CERTIFIED
    head = decode(CertifiedHead, report.certified_head)
    bare = encode(replace(head, certificate=b""))
    assert refuse(replace(report, certified_head=bare)) == module.REPORT_NOT_CERTIFIED
    other = encode(replace(head, header=encode(make_header(GENESIS, "other", "n2"))))
    assert refuse(replace(report, certified_head=other)) == module.REPORT_NOT_CERTIFIED
    few = certify(
        GENESIS, make_vote(GENESIS, "x", block_hash=compute_block_hash(head.header)), ["n1", "n2"]
    )
    weak = encode(replace(head, certificate=encode(few)))
    assert refuse(replace(report, certified_head=weak)) == module.REPORT_NOT_CERTIFIED


def test_a_report_holds_its_validators_own_vote() -> None:
    report = make_report()
    theirs = sign_vote(GENESIS, report.vote, "n2").signature
    assert refuse(replace(report, vote_signature=theirs)) == module.REPORT_VOTE_INVALID
    assert refuse(replace(report, vote=b"")) == module.REPORT_VOTE_INVALID
    for fields in ({"height": HEIGHT + 2}, {"epoch": 1, "height": HEIGHT}, {"chain_id": "test:0"}):
        vote = encode(replace(decode(Vote, make_vote(GENESIS, "y")), **fields))
        signature = sign_vote(GENESIS, vote, "n1").signature
        bent = replace(report, vote=vote, vote_signature=signature)
        assert refuse(bent) == module.REPORT_VOTE_INVALID


def test_what_is_no_report() -> None:
    report = make_report()
    assert refuse(b"") == module.REPORT_OTHER_CHAIN
    assert refuse(make_halt_report(report, key_of("n1")) + b"\x00") == module.REPORT_MALFORMED
    assert refuse(replace(report, chain_id="test:00")) == module.REPORT_OTHER_CHAIN
    assert refuse(replace(report, log_digest=b"short")) == module.REPORT_MALFORMED
