# SPDX-License-Identifier: Apache-2.0
"""File descriptors: enough for the stores, whatever clients do.

A store that cannot open its next file ends the node. So connections are counted (`api.server`), and
a node that could run out of descriptors does not start.
"""

from __future__ import annotations

import resource
from typing import Final

from ledger.node.errors import NodeError

RESERVED_COUNT: Final = 1_280
"""For both stores with 512 files each, logs, keys, listener, threads and their pipes."""


def reserve_descriptors(connections_count_max: int) -> None:
    """Raise this process's limit to what the node may need.

    Args:
        connections_count_max: connections from clients at once.

    Raises:
        NodeError: DESCRIPTORS_TOO_FEW, when the system does not allow so many. Nothing is changed.
    """
    needed = RESERVED_COUNT + connections_count_max
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise NodeError(
            "DESCRIPTORS_TOO_FEW",
            f"this process may open {hard} files; the node needs {needed}: {RESERVED_COUNT} for"
            f" itself and one for each of {connections_count_max} connections",
            "Raise the limit (ulimit -Hn, LimitNOFILE= of the service), or lower"
            " api.connections_count_max.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
