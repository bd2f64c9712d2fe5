# SPDX-License-Identifier: Apache-2.0
"""Reading what nodes store and say without their own code: structs, the protobuf runtime, libsodium and
the curve library directly. The checkers believe nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from psetledger.v1 import ledger_pb2, proofs_pb2

HARD_STATE_KEY: Final = b"mhard-state"
COMPACTED_KEY: Final = b"mcompacted"
HEAD_KEY: Final = b"mhead"
VOTE_KEY: Final = b"mvote"
_SEAL_SIZE: Final = 8
_ENTRY: Final = struct.Struct(">QB32s")
_THREE: Final = struct.Struct(">QQQ")
_TWO: Final = struct.Struct(">QQ")


@dataclass(frozen=True, slots=True)
class RawEntry:
    """A log entry as stored."""

    term: int
    kind: int
    data: bytes


def read_entry(value: bytes) -> RawEntry:
    """From the value under its key."""
    term, kind, _ = _ENTRY.unpack_from(value)
    return RawEntry(term, kind, value[_ENTRY.size :])


def read_hard_state(value: bytes) -> tuple[int, int, int]:
    """Term, vote, commit."""
    term, vote, commit = _THREE.unpack_from(value, _SEAL_SIZE)
    return term, vote, commit


def read_compacted(value: bytes) -> tuple[int, int]:
    """Index and term of the last entry that was removed."""
    index, term = _TWO.unpack_from(value, _SEAL_SIZE)
    return index, term


def read_head(value: bytes) -> tuple[int, int]:
    """Height, and the log index that it was applied from."""
    height, _, applied = _THREE.unpack_from(value, _SEAL_SIZE)
    return height, applied


def read_vote_record(value: bytes) -> ledger_pb2.VoteRecord:
    """The last vote of a validator."""
    return ledger_pb2.VoteRecord.FromString(value[_SEAL_SIZE:])


def number_key(prefix: bytes, number: int) -> bytes:
    """The key of what is kept by height or index."""
    return prefix + number.to_bytes(8, "big")


def block_hash(header: bytes) -> bytes:
    """The hash of a header."""
    return sha256(b"psetledger/block/v1\x00" + header).digest()


def header_of_proposal(proposal: bytes) -> tuple[bytes, ledger_pb2.BlockHeader]:
    """The header in a proposal, encoded and read."""
    block = ledger_pb2.Block.FromString(ledger_pb2.Proposal.FromString(proposal).block)
    return block.header, ledger_pb2.BlockHeader.FromString(block.header)


def transactions_of_proposal(proposal: bytes) -> list[tuple[bytes, ledger_pb2.TransactionBody]]:
    """Id and body of each transaction in a proposal."""
    block = ledger_pb2.Block.FromString(ledger_pb2.Proposal.FromString(proposal).block)
    found: list[tuple[bytes, ledger_pb2.TransactionBody]] = []
    for encoded in block.transactions:
        body = ledger_pb2.Transaction.FromString(encoded).body
        transaction_id = sha256(b"psetledger/tx/v1\x00" + body).digest()
        found.append((transaction_id, ledger_pb2.TransactionBody.FromString(body)))
    return found


def read_receipts(value: bytes) -> list[ledger_pb2.Receipt]:
    """The receipts of a block as stored: each behind its length in 4 bytes."""
    found: list[ledger_pb2.Receipt] = []
    position = 0
    while position < len(value):
        end = position + 4 + int.from_bytes(value[position : position + 4], "big")
        found.append(ledger_pb2.Receipt.FromString(value[position + 4 : end]))
        position = end
    return found


@dataclass(frozen=True, slots=True)
class Electorate:
    """Whose signatures certify a block."""

    keys: tuple[tuple[str, bytes], ...]
    """Id and vote key, ascending by id."""
    is_bls: bool
    quorum: int

    @classmethod
    def make(cls, keys: dict[str, bytes], *, is_bls: bool, is_byzantine: bool) -> Electorate:
        """Of a validator set under a fault model."""
        count = len(keys)
        quorum = count // 2 + 1
        if is_byzantine:
            quorum = (count + (count - 1) // 3) // 2 + 1
        return cls(tuple(sorted(keys.items())), is_bls, quorum)

    def find_fault(self, encoded: bytes) -> str:
        """Why a certificate proves nothing, or an empty string."""
        certificate = ledger_pb2.QuorumCertificate.FromString(encoded)
        count = len(self.keys)
        bits = "".join(f"{byte:08b}" for byte in certificate.signer_bits)
        if len(bits) != (count + 7) // 8 * 8 or "1" in bits[count:]:
            return f"signer bits {bits} for {count} validators"
        signers = [key for (_, key), bit in zip(self.keys, bits, strict=False) if bit == "1"]
        if len(signers) < self.quorum:
            return f"{len(signers)} signers, {self.quorum} needed"
        message = b"psetledger/vote/v1\x00" + certificate.vote
        if self.is_bls:
            good = _is_aggregate_good(tuple(signers), message, certificate.signature)
        else:
            signatures = tuple(certificate.signatures)
            good = len(signatures) == len(signers) and all(
                is_signature_good(key, message, signature)
                for key, signature in zip(signers, signatures, strict=True)
            )
        return "" if good else "a signature is wrong"


@lru_cache(maxsize=4096)
def is_signature_good(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature is one."""
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)
def _is_aggregate_good(keys: tuple[bytes, ...], message: bytes, signature: bytes) -> bool:
    from py_arkworks_bls12381 import GT, G1Point, G2Point

    total = G1Point.identity()
    for key in keys:
        total += G1Point.from_compressed_bytes(key)
    tag = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
    point = G2Point.from_compressed_bytes(signature)
    hashed = G2Point.hash_to_curve(message, tag)
    return bool(GT.pairing_check([total, -G1Point()], [hashed, point]))


def read_head_message(encoded: bytes) -> tuple[bytes, bytes]:
    """Header and certificate of a CertifiedHead."""
    head = proofs_pb2.CertifiedHead.FromString(encoded)
    return head.header, head.certificate


def vote_of(certificate: bytes) -> bytes:
    """What a certificate certifies, whoever signed it."""
    return ledger_pb2.QuorumCertificate.FromString(certificate).vote


def is_same_proposal(one: bytes, other: bytes) -> bool:
    """Whether two proposals carry one block; leaders may put different signers under its parent."""
    return ledger_pb2.Proposal.FromString(one).block == ledger_pb2.Proposal.FromString(other).block
