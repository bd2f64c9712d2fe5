# SPDX-License-Identifier: Apache-2.0
"""Four validators of the byzantine fault model: one may fail, with two nothing is certified."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaos import SERVICE_SECONDS_MAX, chaos_network, say

pytestmark = [pytest.mark.serial, pytest.mark.long]


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_one_of_four_is_killed_and_writes_go_on(tmp_path: Path, role: str) -> None:
    with chaos_network(tmp_path, nodes=4, fault_model="byzantine") as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            follower = next(validator for validator in network.ids if validator != leader)
            killed = leader if role == "leader" else follower
            moment = network.kill(killed)
            stream.wait_for_more(10)
            silence = stream.longest_silence(moment)
            say(f"silence after the {role} was killed: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            network.start(killed)
            stream.wait_for_more(5)
        network.check(stream)


@pytest.mark.parametrize("isolated_role", ["leader", "follower"])
def test_one_of_four_is_cut_off_and_one_killed_and_nothing_is_certified(
    tmp_path: Path, isolated_role: str
) -> None:
    with chaos_network(tmp_path, nodes=4, fault_model="byzantine") as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            followers = [validator for validator in network.ids if validator != leader]
            isolated = leader if isolated_role == "leader" else followers[0]
            network.cut_off(isolated)
            network.leader(other_than={isolated})
            stream.wait_for_more(3)
            network.kill(followers[1])
            # Two are together, one is alone: none of them finds the three that are needed.
            network.wait_for(lambda held: all(not row.leader for row in held.values()))
            told = network.check_nothing_is_certified(stream)
            assert told.code == "NO_QUORUM", (told.code, told.text)
            assert "no quorum: 0 of 4 validators vote, 3 are needed" in told.text
            back = network.start(followers[1])
            seconds = stream.first_answer_after(back)
            say(f"service after three were together again: {seconds:.2f} s")
            assert seconds < SERVICE_SECONDS_MAX
            network.complete(stream)
            network.heal()
            stream.wait_for_more(5)
        network.check(stream)
