# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ledger.node.descriptors import RESERVED_COUNT

# Limits belong to a process, and a lowered one cannot be raised again.
PROGRAM = """
import json, resource, sys
from ledger.node.descriptors import reserve_descriptors
from ledger.node.errors import NodeError
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    reserve_descriptors(connections)
    code = ""
except NodeError as error:
    code = error.code
print(json.dumps([code, *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def reserve(soft: int, hard: int, connections: int) -> list[object]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(connections)],
        capture_output=True,
        check=True,
        text=True,
    )
    answer: list[object] = json.loads(run.stdout)
    return answer


NEEDED = RESERVED_COUNT + 100


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        (200, NEEDED, ["", NEEDED, NEEDED]),
        (NEEDED + 5, NEEDED + 9, ["", NEEDED + 5, NEEDED + 9]),
        (200, NEEDED - 1, ["DESCRIPTORS_TOO_FEW", 200, NEEDED - 1]),
    ],
)
def test_descriptors_are_reserved_or_the_node_does_not_start(
    soft: int, hard: int, expected: list[object]
) -> None:
    assert reserve(soft, hard, 100) == expected
