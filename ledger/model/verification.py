# SPDX-License-Identifier: Apache-2.0
"""The light client's core: whether an answer is proven, given a trust root. Pure.

What it believes follows from the genesis document alone, whose fingerprint the user pinned:

    genesis → validators → certificate → header, state root, receipts root → each key asked
            ↘ certified changes of the validators (`ledger.model.trust_path`) ↗

Rules of this file:
- Keys come from the question, never from the answer; an answer must hold exactly the keys asked,
  in the order asked, so leaving one out or putting another in its place is refused.
- A value is proven present or proven absent; there is no third way to answer.
- Cheap tests come first; one signature is verified for each head, none for a head known already
  (`VerifiedHead` is handed in again by whoever caches it).
- A head is verified under the validators of its height. Heights above the last change that is known
  belong to the newest set: a head there that names others may be honest, and is refused with
  OTHER_VALIDATORS until the change is proven. Below, it is a lie.
- Height 0 has no certificate and proves nothing about the state: refused. Clients never need it,
  a network certifies block 1 when it starts.
- Time is the header's; the caller's clock is a parameter. Age is reported, a policy decides.
- Nothing here is repaired or retried. `ProofError` says which step failed, and that whoever served
  the bytes is at fault: keep them as evidence.

Recovery epochs are none of protocol version 1: a header of another epoch than 0 is refused.

Long because each kind of answer and what it is checked against stand together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from ledger.model import schema
from ledger.model.block import BlockHeader, QuorumCertificate, ValidatorSet, Vote
from ledger.model.certificate import (
    CertificateError,
    FaultModel,
    decode_vote,
    validators_sorted,
    verify_certificate,
)
from ledger.model.codec import decode, encode
from ledger.model.genesis import Genesis, genesis_header
from ledger.model.hashes import compute_block_hash, compute_transaction_id, compute_validators_hash
from ledger.model.limits import (
    CERTIFICATE_SIZE_MAX,
    CHILDREN_PAGE_COUNT_MAX,
    HASH_SIZE,
    HEADER_SIZE_MAX,
    PROVEN_STATE_SIZE_MAX,
    RECEIPT_SIZE_MAX,
    STATE_VALUE_SIZE_MAX,
    TRANSACTION_PROOF_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
)
from ledger.model.merkle_log import MerkleProofError, leaf_hash
from ledger.model.merkle_log import verify_inclusion as verify_log_inclusion
from ledger.model.proofs import CertifiedHead, LogProof, ProvenState, TransactionProof
from ledger.model.receipts import ReceiptCode
from ledger.model.records import ListRecord, ResourceNameRecord, StatusListRecord
from ledger.model.state_proof import StateProofError, verify_inclusion, verify_non_inclusion
from ledger.model.transaction import Receipt, Transaction
from ledger.model.wire import EncodingError

MALFORMED: Final = "MALFORMED"
OTHER_CHAIN: Final = "OTHER_CHAIN"
PROTOCOL_UNKNOWN: Final = "PROTOCOL_UNKNOWN"
NOT_CERTIFIED: Final = "NOT_CERTIFIED"
"""Height 0, or a head without certificate."""
OTHER_VALIDATORS: Final = "OTHER_VALIDATORS"
"""Of the newest set known, or an epoch but 0: a change that is not proven yet may explain it."""
VALIDATORS_MISMATCH: Final = "VALIDATORS_MISMATCH"
"""Others than those that a quorum certified for this height."""
VALIDATORS_FORGOTTEN: Final = "VALIDATORS_FORGOTTEN"
"""Nobody's lie: the set of this height is among those that are no longer remembered."""
HEAD_MISMATCH: Final = "HEAD_MISMATCH"
"""The certificate is of another header."""
CERTIFICATE_INVALID: Final = "CERTIFICATE_INVALID"
HEAD_FROM_FUTURE: Final = "HEAD_FROM_FUTURE"
OLD_STATE: Final = "OLD_STATE"
CONFLICTING_HEADS: Final = "CONFLICTING_HEADS"
"""Two certified blocks, or two results of one block, at one height: a quorum lied."""
KEYS_MISMATCH: Final = "KEYS_MISMATCH"
"""Not exactly the keys asked: one withheld, added, repeated or out of order."""
VALUE_NOT_PROVEN: Final = "VALUE_NOT_PROVEN"
TRANSACTION_NOT_PROVEN: Final = "TRANSACTION_NOT_PROVEN"
RECEIPT_NOT_PROVEN: Final = "RECEIPT_NOT_PROVEN"

