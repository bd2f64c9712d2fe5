# SPDX-License-Identifier: Apache-2.0
"""How many calls are at work at once, in all and from one host."""

from __future__ import annotations

from typing import Final

from ledger.api.ports import ApiError
from ledger.model.receipts import ReceiptCode

RETRY_AFTER_MS: Final = 500
"""What a client with too many calls is asked to wait."""


class CallGate:
    """Counts calls. One thread: the event loop's."""

    def __init__(self, *, count_max: int, per_host_count_max: int) -> None:
        self._count_max = count_max
        self._per_host_count_max = per_host_count_max
        self._count = 0
        self._by_host: dict[str, int] = {}

    def enter(self, peer: str) -> str:
        """Count a call that begins; what `leave` wants when it ends.

        Args:
            peer: as gRPC names it, `ipv4:10.0.0.1:5000`: all ports of a host are one.

        Raises:
            ApiError: OVERLOADED, and the call is not counted.
        """
        host = peer.rpartition(":")[0]
        count = self._by_host.get(host, 0)
        if self._count >= self._count_max:
            raise ApiError(
                ReceiptCode.OVERLOADED,
                f"{self._count} calls are at work",
                retry_after_ms=RETRY_AFTER_MS,
            )
        if count >= self._per_host_count_max:
            raise ApiError(
                ReceiptCode.OVERLOADED,
                f"{count} calls from this host are at work",
                retry_after_ms=RETRY_AFTER_MS,
            )
        self._count += 1
        self._by_host[host] = count + 1
        return host

    def leave(self, host: str) -> None:
        """A call ended, in whatever way."""
        self._count -= 1
        count = self._by_host[host] - 1
        if count:
            self._by_host[host] = count
        else:
            del self._by_host[host]
