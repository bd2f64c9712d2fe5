# SPDX-License-Identifier: Apache-2.0
"""The light client's memory: whom it trusts, heads verified already, the highest height seen.

Checks are those of `ledger.model.verification`; this file adds what needs memory:

- A head is verified once; up to HEADS_COUNT_MAX verified heads are remembered by their bytes, so a
  warm read verifies no signature.
- Heights never go back: an answer must not be older than the highest head verified *before its
  question was sent* (answers may overtake each other). `sdk.trust_store` keeps the highest head.
- What was learned of changes of the validators is added to the trust root, whoever served it: it is
  proven. From then on no answer goes behind it.
- Two heads that contradict each other are refused, whichever came first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.model.limits import TRUST_PATH_COUNT_MAX
from ledger.model.proofs import CertifiedHead, StateEntry, TransactionProof
from ledger.model.trust_path import PATH_TRUNCATED, decode_trust_step, extend_trust
from ledger.model.verification import (
    CONFLICTING_HEADS,
    ProofError,
    TrustRoot,
    VerifiedHead,
    VerifiedTransaction,
    check_not_from_future,
    check_not_older,
    decode_certified_head,
    decode_proven_state,
    decode_transaction_proof,
    verify_children,
    verify_head,
    verify_proven_state,
    verify_transaction_proof,
)
from sdk.trust_store import TrustStore

HEADS_COUNT_MAX: Final = 128
STORE_INTERVAL_MS: Final = 1_000
"""The highest head is written at most so often, and when the client closes."""


@dataclass(frozen=True, slots=True)
class VerifiedEntries:
    """An answer about state keys, with its proofs."""

    head: VerifiedHead
    entries: dict[bytes, StateEntry]


class LightClient:
    """Believes what is proven. Thread-safe; no network, no waiting."""

    def __init__(self, trust: TrustRoot, store: TrustStore, *, time_ms: Callable[[], int]) -> None:
        """Args: time_ms: this computer's clock.

        Raises:
            TrustError: TRUST_STATE_DAMAGED.
        """
        learned = store.read(trust)
        self._trust = learned.trust
        self._path = learned.path
        self._store = store
        self._time_ms = time_ms
        self._lock = threading.Lock()
        self._heads: OrderedDict[CertifiedHead, VerifiedHead] = OrderedDict()
        self._highest: VerifiedHead | None = learned.highest
        self._stored_at_ms = 0
        self._is_stored = True

    @property
    def is_verifying(self) -> bool:
        return True

    @property
    def trust(self) -> TrustRoot:
        """Genesis, and the changes of the validators that are proven."""
        return self._trust

    @property
    def chain_id(self) -> str:
        return self._trust.chain_id

    @property
    def highest(self) -> VerifiedHead | None:
        """The highest head verified so far: the floor of every question sent from now on."""
        return self._highest

    def accept_state(
        self, answer: bytes, keys: Sequence[bytes], floor: VerifiedHead | None
    ) -> VerifiedEntries:
        """Check an answer about these keys. Raises ProofError."""
        proven = decode_proven_state(answer)
        known = self._known(proven.head)
        state = verify_proven_state(proven, keys, self.trust, known=known)
        self._accept_head(state.head, floor)
        return VerifiedEntries(state.head, {entry.key: entry for entry in proven.entries})

    def accept_children(
        self, answer: bytes, parent_key: bytes, first: int, limit: int, floor: VerifiedHead | None
    ) -> VerifiedEntries:
        """Check a page of a list. Raises ProofError."""
        proven = decode_proven_state(answer)
        known = self._known(proven.head)
        state = verify_children(proven, parent_key, first, limit, self.trust, known=known)
        self._accept_head(state.head, floor)
        return VerifiedEntries(state.head, {entry.key: entry for entry in proven.entries})

    def accept_head(self, answer: bytes, floor: VerifiedHead | None) -> VerifiedHead:
        """Check that this is the network's head, not older than `floor`. Raises ProofError."""
        head = self._verify_head(decode_certified_head(answer))
        self._accept_head(head, floor)
        return head

    def accept_head_at(self, answer: bytes, height: int) -> VerifiedHead:
        """Check that this is the head of a height, which may lie in the past. Raises ProofError."""
        head = self._verify_head(decode_certified_head(answer))
        if head.height != height:
            raise ProofError("HEAD_MISMATCH", f"height {head.height} was served for {height}")
        self._accept_past_head(head)
        return head

    def accept_transaction(
        self, answer: bytes, transaction_id: bytes
    ) -> tuple[VerifiedTransaction, TransactionProof]:
        """Check the proof of a transaction, which may lie in the past. Raises ProofError."""
        proof = decode_transaction_proof(answer)
        known = self._known(proof.head)
        held = verify_transaction_proof(proof, transaction_id, self.trust, known=known)
        self._accept_past_head(held.head)
        return held, proof

    def accept_path(self, steps: Sequence[bytes], since: TrustRoot) -> None:
        """Learn changes of the validators from canonical TrustSteps, all of them or none.

        Args:
            steps: an answer to the question what changed since `since.newest`; at least one must be.
            since: `trust` when they were asked for. When others have been learned in the meantime,
                those stay.

        Raises:
            ProofError: PATH_TRUNCATED: no step; and as `ledger.model.trust_path.extend_trust`.
        """
        if not steps:
            raise ProofError(PATH_TRUNCATED, "no step leads to the validators that a head names")
        decoded = [decode_trust_step(step) for step in steps[: TRUST_PATH_COUNT_MAX + 1]]
        extended = extend_trust(since, decoded)
        with self._lock:
            if self._trust is since:
                self._trust = extended
                before = extended.find_set(since.newest.first_height)
                assert before is not None, "one answer never makes it forgotten"
                assert before.last_height is not None, "something follows it"
                self._path = self._path.extend(steps, before.last_height)

    def close(self) -> None:
        """Store the highest head if that is due."""
        with self._lock:
            self._store_highest(is_forced=True)

    def _known(self, head: CertifiedHead | None) -> VerifiedHead | None:
        if head is None:
            return None
        with self._lock:
            return self._heads.get(head)

    def _verify_head(self, head: CertifiedHead) -> VerifiedHead:
        return self._known(head) or verify_head(head, self.trust)

    def _accept_head(self, head: VerifiedHead, floor: VerifiedHead | None) -> None:
        check_not_older(head, floor)
        self._accept_past_head(head)

    def _accept_past_head(self, head: VerifiedHead) -> None:
        check_not_from_future(head, self._time_ms())
        with self._lock:
            highest = self._highest
            if highest is None or head.height > highest.height:
                check_not_older(head, highest)
                self._highest = head
                self._is_stored = False
            elif head.height == highest.height and head.vote != highest.vote:
                raise ProofError(
                    CONFLICTING_HEADS, f"two different blocks are certified at {head.height}"
                )
            elif head.height < highest.height and head.time >= highest.time:
                raise ProofError(CONFLICTING_HEADS, "an earlier block has no earlier time")
            self._heads[head.encoded] = head
            self._heads.move_to_end(head.encoded)
            while len(self._heads) > HEADS_COUNT_MAX:
                self._heads.popitem(last=False)
            self._store_highest(is_forced=False)

    def _store_highest(self, *, is_forced: bool) -> None:
        if self._is_stored or self._highest is None:
            return
        now = self._time_ms()
        if is_forced or not 0 <= now - self._stored_at_ms < STORE_INTERVAL_MS:
            self._store.write(self._highest, self._trust, self._path)
            self._stored_at_ms = now
            self._is_stored = True