PROTOCOL_VERSION: Final = 1
UUID_SIZE: Final = 16
FUTURE_MS_MAX: Final = 5 * 60 * 1000
"""How far a header may lie ahead of the caller's clock: personal computers are often minutes off."""

_T = TypeVar("_T")


class ProofError(Exception):
    """An answer that does not prove what it says.

    ``code`` is one of the names of this file, ``text`` says which step failed and how.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class TrustedSet:
    """Who certifies a range of heights."""

    first_height: int
    last_height: int | None
    """None: all above, as far as is known."""
    validator_set: ValidatorSet
    hash: bytes
    """As headers carry it."""


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """What is believed without proof, the contents of a genesis document that was pinned, and the
    changes of its validators that were proven since (`ledger.model.trust_path.extend_trust`).

    Raises:
        CertificateError: VALIDATORS_INVALID.
        ValueError: `sets` are those of another genesis.
    """

    chain_id: str
    genesis_hash: bytes
    fault_model: FaultModel
    validator_set: ValidatorSet
    """Of genesis: sorted by id, every proof of possession verified."""
    genesis_header: bytes
    """Canonical header of height 0."""
    genesis_time: int
    """ms; no block has an earlier time."""
    sets: tuple[TrustedSet, ...] = ()
    """Ascending: that of genesis, which always stays, and the newest. Never given but by
    `extend_trust`. The heights of sets between them that were forgotten are in no range.
    """
    validators_hash: bytes = field(init=False)
    """Of genesis."""

    def __post_init__(self) -> None:
        validators_sorted(self.validator_set)
        value = compute_validators_hash(encode(self.validator_set))
        object.__setattr__(self, "validators_hash", value)
        if not self.sets:
            object.__setattr__(self, "sets", (TrustedSet(1, None, self.validator_set, value),))
        if self.sets[0].hash != value:
            raise ValueError("the trusted sets begin with another than that of genesis")

    @property
    def newest(self) -> TrustedSet:
        """Who certifies now, as far as is known."""
        return self.sets[-1]

    def find_set(self, height: int) -> TrustedSet | None:
        """Who certifies a height, from 1; None for one whose set was forgotten."""
        for held in reversed(self.sets):
            if held.first_height <= height:
                is_covered = held.last_height is None or height <= held.last_height
                return held if is_covered else None
        return None


def make_trust_root(genesis: Genesis) -> TrustRoot:
    """What follows from a genesis document whose fingerprint was compared.

    Args:
        genesis: as `decode_genesis` returned it.
    """
    return TrustRoot(
        chain_id=genesis.chain_id,
        genesis_hash=genesis.genesis_hash,
        fault_model=FaultModel(genesis.fault_model),
        validator_set=genesis.validator_set,
        genesis_header=encode(genesis_header(genesis)),
        genesis_time=genesis.created,
    )


@dataclass(frozen=True, slots=True)
class VerifiedHead:
    """A block that a quorum certified, with what its vote says of the state after it."""

    header: BlockHeader
    vote: Vote
    block_hash: bytes
    encoded: CertifiedHead
    """As it came; for proof files."""

    @property
    def height(self) -> int:
        return self.header.height

    @property
    def time(self) -> int:
        """Of the block, ms."""
        return self.header.time

    @property
    def state_root(self) -> bytes:
        return self.vote.state_root


@dataclass(frozen=True, slots=True)
class VerifiedState:
    """Values proven under one certified state root."""

    head: VerifiedHead
    values: Mapping[bytes, bytes | None]
    """By state key; None: proven absent."""


@dataclass(frozen=True, slots=True)
class VerifiedTransaction:
    """A transaction proven to be in a block, and the receipt at its place."""

    head: VerifiedHead
    transaction_id: bytes
    transaction: Transaction
    receipt: Receipt
    is_repeat: bool
    """It repeats an earlier transaction: the receipt is the first one, verbatim."""


def verify_head(head: CertifiedHead, trust: TrustRoot) -> VerifiedHead:
    """Check that a quorum of the network's validators certified this header and its results.

    Raises:
        ProofError: MALFORMED, OTHER_CHAIN, PROTOCOL_UNKNOWN, NOT_CERTIFIED, OTHER_VALIDATORS,
            VALIDATORS_MISMATCH, VALIDATORS_FORGOTTEN, HEAD_MISMATCH, CERTIFICATE_INVALID.
    """
    header = decode_header(head.header)
    if header.chain_id != trust.chain_id:
        raise ProofError(OTHER_CHAIN, f"the header is of {header.chain_id}, not {trust.chain_id}")
    if header.protocol_version != PROTOCOL_VERSION:
        raise ProofError(
            PROTOCOL_UNKNOWN, f"protocol version {header.protocol_version} needs a newer client"
        )
    if header.height == 0 or not head.certificate:
        raise ProofError(NOT_CERTIFIED, f"no certificate for height {header.height}")
    trusted = _find_trusted(header, trust)
    certificate = decode_message(QuorumCertificate, head.certificate, CERTIFICATE_SIZE_MAX)
    block_hash = compute_block_hash(head.header)
    try:
        vote = decode_vote(certificate.vote)
        if (vote.block_hash, vote.height, vote.epoch) != (block_hash, header.height, header.epoch):
            raise ProofError(HEAD_MISMATCH, "the certificate is of another block")
        verify_certificate(
            certificate,
            trusted.validator_set,
            chain_id=trust.chain_id,
            fault_model=trust.fault_model,
        )
    except CertificateError as error:
        raise ProofError(CERTIFICATE_INVALID, f"{error.code}: {error.text}") from error
    # Block time strictly increases, so a certified header can only fail this by a quorum's lie.
    if header.time < trust.genesis_time + header.height:
        raise ProofError(MALFORMED, "the header's time lies before its parents'")
    return VerifiedHead(header, vote, block_hash, head)


def _find_trusted(header: BlockHeader, trust: TrustRoot) -> TrustedSet:
    """Who must have certified a header."""
    trusted = trust.find_set(header.height)
    if trusted is None:
        raise ProofError(
            VALIDATORS_FORGOTTEN, f"the validators of height {header.height} are not remembered"
        )
    is_open = trusted.last_height is None
    if header.epoch != 0 or (is_open and header.validators_hash != trusted.hash):
        raise ProofError(OTHER_VALIDATORS, "the header names other validators than are trusted")
    above = trust.find_set(header.height + 1)
    if header.validators_hash != trusted.hash or (
        not is_open and above is not None and header.next_validators_hash != above.hash
    ):
        raise ProofError(
            VALIDATORS_MISMATCH,
            f"the header names other validators than were certified for height {header.height}",
        )
    return trusted


def check_not_from_future(head: VerifiedHead, now_ms: int) -> None:
    """Refuse a head that lies more than FUTURE_MS_MAX ahead of the caller's clock.

    Either that clock is slow or a quorum lied about the time; both make every statement about
    freshness worthless.

    Raises:
        ProofError: HEAD_FROM_FUTURE.
    """
    if head.time > now_ms + FUTURE_MS_MAX:
        raise ProofError(
            HEAD_FROM_FUTURE,
            f"the head is {(head.time - now_ms) // 1000} s ahead of this computer's clock",
        )


def check_not_older(head: VerifiedHead, highest: VerifiedHead | None) -> None:
    """Refuse a head below one verified before the question was sent, or in conflict with it.

    Raises:
        ProofError: OLD_STATE, CONFLICTING_HEADS.
    """
    if highest is None:
        return
    if head.height < highest.height:
        raise ProofError(
            OLD_STATE, f"height {head.height} was served after height {highest.height} was seen"
        )
    if head.height == highest.height and head.vote != highest.vote:
        raise ProofError(CONFLICTING_HEADS, f"two different blocks are certified at {head.height}")
    if head.height > highest.height and head.time <= highest.time:
        raise ProofError(CONFLICTING_HEADS, "a later block has no later time")


def verify_proven_state(
    proven: ProvenState,
    keys: Sequence[bytes],
    trust: TrustRoot,
    *,
    known: VerifiedHead | None = None,
) -> VerifiedState:
    """Check an answer to the question what the state holds under `keys` (distinct, in this order).

    `known` is a head verified earlier: when the answer carries the same bytes, its certificate is
    not verified again.

    Raises:
        ProofError: as `verify_head`, and OTHER_CHAIN, MALFORMED, KEYS_MISMATCH, VALUE_NOT_PROVEN.
        ValueError: a key is asked twice.
    """
    if len(set(keys)) != len(keys):
        raise ValueError("a key is asked twice")
    if [entry.key for entry in proven.entries] != list(keys):
        raise ProofError(
            KEYS_MISMATCH, f"{len(proven.entries)} entries do not answer the {len(keys)} keys asked"
        )
    head = _verify_answer_head(proven, trust, known)
    values: dict[bytes, bytes | None] = {}
    for entry in proven.entries:
        if entry.proof is None:
            raise ProofError(VALUE_NOT_PROVEN, "an entry without proof")
        try:
            if entry.value:
                verify_inclusion(head.state_root, entry.key, entry.value, entry.proof)
            else:
                verify_non_inclusion(head.state_root, entry.key, entry.proof)
        except StateProofError as error:
            raise ProofError(VALUE_NOT_PROVEN, str(error)) from error
        values[entry.key] = entry.value or None
    return VerifiedState(head, values)


def verify_children(
    proven: ProvenState,
    parent_key: bytes,
    first: int,
    limit: int,
    trust: TrustRoot,
    *,
    known: VerifiedHead | None = None,
) -> VerifiedState:
    """Check one page of a list: the parent, then its children `first` … up to `limit` of them.

    The parent's own count says how many there are, so none can be left out. An absent parent is a
    list without children.

    Raises:
        ProofError: as `verify_proven_state`; KEYS_MISMATCH also for a page that is not complete.
        ValueError: `first` or `limit` out of range, or no key of a parent.
    """
    if first < 0 or not 1 <= limit <= CHILDREN_PAGE_COUNT_MAX:
        raise ValueError(f"a page of {limit} children from {first}")
    if not proven.entries or proven.entries[0].key != parent_key:
        raise ProofError(KEYS_MISMATCH, "the page does not begin with the parent that was asked")
    count = get_child_count(parent_key, proven.entries[0].value or None)
    stop = min(first + limit, count)
    keys = [parent_key, *(schema.child_key(parent_key, n) for n in range(first, stop))]
    return verify_proven_state(proven, keys, trust, known=known)


def get_child_count(parent_key: bytes, value: bytes | None) -> int:
    """How many children the record under `parent_key` says it has; 0 when it is absent.

    Raises:
        ProofError: MALFORMED: the state holds no such record there.
        ValueError: records under this key have no children.
    """
    namespace = _check_parent_key(parent_key)
    if value is None:
        return 0
    if namespace == schema.STATUS_LIST:
        return decode_message(StatusListRecord, value, STATE_VALUE_SIZE_MAX).version
    if namespace == schema.RESOURCE_NAME:
        return decode_message(ResourceNameRecord, value, STATE_VALUE_SIZE_MAX).child_count
    return decode_message(ListRecord, value, STATE_VALUE_SIZE_MAX).child_count


def _check_parent_key(parent_key: bytes) -> bytes:
    """The namespace of a key that is a parent's to the last byte; a child's key begins like one.

    Raises:
        ValueError
    """
    namespace, _, rest = parent_key.partition(b"\x00")
    if namespace not in schema.PARENT_COMPONENTS:
        raise ValueError("records under this key have no children")
    if namespace == schema.STATUS_LIST:
        size = int.from_bytes(rest[:2], "big")
        owner, last = rest[2 : 2 + size], rest[2 + size :]
        is_parent = _is_text(owner) and len(owner) == size and len(last) == UUID_SIZE
    elif namespace == schema.RESOURCES:
        is_parent = len(rest) == schema.NUMBER_SIZE
    else:
        # In a child's key this component is not the last: two bytes of length stand before it, the
        # first of them no character.
        is_parent = _is_text(rest) or (namespace == schema.ORGANISATIONS and not rest)
    if not is_parent:
        raise ValueError("this is no key of a record with children")
    return namespace


def _is_text(component: bytes) -> bool:
    return bool(component) and all(0x20 < octet < 0x7F for octet in component)


def verify_transaction_proof(
    proof: TransactionProof,
    transaction_id: bytes,
    trust: TrustRoot,
    *,
    known: VerifiedHead | None = None,
) -> VerifiedTransaction:
    """Check that a block holds the transaction and which receipt it has there.

    Raises:
        ProofError: as `verify_head`, and MALFORMED, TRANSACTION_NOT_PROVEN, RECEIPT_NOT_PROVEN.
    """
    transaction = decode_message(Transaction, proof.transaction, TRANSACTION_SIZE_MAX)
    if compute_transaction_id(transaction.body) != transaction_id:
        raise ProofError(TRANSACTION_NOT_PROVEN, "the proof is of another transaction")
    receipt = decode_message(Receipt, proof.receipt, RECEIPT_SIZE_MAX)
    if proof.head is None:
        raise ProofError(NOT_CERTIFIED, "no head")
    head = reuse_head(proof.head, trust, known)
    count = head.header.tx_count
    index = _verify_log_entry(
        head.header.tx_root,
        count,
        proof.transaction,
        proof.transaction_proof,
        TRANSACTION_NOT_PROVEN,
    )
    receipt_index = _verify_log_entry(
        head.vote.receipts_root, count, proof.receipt, proof.receipt_proof, RECEIPT_NOT_PROVEN
    )
    if index != receipt_index:
        raise ProofError(RECEIPT_NOT_PROVEN, "the receipt is of another place in the block")
    place = (head.height, index)
    is_repeat = (receipt.height, receipt.index) != place
    if is_repeat:
        # The first receipt, verbatim: applied, at an earlier place, maybe under another id.
        is_sound = (
            receipt.code == ReceiptCode.APPLIED
            and (receipt.height, receipt.index) < place
            and len(receipt.transaction_id) == HASH_SIZE
        )
    else:
        is_sound = receipt.transaction_id == transaction_id
    if not is_sound:
        raise ProofError(RECEIPT_NOT_PROVEN, "the receipt does not belong to this transaction")
    return VerifiedTransaction(head, transaction_id, transaction, receipt, is_repeat)


def decode_proven_state(data: bytes) -> ProvenState:
    """Read an answer. Raises ProofError MALFORMED."""
    return decode_message(ProvenState, data, PROVEN_STATE_SIZE_MAX)


def decode_transaction_proof(data: bytes) -> TransactionProof:
    """Read the proof of a transaction. Raises ProofError MALFORMED."""
    return decode_message(TransactionProof, data, TRANSACTION_PROOF_SIZE_MAX)


def decode_certified_head(data: bytes) -> CertifiedHead:
    """Read a head. Raises ProofError MALFORMED."""
    return decode_message(CertifiedHead, data, HEADER_SIZE_MAX + CERTIFICATE_SIZE_MAX + 16)


def reuse_head(head: CertifiedHead, trust: TrustRoot, known: VerifiedHead | None) -> VerifiedHead:
    """`known` when it was verified from these very bytes, otherwise `verify_head`."""
    if known is not None and known.encoded == head and known.header.chain_id == trust.chain_id:
        return known
    return verify_head(head, trust)


def _verify_answer_head(
    proven: ProvenState, trust: TrustRoot, known: VerifiedHead | None
) -> VerifiedHead:
    if proven.chain_id != trust.chain_id:
        raise ProofError(OTHER_CHAIN, f"an answer of {proven.chain_id}, not {trust.chain_id}")
    if proven.head is None:
        raise ProofError(NOT_CERTIFIED, "no head")
    return reuse_head(proven.head, trust, known)


def decode_header(data: bytes) -> BlockHeader:
    """Read a header and check the form of its hashes. Raises ProofError MALFORMED."""
    header = decode_message(BlockHeader, data, HEADER_SIZE_MAX)
    for held in (
        header.parent_hash,
        header.tx_root,
        header.validators_hash,
        header.next_validators_hash,
    ):
        if len(held) != HASH_SIZE:
            raise ProofError(MALFORMED, f"a hash of {len(held)} bytes in the header")
    return header


def _verify_log_entry(
    root: bytes, count: int, entry: bytes, proof: LogProof | None, code: str
) -> int:
    if proof is None or proof.size != count:
        raise ProofError(code, f"no audit path in a log of {count}")
    try:
        verify_log_inclusion(root, count, proof.index, leaf_hash(entry), proof.hashes)
    except MerkleProofError as error:
        raise ProofError(code, str(error)) from error
    return proof.index


def decode_message(cls: type[_T], data: bytes, size_max: int) -> _T:
    """Read a canonical message that came with an answer. Raises ProofError MALFORMED."""
    try:
        return decode(cls, data, size_max=size_max)
    except EncodingError as error:
        raise ProofError(MALFORMED, str(error)) from error
