# SPDX-License-Identifier: Apache-2.0
"""Named places between the driver's effects. Tests stop a node there; a running node passes by.

`FAILPOINTS_BY_NAME` are the names in a configuration's `[testing]` table.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final


class Failpoint(StrEnum):
    """In the order in which the driver comes by. Each says what is durable there."""

    AFTER_FIRST_RECORD = "after-first-record"
    """The first start only, height 0: the vote record; the key is still marked as fresh."""
    BEFORE_PERSIST = "before-persist"
    """Nothing of the new block."""
    AFTER_PERSIST = "after-persist"
    """The log entry."""
    AFTER_EXECUTE = "after-execute"
    """The log entry; roots are known, in memory only."""
    AFTER_SIGN = "after-sign"
    """The log entry; the vote is signed but not recorded, and has not left."""
    AFTER_VOTE_RECORD = "after-vote-record"
    """The vote too."""
    AFTER_CERTIFICATE = "after-certificate"
    """The vote; the certificate is in memory."""
    AFTER_CERTIFY = "after-certify"
    """Everything; nobody was answered yet."""
    AFTER_ANSWER = "after-answer"
    """Everything, and whoever waited knows it."""


BLOCK_FAILPOINTS: Final = tuple(
    failpoint for failpoint in Failpoint if failpoint is not Failpoint.AFTER_FIRST_RECORD
)
"""Those that every block passes."""
FAILPOINTS_BY_NAME: Final = {failpoint.value: failpoint for failpoint in Failpoint}

FailpointHook = Callable[[Failpoint, int], None]
"""Called with the place and the height of the block in flight (the next one, when none is)."""


def pass_by(failpoint: Failpoint, height: int) -> None:
    """The hook of a running node: nothing happens."""


def kill_at(failpoint: Failpoint, height: int) -> FailpointHook:
    """A hook that ends this process at once, as `kill -9` would, at one place and height."""

    def hook(reached: Failpoint, reached_height: int) -> None:
        if reached is failpoint and reached_height == height:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)

    return hook
