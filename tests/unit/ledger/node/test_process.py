# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from ledger.node.errors import NodeError
from ledger.node.process import PID_FILE, find_process, hold_pid_file

ROUNDS = 300


def look(home: Path, looking: Event, stopping: Event) -> None:
    while not stopping.is_set():
        find_process(home)
        looking.set()


@pytest.mark.parametrize("left", ["", "4194304\n"])
def test_who_only_looks_never_refuses_a_start(tmp_path: Path, left: str) -> None:
    """`left` is what the last node left in its pid file: nothing, or its number when it was killed."""
    context = multiprocessing.get_context("spawn")
    looking, stopping = context.Event(), context.Event()
    (tmp_path / PID_FILE).write_text(left)
    looker = context.Process(target=look, args=(tmp_path, looking, stopping))
    looker.start()
    try:
        assert looking.wait(30)
        for _ in range(ROUNDS):
            (tmp_path / PID_FILE).write_text(left)
            with hold_pid_file(tmp_path):
                pass
    finally:
        stopping.set()
        looker.join(30)


def test_a_second_node_is_refused(tmp_path: Path) -> None:
    with hold_pid_file(tmp_path):
        with pytest.raises(NodeError) as caught, hold_pid_file(tmp_path):
            pass
        assert caught.value.code == "NODE_RUNNING"
        assert find_process(tmp_path) is not None
    assert find_process(tmp_path) is None
