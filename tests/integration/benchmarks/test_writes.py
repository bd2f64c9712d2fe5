# SPDX-License-Identifier: Apache-2.0
"""The load of the benchmark against a real node: every answer is a proven write."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from pathlib import Path

import pytest

from benchmarks.load import WriteClient, verify_round
from benchmarks.node_under_test import VALIDATOR, NodeUnderTest, run_node
from benchmarks.workloads.writes import Writer
from ledger.model.verification import ProofError

pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Generator[NodeUnderTest]:
    with run_node(tmp_path_factory.mktemp("benchmark")) as running:
        yield running


@pytest.fixture(scope="module")
def client(node: NodeUnderTest) -> WriteClient:
    return WriteClient(node.address, VALIDATOR, node.tls_root)


def test_every_write_of_a_round_is_certified(node: NodeUnderTest, client: WriteClient) -> None:
    writer = Writer(node, seed=1)
    verify_round(client.submit_all(writer.create_lists(4)).answers, node.trust)
    before = node.usage()
    for slots in (writer.publish(8, 2), writer.update_lists(4, 3)):
        done = client.submit_all(slots)
        assert len(done.answers) == len(done.latencies_s) == sum(len(slot) for slot in slots)
        assert verify_round(done.answers, node.trust)
        assert done.writes_per_second > 0
    after = node.usage()
    assert after.cpu_s > before.cpu_s
    assert after.written_bytes > before.written_bytes
    assert after.memory_bytes > 10 * 2**20


def test_an_answer_that_proves_something_else_is_no_write(
    node: NodeUnderTest, client: WriteClient
) -> None:
    writer = Writer(node, seed=2)
    (one, proof), (other, _) = client.submit_all(writer.publish(1, 2)).answers
    verify_round([(one, proof)], node.trust)
    with pytest.raises(ProofError):
        verify_round([(other, proof)], node.trust)
    with pytest.raises(ProofError):
        verify_round([(one, proof[:-1] + bytes((proof[-1] ^ 1,)))], node.trust)


def test_a_refused_write_stops_the_benchmark(node: NodeUnderTest, client: WriteClient) -> None:
    writer = Writer(node, seed=3)
    operation = writer.publish(1, 1)[0][0].body.operation
    assert operation is not None
    taken = writer.sign(dataclasses.replace(operation))
    again = writer.sign(operation)
    answers = client.submit_all([[taken, again]]).answers
    with pytest.raises(AssertionError, match="refused"):
        verify_round(answers, node.trust)


def test_nothing_is_left_of_the_network(tmp_path: Path) -> None:
    with run_node(tmp_path) as running:
        assert (Path("/proc") / str(running.pid)).exists()
    assert list(tmp_path.iterdir()) == []
    assert not (Path("/proc") / str(running.pid)).exists()
