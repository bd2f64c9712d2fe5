# SPDX-License-Identifier: Apache-2.0
"""Real processes over LevelDB: killed at every failpoint, stopped under load, started twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import grpc.aio
import pytest

from ledger.model.receipts import ReceiptCode
from ledger.node.config import load_config
from ledger.node.descriptors import RESERVED_COUNT
from ledger.node.dev_network import create_network
from ledger.node.dev_processes import network_status, start_network, stop_network
from ledger.node.errors import NodeError
from ledger.node.failpoints import BLOCK_FAILPOINTS, Failpoint
from ledger.node.process import find_process, stop_process
from ledger.storage.chain import ChainStore
from ledger.storage.errors import EXIT_CORRUPTION
from ledger.storage.leveldb import LevelDBStore
from tests.support.network_process import NetworkProcess


@pytest.fixture
def network(tmp_path: Path) -> Iterator[NetworkProcess]:
    made = NetworkProcess(tmp_path / "net")
    yield made
    stop_process(made.home, grace_seconds=10)


def test_a_network_starts_certifies_and_stops(network: NetworkProcess) -> None:
    [state] = start_network(network.directory)
    assert state.status is not None
    assert state.status.height >= 1
    assert state.status.voting
    assert find_process(network.home) == state.pid
    assert network.submit_all([1, 2])[1].receipt.code == ReceiptCode.APPLIED
    [again] = start_network(network.directory)
    assert again.pid == state.pid, "what runs is left alone"
    assert stop_network(network.directory) == ["n1"]
    assert stop_network(network.directory) == []
    [stopped] = network_status(network.directory)
    assert (stopped.pid, stopped.status, stopped.problem) == (None, None, "not running")
    log = (network.home / "logs" / "node.log").read_text()
    assert "stopped height=" in log
    for path in (network.directory / "keys").rglob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert json.loads(path.read_text())["secret"] not in log
    for path in (network.home / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, "nobody else reads the node's data"


def wait_until_gone(home: Path) -> None:
    """The connections of a killed process end shortly before its lock does."""
    deadline = time.monotonic() + 10
    while find_process(home) is not None:
        assert time.monotonic() < deadline, "the node did not kill itself"
        time.sleep(0.01)


@pytest.mark.parametrize("failpoint", BLOCK_FAILPOINTS)
def test_kill_9_at_a_failpoint_loses_nothing(network: NetworkProcess, failpoint: Failpoint) -> None:
    network.configure_crash(failpoint, 3)
    start_network(network.directory)
    acknowledged = network.submit_all([1])
    acknowledged |= network.submit_all([2, 3])
    wait_until_gone(network.home)
    network.configure_crash("", 0)
    start_network(network.directory)
    answers = network.submit_all([1, 2, 3])
    assert {n: a.receipt.code for n, a in answers.items()} == dict.fromkeys((1, 2, 3), 1)
    for number, first in acknowledged.items():
        assert answers[number] == first
    height, root = network.talk(network.state_root)
    stop_network(network.directory)
    store = LevelDBStore(network.home / "data" / "chain")
    head = ChainStore(store).head
    store.close()
    assert (head.height, head.state_root) == (height, root)


def test_kill_9_under_load_loses_nothing_acknowledged(network: NetworkProcess) -> None:
    start_network(network.directory)
    acknowledged: dict[int, object] = {}
    numbers = list(range(200))

    def submit() -> None:
        acknowledged.update(network.submit_all(numbers))

    thread = threading.Thread(target=submit)
    thread.start()
    pid = find_process(network.home)
    assert pid is not None
    # When the first blocks with transactions are certified.
    network.talk(lambda channel: wait_for_height(network, channel, 3))
    os.kill(pid, signal.SIGKILL)
    thread.join()
    wait_until_gone(network.home)
    start_network(network.directory)
    answers = network.submit_all(numbers)
    assert len(answers) == len(numbers)
    for number, first in acknowledged.items():
        assert answers[number] == first


async def wait_for_height(network: NetworkProcess, channel: grpc.aio.Channel, height: int) -> None:
    while (await network.state_root(channel))[0] < height:
        pass


def test_a_graceful_stop_under_load_answers_or_refuses_and_loses_nothing(
    network: NetworkProcess,
) -> None:
    start_network(network.directory)
    acknowledged: dict[int, object] = {}
    numbers = list(range(300))

    def submit() -> None:
        acknowledged.update(network.submit_all(numbers))

    thread = threading.Thread(target=submit)
    thread.start()
    network.talk(lambda channel: wait_for_height(network, channel, 3))
    stop_network(network.directory)
    thread.join()
    assert acknowledged
    start_network(network.directory)
    answers = network.submit_all(numbers)
    assert len(answers) == len(numbers)
    for number, first in acknowledged.items():
        assert answers[number] == first


def run_directly(
    home: Path, *arguments: str, wrapper: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "ledger.node.main", "--dir", str(home), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_second_node_on_one_home_is_refused(network: NetworkProcess) -> None:
    start_network(network.directory)
    second = run_directly(network.home, "--json-errors")
    assert second.returncode == 4
    assert json.loads(second.stderr)["code"] == "NODE_RUNNING"
    assert find_process(network.home) is not None


def test_a_flipped_bit_stops_the_node_with_exit_code_5(network: NetworkProcess) -> None:
    start_network(network.directory)
    network.submit_all([1, 2, 3])
    stop_network(network.directory)
    [path] = (network.home / "data" / "chain").glob("*.log")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    ended = run_directly(network.home)
    assert ended.returncode == EXIT_CORRUPTION
    assert ended.stderr.startswith("STORE_CORRUPT: ")
    assert "Traceback" not in ended.stderr
    with pytest.raises(NodeError) as caught:
        start_network(network.directory)
    assert caught.value.code == "NODE_NOT_STARTED"
    assert "STORE_CORRUPT" in caught.value.text


def test_too_few_descriptors_end_it_before_anything_is_opened(network: NetworkProcess) -> None:
    limited = ["prlimit", f"--nofile={RESERVED_COUNT}:{RESERVED_COUNT}"]
    ended = run_directly(network.home, "--json-errors", wrapper=limited)
    assert ended.returncode == 4
    assert json.loads(ended.stderr)["code"] == "DESCRIPTORS_TOO_FEW"
    assert not (network.home / "data").exists()


def test_wrong_configuration_ends_with_exit_code_2(network: NetworkProcess) -> None:
    (network.home / "config.toml").write_text("[node]\n")
    ended = run_directly(network.home, "--json-errors")
    assert ended.returncode == 2
    report = json.loads(ended.stderr)
    assert report["code"] == "CONFIG_INVALID"
    assert report["remedy"]
    assert run_directly(network.directory / "nowhere").returncode == 2


def test_a_port_in_use_is_said(network: NetworkProcess, tmp_path: Path) -> None:
    start_network(network.directory)
    other = NetworkProcess(tmp_path / "other")
    listen = load_config(network.home).api.listen
    text = (other.home / "config.toml").read_text()
    own = load_config(other.home).api.listen
    (other.home / "config.toml").write_text(text.replace(own, listen))
    ended = run_directly(other.home, "--json-errors")
    assert (ended.returncode, json.loads(ended.stderr)["code"]) == (4, "LISTEN_FAILED")


def test_memory_networks_run_once(tmp_path: Path) -> None:
    made = NetworkProcess(tmp_path / "net", storage="memory")
    try:
        start_network(made.directory)
        assert made.submit_all([1])
        stop_network(made.directory)
        with pytest.raises(NodeError) as caught:
            start_network(made.directory)
        assert caught.value.code == "MEMORY_NETWORK_ENDED"
        assert f"pset network down --purge --dir {made.directory}" in caught.value.remedy
        assert find_process(made.home) is None
    finally:
        stop_process(made.home, grace_seconds=10)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"nodes": 0}, "OPTION_INVALID"),
        ({"nodes": 26}, "OPTION_INVALID"),
        ({"certificate_scheme": "rsa"}, "OPTION_INVALID"),
        ({"storage": "redis"}, "OPTION_INVALID"),
        ({"fault_model": "none"}, "OPTION_INVALID"),
        ({"name": "Dev Network"}, "OPTION_INVALID"),
    ],
)
def test_wrong_options_make_nothing(tmp_path: Path, options: dict[str, object], code: str) -> None:
    with pytest.raises(NodeError) as caught:
        create_network(tmp_path / "net", **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert not (tmp_path / "net").exists()


def test_a_network_is_made_once(tmp_path: Path) -> None:
    create_network(tmp_path / "net", storage="memory")
    before = {p: p.read_bytes() for p in (tmp_path / "net").rglob("*") if p.is_file()}
    with pytest.raises(NodeError) as caught:
        create_network(tmp_path / "net", storage="memory")
    assert caught.value.code == "NETWORK_EXISTS"
    assert {p: p.read_bytes() for p in (tmp_path / "net").rglob("*") if p.is_file()} == before
    with pytest.raises(NodeError) as caught:
        start_network(tmp_path / "elsewhere")
    assert caught.value.code == "NETWORK_NOT_FOUND"


def test_a_stale_pid_file_is_nobodys(network: NetworkProcess) -> None:
    (network.home / "node.pid").write_text(f"{os.getpid()}\n")
    assert find_process(network.home) is None
    assert not stop_process(network.home, grace_seconds=1)
    [state] = start_network(network.directory)
    assert find_process(network.home) == state.pid != os.getpid()
