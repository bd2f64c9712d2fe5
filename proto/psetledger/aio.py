# SPDX-License-Identifier: Apache-2.0
"""The asynchronous face of the SDK: the names of `psetledger`, loaded when first used.

    from psetledger.aio import LedgerClient

    async with LedgerClient.connect("za") as client:
        proven = await client.organisation("qcto")

Methods that reach the network are coroutines, iterators are asynchronous; values and errors are
those of `psetledger`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdk.accreditor import AsyncAccreditor as Accreditor
    from sdk.aio_client import LedgerClient
    from sdk.errors import (
        CallerError,
        KeyAccessError,
        NotVerifiedError,
        PsetError,
        RefusedError,
        TrustError,
        UnavailableError,
    )
    from sdk.operations import Operation
    from sdk.results import (
        Accreditation,
        Decision,
        Organisation,
        Proven,
        Receipt,
        Resource,
        StatusList,
        TransactionStatus,
        Verdict,
        Wait,
    )
    from sdk.signers import Signer, signer

__all__ = [
    "Accreditation",
    "Accreditor",
    "CallerError",
    "Decision",
    "KeyAccessError",
    "LedgerClient",
    "NotVerifiedError",
    "Operation",
    "Organisation",
    "Proven",
    "PsetError",
    "Receipt",
    "RefusedError",
    "Resource",
    "Signer",
    "StatusList",
    "TransactionStatus",
    "TrustError",
    "UnavailableError",
    "Verdict",
    "Wait",
    "signer",
]

_SOURCES = {
    "Accreditation": ("sdk.results", "Accreditation"),
    "Accreditor": ("sdk.accreditor", "AsyncAccreditor"),
    "CallerError": ("sdk.errors", "CallerError"),
    "Decision": ("sdk.results", "Decision"),
    "KeyAccessError": ("sdk.errors", "KeyAccessError"),
    "LedgerClient": ("sdk.aio_client", "LedgerClient"),
    "NotVerifiedError": ("sdk.errors", "NotVerifiedError"),
    "Operation": ("sdk.operations", "Operation"),
    "Organisation": ("sdk.results", "Organisation"),
    "Proven": ("sdk.results", "Proven"),
    "PsetError": ("sdk.errors", "PsetError"),
    "Receipt": ("sdk.results", "Receipt"),
    "RefusedError": ("sdk.errors", "RefusedError"),
    "Resource": ("sdk.results", "Resource"),
    "Signer": ("sdk.signers", "Signer"),
    "StatusList": ("sdk.results", "StatusList"),
    "TransactionStatus": ("sdk.results", "TransactionStatus"),
    "TrustError": ("sdk.errors", "TrustError"),
    "UnavailableError": ("sdk.errors", "UnavailableError"),
    "Verdict": ("sdk.results", "Verdict"),
    "Wait": ("sdk.results", "Wait"),
    "signer": ("sdk.signers", "signer"),
}
"""Module and name there, by promised name."""


def __getattr__(name: str) -> Any:
    source = _SOURCES.get(name)
    if source is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(source[0]), source[1])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
