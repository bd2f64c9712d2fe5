# SPDX-License-Identifier: Apache-2.0
"""Quorum certificates (bls12381): assembled from votes and verified, with 1, 4 and 7 validators.

`verify` decodes the vote, reads the signer bits, adds up the signers' keys and verifies one
signature; `verify-head` also decodes and hashes the header, as a client does for every height that
is new to it. Processor time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.limits import BLS_VERIFY
from benchmarks.results import Figure
from benchmarks.timing import measure
from benchmarks.workload import Context
from ledger.model import bls
from ledger.model.block import QuorumCertificate
from ledger.model.certificate import assemble_certificate, quorum_size, verify_certificate
from ledger.model.codec import decode
from ledger.model.hashes import vote_message
from ledger.model.verification import verify_head
from tests.support.certified_chain import CertifiedChain, vote_secret

NAME = "certificate"


def run(context: Context) -> Iterator[Figure]:
    """Measure certificates of several sizes of network."""
    for count in (1, 4, 7):
        names = [f"n{number}" for number in range(1, count + 1)]
        chain = CertifiedChain(names=names)
        head = chain.add_block({b"sample\x00key": b"value"}).head
        certificate = decode(QuorumCertificate, head.certificate)
        quorum = quorum_size(count, chain.fault_model)
        message = vote_message(certificate.vote)
        votes = {name: bls.sign(vote_secret(name), message) for name in names[:quorum]}
        parameters = {"validators": count, "signers": quorum}
        operations: dict[str, Callable[[], object]] = {
            "assemble": partial(assemble_certificate, certificate.vote, votes, chain.validator_set),
            "verify": partial(
                verify_certificate,
                certificate,
                chain.validator_set,
                chain_id=chain.chain_id,
                fault_model=chain.fault_model,
            ),
            "verify-head": partial(verify_head, head, chain.trust),
        }
        for metric, operation in operations.items():
            measured = measure(operation, context.effort).scaled(1e6)
            yield Figure(NAME, metric, measured, "µs", parameters, BLS_VERIFY)
