# SPDX-License-Identifier: Apache-2.0
"""Answers with proofs, from the certified chain. Runs in reader threads.

Every answer is made from one tip, so its values and proofs belong to one certified height. A value
that does not fit its proof is a damaged store, not an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn, TypeVar

from ledger.api.ports import ApiError, BlockParts, TransactionState
from ledger.model import schema
from ledger.model.block import Block, BlockHeader, Proposal
from ledger.model.codec import decode, encode
from ledger.model.limits import (
    CHILDREN_PAGE_COUNT_MAX,
    PROVEN_STATE_SIZE_MAX,
    STATE_KEY_SIZE_MAX,
    TRUST_PATH_COUNT_MAX,
    TRUST_PATH_SIZE_MAX,
)
from ledger.model.proofs import CertifiedHead, ProvenState, StateEntry, TrustStep
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.records import IdempotencyRecord
from ledger.model.state_proof import key_hash, value_hash
from ledger.model.transaction import Receipt
from ledger.model.verification import ProofError, get_child_count
from ledger.model.wire import EncodingError
from ledger.node.membership import read_validators
from ledger.node.proofs import prove_one
from ledger.node.tip import Tip
from ledger.state import tree
from ledger.storage.chain import ChainStore
from ledger.storage.errors import STORE_CORRUPT, CorruptionError

_T = TypeVar("_T")

GET_KEYS_COUNT_MAX: Final = 1_024
"""Keys in one question."""

_ENTRY_SIZE_MARGIN: Final = 64
"""Bytes of lengths and tags around the parts of an entry, at most."""


class Queries:
    """Reads of one node."""

    def __init__(self, chain: ChainStore, chain_id: str) -> None:
        self._chain = chain
        self._chain_id = chain_id

    def prove(self, tip: Tip, keys: Sequence[bytes]) -> bytes:
        """The canonical ProvenState of these keys at a tip.

        Raises ApiError: MALFORMED, RESOURCE_LIMIT, NOT_READY (nothing is certified yet).
        """
        if not 1 <= len(keys) <= GET_KEYS_COUNT_MAX:
            raise ApiError(
                ReceiptCode.RESOURCE_LIMIT,
                f"1 to {GET_KEYS_COUNT_MAX} keys are expected, not {len(keys)}",
            )
        for key in keys:
            _check_key(key)
        if len(set(keys)) != len(keys):
            raise ApiError(ReceiptCode.MALFORMED, "a key is asked twice")
        return self._prove(tip, keys)

    def prove_children(self, tip: Tip, parent_key: bytes, first: int, limit: int) -> bytes:
        """The canonical ProvenState of a parent and its children from `first`, at a tip.

        Complete: as many as the parent says there are, up to `limit`. Raises ApiError as `prove`.
        """
        _check_key(parent_key)
        if not 1 <= limit <= CHILDREN_PAGE_COUNT_MAX:
            raise ApiError(
                ReceiptCode.RESOURCE_LIMIT,
                f"a page has 1 to {CHILDREN_PAGE_COUNT_MAX} children, not {limit}",
            )
        try:
            value = self._chain.state.get(parent_key, tip.state_version)
            count = get_child_count(parent_key, value)
        except ValueError as error:
            raise ApiError(ReceiptCode.MALFORMED, str(error)) from None
        except ProofError:
            # What the asker chose decides how the value is read, so this is no sign of damage:
            # only the tree tells that, and its proof is made (and raises) first.
            self._prove_entry(tip, parent_key)
            raise ApiError(
                ReceiptCode.MALFORMED, "the record under this key has no children"
            ) from None
        numbers = range(first, min(first + limit, count))
        return self._prove(
            tip, [parent_key, *(schema.child_key(parent_key, number) for number in numbers)]
        )

    def _prove(self, tip: Tip, keys: Sequence[bytes]) -> bytes:
        _check_certified(tip)
        entries: list[StateEntry] = []
        size = 0
        for key in keys:
            entry = self._prove_entry(tip, key)
            entries.append(entry)
            proof_size = 32 * len(entry.proof.siblings) if entry.proof else 0
            size += len(key) + len(entry.value) + proof_size + _ENTRY_SIZE_MARGIN
            if size > PROVEN_STATE_SIZE_MAX // 2:
                # Well below, so that what surrounds the entries never matters.
                _refuse_size(len(entries), len(keys))
        return encode(ProvenState(chain_id=self._chain_id, head=tip.head, entries=tuple(entries)))

    def _prove_entry(self, tip: Tip, key: bytes) -> StateEntry:
        state = self._chain.state
        value = state.get(key, tip.state_version)
        hashed = key_hash(key)
        try:
            proof = tree.get_proof(state, tip.state_version, hashed)
        except (tree.MissingNodeError, tree.CorruptNodeError) as error:
            raise CorruptionError(STORE_CORRUPT, f"the state tree: {error}") from error
        is_proven_present = proof.leaf_key_hash == hashed
        if is_proven_present != (value is not None) or (
            value is not None and proof.leaf_value_hash != value_hash(value)
        ):
            raise CorruptionError(STORE_CORRUPT, f"the tree and the value of {key!r} differ")
        return StateEntry(key=key, value=value or b"", proof=proof)

    def newest_head(self, tip: Tip) -> bytes:
        """The canonical CertifiedHead of a tip. Raises ApiError NOT_READY before the first block."""
        _check_certified(tip)
        return encode(tip.head)

    def certified_head(self, height: int) -> bytes:
        """The canonical CertifiedHead of a height. Raises ApiError (HEIGHT_UNKNOWN)."""
        header = self._chain.blocks.header(height)
        if header is None:
            _refuse_height(height)
        certificate = self._chain.blocks.certificate(height) or b""
        return encode(CertifiedHead(header=header, certificate=certificate))

    def trust_path(self, from_height: int, count: int) -> Sequence[bytes]:
        """Canonical TrustSteps: the first changes of the validators from a height on.

        At most `count`, and less when they would be too large together. Raises ApiError
        (RESOURCE_LIMIT).
        """
        if not 1 <= count <= TRUST_PATH_COUNT_MAX:
            raise ApiError(
                ReceiptCode.RESOURCE_LIMIT,
                f"an answer has 1 to {TRUST_PATH_COUNT_MAX} steps, not {count}",
            )
        steps: list[bytes] = []
        size = 0
        for height in self._chain.blocks.find_set_changes(from_height, count):
            step = self._make_step(height)
            size += len(step)
            if steps and size > TRUST_PATH_SIZE_MAX:
                break
            steps.append(step)
        return steps

    def _make_step(self, height: int) -> bytes:
        """The change that the block of a height names: who certifies the one above it."""
        blocks, state = self._chain.blocks, self._chain.state
        encoded, certificate = blocks.header(height), blocks.certificate(height)
        if height < 1 or encoded is None or certificate is None:
            raise CorruptionError(STORE_CORRUPT, f"block {height} is indexed and not stored")
        try:
            validators = read_validators(self._chain, state.version_at(height - 1))
        except ValueError as error:
            raise CorruptionError(STORE_CORRUPT, f"the validators: {error}") from error
        if validators.hash != _decode_stored(BlockHeader, encoded).next_validators_hash:
            raise CorruptionError(
                STORE_CORRUPT, f"the state does not hold the validators that block {height} names"
            )
        head = CertifiedHead(header=encoded, certificate=certificate)
        return encode(TrustStep(head=head, next_validators=encode(validators.validator_set)))

    def block(self, height: int) -> BlockParts:
        """A certified block. Raises ApiError (HEIGHT_UNKNOWN)."""
        block = self._chain.blocks.block(height)
        if block is None:
            _refuse_height(height)
        return BlockParts(block.header, block.proposal, block.certificate, block.receipts)

    def find_transaction(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Height and index of a certified transaction."""
        return self._chain.blocks.find_transaction(transaction_id)

    def prove_transaction(self, height: int, index: int) -> bytes:
        """The canonical TransactionProof at a place that `find_transaction` gave."""
        block = self._chain.blocks.block(height)
        if block is None:
            raise CorruptionError(STORE_CORRUPT, f"block {height} is indexed and not stored")
        content = _decode_stored(Block, _decode_stored(Proposal, block.proposal).block)
        head = CertifiedHead(header=block.header, certificate=block.certificate)
        return prove_one(head, content.transactions, block.receipts, index)

    def find_by_idempotency_key(self, tip: Tip, author: str, key: bytes) -> bytes | None:
        """The transaction id under an author's idempotency key, while the state remembers it."""
        value = self._chain.state.get(schema.idempotency_key(author, key), tip.state_version)
        if value is None:
            return None
        record = _decode_stored(IdempotencyRecord, value)
        return _decode_stored(Receipt, record.receipt).transaction_id

    def get_transaction(self, transaction_id: bytes) -> tuple[TransactionState, bytes]:
        """What the certified chain knows of a transaction."""
        place = self.find_transaction(transaction_id)
        if place is None:
            return TransactionState.UNKNOWN, b""
        return TransactionState.CERTIFIED, self.prove_transaction(*place)


def _decode_stored(cls: type[_T], data: bytes) -> _T:
    """What this node wrote once it can read; otherwise its store is damaged."""
    try:
        return decode(cls, data)
    except EncodingError as error:
        raise CorruptionError(STORE_CORRUPT, f"a stored {cls.__name__}: {error}") from error


def _check_certified(tip: Tip) -> None:
    """A client can believe nothing of height 0: genesis has no certificate."""
    if not tip.head.certificate:
        raise ApiError(ReceiptCode.NOT_READY, "nothing is certified yet", retry_after_ms=100)


def _check_key(key: bytes) -> None:
    if not 0 < len(key) <= STATE_KEY_SIZE_MAX:
        raise ApiError(ReceiptCode.MALFORMED, f"a state key has 1 to {STATE_KEY_SIZE_MAX} bytes")


def _refuse_height(height: int) -> NoReturn:
    raise ApiError(ApiReason.HEIGHT_UNKNOWN, f"no block of height {height} is certified here")


def _refuse_size(served: int, asked: int) -> NoReturn:
    raise ApiError(
        ReceiptCode.RESOURCE_LIMIT,
        f"the answer is too large after {served} of {asked} keys: ask for fewer",
    )
