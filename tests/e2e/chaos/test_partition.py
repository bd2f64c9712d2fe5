# SPDX-License-Identifier: Apache-2.0
"""Networks that fall apart: packets lost between network namespaces, and links cut by the nodes
themselves where namespaces are not permitted.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.chaos import SERVICE_SECONDS_MAX, chaos_network, say
from tests.support.chaos_namespaces import namespace_network

pytestmark = [pytest.mark.serial, pytest.mark.long]


@pytest.mark.parametrize("direction", ["both", "from the leader", "to the leader"])
def test_packets_to_or_from_the_leader_are_lost_and_another_leads(
    tmp_path: Path, direction: str
) -> None:
    with namespace_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            others = [validator for validator in network.ids if validator != leader]
            for other in others:
                if direction != "to the leader":
                    network.lose(leader, other)
                if direction != "from the leader":
                    network.lose(other, leader)
            moment = time.monotonic()
            network.leader(other_than={leader})
            stream.wait_for_more(10)
            silence = stream.longest_silence(moment)
            say(f"silence after packets were lost ({direction}): {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            network.wait_for(lambda held: leader in held and held[leader].role != "leader")
            network.join()
            stream.wait_for_more(5)
        network.check(stream)


def test_a_minority_certifies_nothing_and_the_majority_goes_on(tmp_path: Path) -> None:
    with namespace_network(tmp_path, nodes=5) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            rest = [validator for validator in network.ids if validator != leader]
            minority, majority = (leader, rest[0]), tuple(rest[1:])
            network.split(minority, majority)
            moment = time.monotonic()
            network.leader(other_than=set(minority))
            stream.wait_for_more(10)
            silence = stream.longest_silence(moment)
            say(f"silence after the leader was left with a minority: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            heights = {validator: network.height(validator) for validator in minority}
            stream.wait_for_more(10)
            assert heights == {validator: network.height(validator) for validator in minority}
            network.join()
            stream.wait_for_more(5)
        network.check(stream)


def test_without_any_majority_nothing_is_certified_until_the_network_is_whole(
    tmp_path: Path,
) -> None:
    with namespace_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            network.split(*((validator,) for validator in network.ids))
            network.wait_for(lambda held: all(not row.leader for row in held.values()))
            told = network.check_nothing_is_certified(stream)
            assert told.code == "NO_QUORUM", (told.code, told.text)
            network.join()
            whole = time.monotonic()
            seconds = stream.first_answer_after(whole)
            say(f"service after the network was whole: {seconds:.2f} s")
            assert seconds < SERVICE_SECONDS_MAX
            network.complete(stream)
        network.check(stream)


@pytest.mark.parametrize("who", ["leader", "follower"])
def test_a_validator_is_cut_off_by_its_own_links(tmp_path: Path, who: str) -> None:
    with chaos_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            other = next(validator for validator in network.ids if validator != leader)
            alone = leader if who == "leader" else other
            moment = network.cut_off(alone)
            network.leader(other_than={alone})
            stream.wait_for_more(10)
            silence = stream.longest_silence(moment)
            say(f"silence after the {who} was cut off: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            network.heal()
            stream.wait_for_more(5)
        network.check(stream)


def test_five_validators_are_cut_in_two_and_three_and_meet_again(tmp_path: Path) -> None:
    with chaos_network(tmp_path, nodes=5) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            other = next(validator for validator in network.ids if validator != leader)
            moment = network.cut_off(leader, other)
            network.leader(other_than={leader, other})
            stream.wait_for_more(10)
            silence = stream.longest_silence(moment)
            say(f"silence after the leader was cut off with a minority: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            network.heal()
            stream.wait_for_more(5)
        network.check(stream)
