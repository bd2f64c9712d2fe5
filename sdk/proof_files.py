# SPDX-License-Identifier: Apache-2.0
"""Proof files: a proven answer to keep, to mail, and to check without a network.

    psetledger-proof/1 LF                canonical ProvenState        SHA-256 of both
    psetledger-transaction-proof/1 LF    canonical TransactionProof   SHA-256 of both
    psetledger-block-proof/1 LF          parts                        SHA-256 of both
    psetledger-proof-set/1 LF            parts                        SHA-256 of both

A part is four bytes of length, most significant first, and so many bytes. The parts of a block are
its canonical CertifiedHead, then its transactions, then their receipts; those of a set are canonical
ProvenStates: all that one answer, or the answers of one run, rest on.

The digest at the end tells damage on the way (a flipped bit, a cut file) from a lie: what the file
proves follows from the certificate and the Merkle paths alone, checked against a pinned genesis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger.model.codec import encode
from ledger.model.hashes import compute_transaction_id
from ledger.model.limits import (
    BLOCK_SIZE_MAX,
    BLOCK_TRANSACTIONS_COUNT_MAX,
    CERTIFICATE_SIZE_MAX,
    HEADER_SIZE_MAX,
    PROVEN_STATE_SIZE_MAX,
    RECEIPT_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
)
from ledger.model.proofs import CertifiedHead, ProvenState, TransactionProof
from ledger.model.transaction import Transaction
from ledger.model.verification import (
    MALFORMED,
    OTHER_CHAIN,
    OTHER_VALIDATORS,
    ProofError,
    TrustRoot,
    VerifiedHead,
    VerifiedState,
    VerifiedTransaction,
    decode_certified_head,
    decode_message,
    decode_proven_state,
    decode_transaction_proof,
    verify_head,
    verify_proven_state,
    verify_transaction_proof,
)
from sdk.block_proofs import VerifiedBlock, verify_block_content
from sdk.errors import CallerError, TrustError

STATE_MAGIC: Final = b"psetledger-proof/1\n"
TRANSACTION_MAGIC: Final = b"psetledger-transaction-proof/1\n"
BLOCK_MAGIC: Final = b"psetledger-block-proof/1\n"
SET_MAGIC: Final = b"psetledger-proof-set/1\n"
DIGEST_SIZE: Final = 32
PART_LENGTH_SIZE: Final = 4
SET_PARTS_COUNT_MAX: Final = 4_096
"""Proofs in one file."""
STATE_PROOF_FILE_SIZE_MAX: Final = PROVEN_STATE_SIZE_MAX + len(STATE_MAGIC) + DIGEST_SIZE
"""Bytes; the proof of a transaction is always smaller."""
PROOF_FILE_SIZE_MAX: Final = 64 * 1024 * 1024
"""Bytes of any proof file: more than the largest block with its receipts needs."""
assert PROOF_FILE_SIZE_MAX > BLOCK_SIZE_MAX + HEADER_SIZE_MAX + CERTIFICATE_SIZE_MAX + (
    BLOCK_TRANSACTIONS_COUNT_MAX * (RECEIPT_SIZE_MAX + 2 * PART_LENGTH_SIZE)
)

PROOF_DAMAGED: Final = "PROOF_DAMAGED"
PROOF_FAILS: Final = "PROOF_FAILS"
OTHER_NETWORK: Final = "OTHER_NETWORK"


@dataclass(frozen=True, slots=True)
class CheckedProof:
    """What a proof file shows: values of the state, a transaction with its receipt, or a block."""

    states: tuple[VerifiedState, ...] = ()
    """One, or those of a set; they may be of several heights."""
    transaction: VerifiedTransaction | None = None
    block: VerifiedBlock | None = None

    @property
    def state(self) -> VerifiedState | None:
        """The one state shown; None when it is a set of several or something else."""
        return self.states[0] if len(self.states) == 1 else None

    @property
    def height(self) -> int:
        """Of a set the lowest: all of it was known only then."""
        return self._head.height

    @property
    def time_ms(self) -> int:
        return self._head.time

    @property
    def _head(self) -> VerifiedHead:
        if self.states:
            return min((state.head for state in self.states), key=lambda head: head.height)
        held = self.transaction or self.block
        assert held is not None
        return held.head


@dataclass(frozen=True, slots=True)
class BlockProof:
    """What the proof file of a block holds."""

    head: CertifiedHead
    transactions: tuple[bytes, ...]
    receipts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProofSet:
    """What the proof file of several answers holds."""

    states: tuple[ProvenState, ...]


def encode_proof_file(proven: ProvenState) -> bytes:
    """The proof file of values of the state."""
    return _with_digest(STATE_MAGIC, encode(proven))


def encode_transaction_proof_file(proof: TransactionProof) -> bytes:
    """The proof file of a transaction."""
    return _with_digest(TRANSACTION_MAGIC, encode(proof))


def encode_block_proof_file(
    head: CertifiedHead, transactions: Sequence[bytes], receipts: Sequence[bytes]
) -> bytes:
    """The proof file of a block."""
    return _with_digest(BLOCK_MAGIC, _join_parts([encode(head), *transactions, *receipts]))


def encode_proof_set_file(states: Iterable[ProvenState]) -> bytes:
    """The proof file of several answers, each held once; empty when one file cannot hold them."""
    parts = list(dict.fromkeys(encode(state) for state in states))
    data = _with_digest(SET_MAGIC, _join_parts(parts))
    fits = 0 < len(parts) <= SET_PARTS_COUNT_MAX and len(data) <= PROOF_FILE_SIZE_MAX
    return data if fits else b""


def join_proof_files(files: Iterable[bytes]) -> bytes:
    """One proof set of several; empty when there are none, or too many for one file.

    Raises:
        ProofError: MALFORMED: one of them is no proof set.
    """
    states: list[ProvenState] = []
    for data in files:
        held = read_proof_file(data)
        if not isinstance(held, ProofSet):
            raise ProofError(MALFORMED, "this is no set of proofs")
        states += held.states
    return encode_proof_set_file(states)


def read_proof_file(data: bytes) -> ProvenState | TransactionProof | BlockProof | ProofSet:
    """What a proof file holds; whether it proves anything is `check_proof`'s business.

    Raises:
        ProofError: MALFORMED: no proof file, or a damaged one.
    """
    if len(data) > PROOF_FILE_SIZE_MAX:
        raise ProofError(MALFORMED, f"a proof file has at most {PROOF_FILE_SIZE_MAX} bytes")
    for magic in (STATE_MAGIC, TRANSACTION_MAGIC, BLOCK_MAGIC, SET_MAGIC):
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
    if magic == TRANSACTION_MAGIC:
        return decode_transaction_proof(body)
    if magic == SET_MAGIC:
        parts = _split_parts(body, SET_PARTS_COUNT_MAX)
        return ProofSet(tuple(decode_proven_state(part) for part in parts))
    head, *rest = _split_parts(body, 1 + 2 * BLOCK_TRANSACTIONS_COUNT_MAX)
    count, is_odd = divmod(len(rest), 2)
    if is_odd:
        raise ProofError(MALFORMED, "a block has a receipt for each transaction")
    return BlockProof(decode_certified_head(head), tuple(rest[:count]), tuple(rest[count:]))


def check_proof(data: bytes, trust: TrustRoot) -> CheckedProof:
    """Check a proof file against a pinned genesis. No network, no clock.

    Raises:
        ProofError: MALFORMED for a damaged file, otherwise the step that fails.
    """
    held = read_proof_file(data)
    if isinstance(held, ProvenState):
        return CheckedProof((_check_state(held, trust, None),))
    if isinstance(held, ProofSet):
        known: dict[CertifiedHead, VerifiedHead] = {}
        states: list[VerifiedState] = []
        for state in held.states:
            head = None if state.head is None else known.get(state.head)
            states.append(_check_state(state, trust, head))
            known[states[-1].head.encoded] = states[-1].head
        return CheckedProof(tuple(states))
    if isinstance(held, BlockProof):
        verified = verify_head(held.head, trust)
        return CheckedProof(block=verify_block_content(verified, held.transactions, held.receipts))
    transaction = decode_message(Transaction, held.transaction, TRANSACTION_SIZE_MAX)
    transaction_id = compute_transaction_id(transaction.body)
    return CheckedProof(transaction=verify_transaction_proof(held, transaction_id, trust))


def _check_state(held: ProvenState, trust: TrustRoot, known: VerifiedHead | None) -> VerifiedState:
    keys = [entry.key for entry in held.entries]
    if not keys or len(set(keys)) != len(keys):
        raise ProofError(MALFORMED, "no entries, or a key twice")
    return verify_proven_state(held, keys, trust, known=known)


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
    if error.code == OTHER_VALIDATORS:
        return TrustError(
            f"{path}: {error.text}",
            code=OTHER_VALIDATORS,
            remedy="Read something from the network, with `pset ledger head` for example: then this"
            " computer learns of its new validators. Check the file again afterwards; if that does"
            " not help, do not rely on it.",
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


def _join_parts(parts: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(PART_LENGTH_SIZE, "big") + part for part in parts)


def _split_parts(body: bytes, count_max: int) -> list[bytes]:
    """At least one part, at most `count_max`, and nothing behind the last. Raises ProofError."""
    parts: list[bytes] = []
    at = 0
    while at < len(body) or not parts:
        begin = at + PART_LENGTH_SIZE
        at = begin + int.from_bytes(body[at:begin], "big")
        if begin > len(body) or at > len(body) or len(parts) == count_max:
            raise ProofError(MALFORMED, "the parts of the file do not fill it")
        parts.append(body[begin:at])
    return parts
