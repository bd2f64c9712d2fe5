# SPDX-License-Identifier: Apache-2.0
"""A validator whose disk is full stops and says why; the others go on, and it comes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ledger.node.process import read_output
from ledger.storage.errors import EXIT_UNAVAILABLE
from tests.support.chaos import SERVICE_SECONDS_MAX, ChaosNetwork, Stream, chaos_network, say
from tests.support.chaos_disk import limit_files, small_disk_network

pytestmark = [pytest.mark.serial, pytest.mark.long]


def check_stopped_and_the_others_go_on(
    network: ChaosNetwork, stream: Stream, validator: str, moment: float
) -> None:
    exit_code = network.returned(validator)
    said = read_output(network.home(validator))
    say(f"exit code {exit_code}: {said}")
    assert exit_code == EXIT_UNAVAILABLE
    assert "STORAGE_IO: " in said
    assert "Check that the disk has space" in said
    log = (network.home(validator) / "logs" / "node.log").read_text()
    assert "CRITICAL ledger.node.main stopped code=STORAGE_IO" in log
    network.leader(other_than={validator})
    stream.wait_for_more(10)
    silence = stream.longest_silence(moment)
    say(f"silence after the disk was full: {silence:.2f} s")
    assert silence < SERVICE_SECONDS_MAX


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_the_disk_of_a_validator_is_full(tmp_path: Path, role: str) -> None:
    with small_disk_network(tmp_path) as (network, disks):
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            follower = next(validator for validator in network.ids if validator != leader)
            full = leader if role == "leader" else follower
            disks.fill(full)
            moment = time.monotonic()
            check_stopped_and_the_others_go_on(network, stream, full, moment)
            disks.make_room(full)
            network.start(full)
            stream.wait_for_more(5)
        network.check(stream)


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_the_files_of_a_validator_may_grow_no_more(tmp_path: Path, role: str) -> None:
    with chaos_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            follower = next(validator for validator in network.ids if validator != leader)
            full = leader if role == "leader" else follower
            limit_files(network, full)
            moment = time.monotonic()
            check_stopped_and_the_others_go_on(network, stream, full, moment)
            network.start(full)
            stream.wait_for_more(5)
        network.check(stream)
