# SPDX-License-Identifier: Apache-2.0
"""Proof files: a proven answer to keep, to mail, and to check without a network.

    psetledger-proof/1 LF                canonical ProvenState        SHA-256 of both
    psetledger-transaction-proof/1 LF    canonical TransactionProof   SHA-256 of both

The digest at the end tells damage on the way (a flipped bit, a cut file) from a lie: what the file
proves follows from the certificate and the Merkle paths alone, checked against a pinned genesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger.model.codec import encode
from ledger.model.hashes import compute_transaction_id
from ledger.model.limits import (
    PROVEN_STATE_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
)
from ledger.model.proofs import ProvenState, TransactionProof
from ledger.model.transaction import Transaction
from ledger.model.verification import (
    MALFORMED,
    OTHER_CHAIN,
    ProofError,
    TrustRoot,
    VerifiedHead,
    VerifiedState,
    VerifiedTransaction,
    decode_message,
    decode_proven_state,
    decode_transaction_proof,
    verify_proven_state,
    verify_transaction_proof,
)
from sdk.errors import CallerError, TrustError

STATE_MAGIC: Final = b"psetledger-proof/1\n"
TRANSACTION_MAGIC: Final = b"psetledger-transaction-proof/1\n"
DIGEST_SIZE: Final = 32
PROOF_FILE_SIZE_MAX: Final = PROVEN_STATE_SIZE_MAX + len(STATE_MAGIC) + DIGEST_SIZE
"""Bytes; the proof of a transaction is always smaller."""

PROOF_DAMAGED: Final = "PROOF_DAMAGED"
PROOF_FAILS: Final = "PROOF_FAILS"
OTHER_NETWORK: Final = "OTHER_NETWORK"


@dataclass(frozen=True, slots=True)
class CheckedProof:
    """What a proof file shows: either values of the state, or a transaction with its receipt."""

    state: VerifiedState | None
    transaction: VerifiedTransaction | None

    @property
    def height(self) -> int:
        return self._head.height

    @property
    def time_ms(self) -> int:
        return self._head.time

    @property
    def _head(self) -> VerifiedHead:
        held = self.state or self.transaction
        assert held is not None
        return held.head


def encode_proof_file(proven: ProvenState) -> bytes:
    """The proof file of values of the state."""
    return _with_digest(STATE_MAGIC, encode(proven))


def encode_transaction_proof_file(proof: TransactionProof) -> bytes:
    """The proof file of a transaction."""
    return _with_digest(TRANSACTION_MAGIC, encode(proof))


def read_proof_file(data: bytes) -> ProvenState | TransactionProof:
    """What a proof file holds; whether it proves anything is `check_proof`'s business.

    Raises:
        ProofError: MALFORMED: no proof file, or a damaged one.
    """
    if len(data) > PROOF_FILE_SIZE_MAX:
        raise ProofError(MALFORMED, f"a proof file has at most {PROOF_FILE_SIZE_MAX} bytes")
    for magic in (STATE_MAGIC, TRANSACTION_MAGIC):
        if data.startswith(magic):
            break
    else:
        raise ProofError(MALFORMED, "this is no proof file, or its first line is damaged")
    content, digest = data[:-DIGEST_SIZE], data[-DIGEST_SIZE:]
    if len(data) < len(magic) + DIGEST_SIZE or sha256(content).digest() != digest:
        raise ProofError(MALFORMED, "the file is damaged: its digest does not match its content")
    body = content[len(magic) :]
    if magic == STATE_MAGIC:
        return decode_proven_state(body)
    return decode_transaction_proof(body)


def check_proof(data: bytes, trust: TrustRoot) -> CheckedProof:
    """Check a proof file against a pinned genesis. No network, no clock.

    Raises:
        ProofError: MALFORMED for a damaged file, otherwise the step that fails.
    """
    held = read_proof_file(data)
    if isinstance(held, ProvenState):
        keys = [entry.key for entry in held.entries]
        if not keys or len(set(keys)) != len(keys):
            raise ProofError(MALFORMED, "no entries, or a key twice")
        return CheckedProof(verify_proven_state(held, keys, trust), None)
    transaction = decode_message(Transaction, held.transaction, TRANSACTION_SIZE_MAX)
    transaction_id = compute_transaction_id(transaction.body)
    return CheckedProof(None, verify_transaction_proof(held, transaction_id, trust))


def check_proof_file(path: Path, trust: TrustRoot) -> CheckedProof:
    """`check_proof` of a file.

    Raises:
        CallerError: FILE_UNREADABLE.
        TrustError: PROOF_DAMAGED, PROOF_FAILS, OTHER_NETWORK; the file is the evidence.
    """
    try:
        with path.open("rb") as file:
            data = file.read(PROOF_FILE_SIZE_MAX + 1)
    except OSError as error:
        raise CallerError(
            f"cannot read {path}: {error.strerror}",
            code="FILE_UNREADABLE",
            remedy="Give the path of a file written with --proof.",
        ) from error
    try:
        return check_proof(data, trust)
    except ProofError as error:
        raise _as_trust_error(error, path) from error


def _as_trust_error(error: ProofError, path: Path) -> TrustError:
    if error.code == OTHER_CHAIN:
        return TrustError(
            f"{path}: {error.text}",
            code=OTHER_NETWORK,
            remedy="Check it against the network it came from: --network NAME.",
            evidence=path,
        )
    if error.code == MALFORMED:
        return TrustError(
            f"{path}: {error.text}",
            code=PROOF_DAMAGED,
            remedy="Ask for the file again; nothing in it can be relied on.",
            evidence=path,
        )
    return TrustError(
        f"{path}: {error.text}",
        code=PROOF_FAILS,
        remedy="Do not rely on it. Keep the file and tell the network's operators.",
        evidence=path,
    )


def _with_digest(magic: bytes, body: bytes) -> bytes:
    content = magic + body
    return content + sha256(content).digest()
