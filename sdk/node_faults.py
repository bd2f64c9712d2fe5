# SPDX-License-Identifier: Apache-2.0
"""What the caller is told when no node gave an answer that can be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from ledger.model.receipts import ApiReason
from ledger.model.verification import (
    CONFLICTING_HEADS,
    HEAD_FROM_FUTURE,
    OLD_STATE,
    OTHER_CHAIN,
    OTHER_VALIDATORS,
    PROTOCOL_UNKNOWN,
    ProofError,
)
from sdk.errors import Phase, PsetError, TrustError, UnavailableError
from sdk.node_api import CallFault, NodeCallError

NODE_LIED: Final = "NODE_LIED"
OTHER_NETWORK: Final = "OTHER_NETWORK"
RETRY_AFTER: Final = timedelta(seconds=2)
"""What a caller is asked to wait when no node says it."""
SAID_SIZE_MAX: Final = 300
"""Characters of what one node said."""

_TRUST_CODES: Final = {
    OLD_STATE: OLD_STATE,
    CONFLICTING_HEADS: CONFLICTING_HEADS,
    HEAD_FROM_FUTURE: HEAD_FROM_FUTURE,
    OTHER_CHAIN: OTHER_NETWORK,
    OTHER_VALIDATORS: OTHER_VALIDATORS,
    PROTOCOL_UNKNOWN: PROTOCOL_UNKNOWN,
}
_TRUST_REMEDIES: Final = {
    OLD_STATE: "Ask another node; if this one does not catch up, send the evidence to the"
    " network's operators.",
    CONFLICTING_HEADS: "Rely on nothing from this network until its operators have explained the"
    " evidence.",
    HEAD_FROM_FUTURE: "Set this computer's clock; if it is right, send the evidence to the"
    " network's operators.",
    OTHER_CHAIN: "Check which network was meant; a development network that was built anew has"
    " another fingerprint.",
    OTHER_VALIDATORS: "Ask another node; if none proves who its validators are, get the network's"
    " present files from its operators.",
    PROTOCOL_UNKNOWN: "Install a newer psetledger.",
}
_LIE_REMEDY: Final = "Do not rely on the answer. Send the evidence file to the network's operators."


class UnprovenError(Exception):
    """A node's answer that did not prove what it says."""

    def __init__(self, error: ProofError, keep: Callable[[], Path]) -> None:
        """`keep` stores the answer as evidence. A lie is kept at once; that a node lags behind only
        when `evidence` is asked for: it is no lie where another one is further.
        """
        super().__init__(str(error))
        self.error = error
        self._keep = keep
        self._evidence: Path | None = None if self.is_lag else keep()

    @property
    def is_lag(self) -> bool:
        """Whether the node proves an older state than is known already."""
        return self.error.code == OLD_STATE

    @property
    def evidence(self) -> Path:
        """Where the answer is kept."""
        if self._evidence is None:
            self._evidence = self._keep()
        return self._evidence


def as_trust_error(unproven: UnprovenError, transaction_id: str | None = None) -> TrustError:
    """The error for the caller."""
    code = unproven.error.code
    return TrustError(
        f"an answer was not proven: {unproven.error.text}",
        code=_TRUST_CODES.get(code, NODE_LIED),
        remedy=_TRUST_REMEDIES.get(code, _LIE_REMEDY),
        evidence=unproven.evidence,
        transaction_id=transaction_id,
    )


def later_phase(phase: Phase, fault: CallFault) -> Phase:
    """What is known of a write after one more failure: it never becomes less."""
    if fault is CallFault.PENDING or phase == "pending":
        return "pending"
    if fault in {CallFault.BROKEN, CallFault.NODE_FAULT} or phase == "unknown":
        return "unknown"
    return "not-sent"


_UNAVAILABLE_CODES: Final = {
    CallFault.UNREACHABLE: "NOT_REACHABLE",
    CallFault.BROKEN: "NO_ANSWER",
    CallFault.BUSY: "BUSY",
    CallFault.PENDING: "PENDING",
    CallFault.NODE_FAULT: "NODE_FAULT",
}
_PHASE_REMEDIES: Final[dict[Phase, str]] = {
    "not-sent": "Nothing was sent. Check it with `pset network status` and try again.",
    "unknown": "It may have arrived. Repeat the same call with the same idempotency key, or look it"
    " up with `pset ledger tx`; it is never applied twice.",
    "pending": "It was taken and is not decided yet. Look it up with `pset ledger tx`.",
}
_PHASE_WORDS: Final[dict[Phase, str]] = {
    "not-sent": "no validator has taken it",
    "unknown": "it may have arrived",
    "pending": "it was taken and is not decided",
}


def no_endpoints() -> UnavailableError:
    """The error of a network whose nodes nobody knows."""
    return UnavailableError(
        "this network names no node to ask",
        code="NO_ENDPOINTS",
        remedy="Add the network again from its operators' files, with endpoints.",
        retryable=False,
    )


def unavailable(
    last: NodeCallError, said: Mapping[str, str], phase: Phase | None, transaction_id: str | None
) -> UnavailableError:
    """The error for the caller.

    Args:
        last: the last failure.
        said: what each node said, by its name.
        phase: what is known of a write; None for a read.
        transaction_id: of the write.
    """
    remedy = _PHASE_REMEDIES[phase or "not-sent"]
    if phase in {None, "not-sent"} and last.fault is not CallFault.UNREACHABLE:
        remedy = "Try again later." if last.fault is CallFault.BUSY else "Try again."
    code = _UNAVAILABLE_CODES[last.fault]
    if last.reason == ApiReason.OUTCOME_UNKNOWN:
        code = ApiReason.OUTCOME_UNKNOWN.value
    return UnavailableError(
        word_faults(last.text, said, phase),
        code=code,
        remedy=remedy,
        phase=phase or "not-sent",
        retry_after=last.retry_after or RETRY_AFTER,
        transaction_id=transaction_id,
    )


def refused_after(
    refusal: NodeCallError, said: Mapping[str, str], phase: Phase, transaction_id: str | None
) -> PsetError:
    """The error for a write that was refused after another node may have taken it."""
    return UnavailableError(
        word_faults(refusal.text, said, phase),
        code=ApiReason.OUTCOME_UNKNOWN.value,
        remedy=_PHASE_REMEDIES[phase],
        phase=phase,
        retry_after=RETRY_AFTER,
        transaction_id=transaction_id,
    )


def word_faults(last: str, said: Mapping[str, str], phase: Phase | None) -> str:
    """What each node said, and what that means for a write: one sentence."""
    text = last[:SAID_SIZE_MAX]
    if len(said) > 1:
        words = "; ".join(f"{name}: {words[:SAID_SIZE_MAX]}" for name, words in said.items())
        text = f"{len(said)} validators were asked ({words})"
    return text if phase is None else f"{text}: {_PHASE_WORDS[phase]}"
