# SPDX-License-Identifier: Apache-2.0
"""kill -9 of validators while clients write: the leader, a follower, a quorum, everybody in turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.chaos import SERVICE_SECONDS_MAX, chaos_network, check_chain, say, seeded

pytestmark = pytest.mark.serial

STORM_SEEDS = (1, 2)
STORM_KILLS_EACH = 4


@pytest.mark.long
@pytest.mark.parametrize("role", ["leader", "follower"])
def test_one_validator_is_killed_and_writes_go_on(tmp_path: Path, role: str) -> None:
    with chaos_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(10)
            leader = network.leader()
            follower = next(v for v in network.ids if v != leader)
            killed = leader if role == "leader" else follower
            moment = network.kill(killed)
            stream.wait_for_more(20)
            silence = stream.longest_silence(moment)
            say(f"silence after the {role} was killed: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            network.start(killed)
            stream.wait_for_more(5)
        network.check(stream)


@pytest.mark.long
def test_without_followers_nothing_is_certified_until_a_quorum_is_back(tmp_path: Path) -> None:
    with chaos_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            followers = [validator for validator in network.ids if validator != leader]
            network.kill(*followers)
            network.check_no_quorum(stream, answering=1)
            back = network.start(followers[0])
            seconds = stream.first_answer_after(back)
            say(f"service after the quorum was back: {seconds:.2f} s")
            assert seconds < SERVICE_SECONDS_MAX
            network.complete(stream)
            network.start(followers[1])
            stream.wait_for_more(5)
        network.check(stream)


@pytest.mark.parametrize(
    ("seed", "kills_each"),
    [
        (0, 2),
        *(pytest.param(seed, STORM_KILLS_EACH, marks=pytest.mark.long) for seed in STORM_SEEDS),
    ],
)
def test_every_validator_is_killed_again_and_again(
    tmp_path: Path, seed: int, kills_each: int
) -> None:
    random = seeded(seed)
    with chaos_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(3)
            order = [validator for validator in network.ids for _ in range(kills_each)]
            random.shuffle(order)
            down: set[str] = set()
            for validator in order:
                # One that is just coming up may be hit before it is there.
                network.launch(validator)
                network.kill(validator)
                down.add(validator)
                has_quorum = len(network.ids) - len(down) >= network.needed
                if has_quorum and random.random() < 0.5:
                    stream.wait_for_more(1 + random.randrange(4))
                if not has_quorum or random.random() < 0.5:
                    back = random.choice(sorted(down))
                    network.launch(back)
                    down.discard(back)
            moment = network.start()
            seconds = stream.first_answer_after(moment)
            say(f"service after the storm: {seconds:.2f} s")
            assert seconds < SERVICE_SECONDS_MAX
            stream.wait_for_more(3)
        network.check(stream)


@pytest.mark.long
def test_a_write_that_is_missing_or_was_not_asked_for_is_noticed(tmp_path: Path) -> None:
    """The checks themselves: of these two streams neither is the one that was written."""
    with chaos_network(tmp_path, nodes=1) as network:
        with network.writing() as stream:
            stream.wait_for_more(3)
        chain = network.check(stream)
        writer = stream.writers[0]
        last = writer.acknowledged.pop()
        with pytest.raises(AssertionError, match="applied, not acknowledged"):
            check_chain(chain, stream)
        writer.acknowledged.append(replace(last, height=last.height - 1))
        with pytest.raises(AssertionError, match="lost"):
            check_chain(chain, stream)
        writer.acknowledged[-1] = replace(last, transaction_id="00" * 32)
        with pytest.raises(AssertionError, match="lost"):
            check_chain(chain, stream)
