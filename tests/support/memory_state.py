# SPDX-License-Identifier: Apache-2.0
"""A StateReader over a dict."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from ledger.state.machine import BlockResult


class MemoryState:
    """A StateReader over a dict, with the index of expiring idempotency records."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.expiring_index: list[tuple[int, bytes]] = []

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def expiring(self, until_ms: int, count_max: int) -> Sequence[tuple[int, bytes]]:
        found = [entry for entry in self.expiring_index if entry[0] <= until_ms]
        return found[:count_max]

    def write(self, result: BlockResult) -> None:
        for key, value in result.writes:
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
        for entry in result.expiring_removed:
            self.expiring_index.remove(entry)
        for entry in result.expiring_added:
            insort(self.expiring_index, entry)
