# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from benchmarks.workloads.execution import PUBLISH, UPDATE_LIST, count_tree_keys, make_block


@pytest.mark.parametrize(
    ("name", "count", "keys"),
    [(PUBLISH, 1, 6.0), (PUBLISH, 10, 5.1), (UPDATE_LIST, 1, 4.0), (UPDATE_LIST, 10, 4.0)],
)
def test_sample_blocks_are_applied_and_write_what_is_stated(
    name: str, count: int, keys: float
) -> None:
    assert count_tree_keys(make_block(name, count, 1)) == keys


def test_a_refused_sample_is_no_figure() -> None:
    block = make_block(PUBLISH, 2, 1)
    block.world.state.values.clear()
    with pytest.raises(ValueError, match="charter"):
        count_tree_keys(block)
