# SPDX-License-Identifier: Apache-2.0
"""Errors of the SDK: the class says who must act, every one carries a code and a remedy.

A bad document is a report and a refused batch row is data; an exception is for a bad call, for a
ledger or key that cannot be reached, and for proofs that fail.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

Phase: TypeAlias = Literal["not-sent", "unknown", "pending"]
"""What is known of a write that failed: never left, may have arrived, arrived and not decided."""


class PsetError(Exception):
    """Base of all errors of the SDK.

    Attributes:
        code: stable name in capitals, explained by `pset explain CODE`.
        remedy: what to do, one sentence.
        retryable: whether the same call may succeed later without a change.
        transaction_id: hexadecimal id of the write concerned, if there is one.
        proof: where the error follows from what the ledger holds, or does not hold, the proof file
            of that (`pset ledger check-proof`); otherwise empty.
    """

    code: str
    remedy: str
    retryable: bool
    transaction_id: str | None
    proof: bytes = b""

    def __init__(
        self,
        text: str,
        *,
        code: str,
        remedy: str,
        retryable: bool = False,
        transaction_id: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.remedy = remedy
        self.retryable = retryable
        self.transaction_id = transaction_id

    @property
    def text(self) -> str:
        """What happened, one sentence; the same as `str()`."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # BaseException's own would call the class with positional arguments only: errors must
        # survive the way back from a worker process.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[PsetError], args: tuple[Any, ...], state: dict[str, Any]) -> PsetError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class CallerError(PsetError):
    """The call or its input is wrong: fix it. Nothing was sent."""


class RefusedError(PsetError):
    """The ledger's rules say no: see the remedy. `receipt` is its answer (`psetledger.Receipt`)."""

    receipt: Any

    def __init__(
        self,
        text: str,
        *,
        code: str,
        remedy: str,
        receipt: Any,
        transaction_id: str | None = None,
    ) -> None:
        super().__init__(text, code=code, remedy=remedy, transaction_id=transaction_id)
        self.receipt = receipt


class UnavailableError(PsetError):
    """No answer now: try again, after `retry_after` when given. `phase` tells what became of a write."""

    retry_after: timedelta | None
    phase: Phase

    def __init__(
        self,
        text: str,
        *,
        code: str,
        remedy: str,
        phase: Phase = "not-sent",
        retry_after: timedelta | None = None,
        retryable: bool = True,
        transaction_id: str | None = None,
    ) -> None:
        super().__init__(
            text, code=code, remedy=remedy, retryable=retryable, transaction_id=transaction_id
        )
        self.retry_after = retry_after
        self.phase = phase


class TrustError(PsetError):
    """A node lied or a proof fails: keep `evidence` and tell the network's operators."""

    evidence: Path

    def __init__(
        self,
        text: str,
        *,
        code: str,
        remedy: str,
        evidence: Path,
        transaction_id: str | None = None,
    ) -> None:
        super().__init__(text, code=code, remedy=remedy, transaction_id=transaction_id)
        self.evidence = evidence


class KeyAccessError(PsetError):
    """A private key cannot be used: hardware module, passphrase, permission, damaged file."""


class NotVerifiedError(PsetError):
    """Raised only on request, by `VerificationReport.raise_if_not_valid`; `report` is that report."""

    report: Any

    def __init__(self, text: str, *, code: str, remedy: str, report: Any) -> None:
        super().__init__(text, code=code, remedy=remedy)
        self.report = report
