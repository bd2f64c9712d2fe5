# SPDX-License-Identifier: Apache-2.0
"""Validators that stand still for a while (SIGSTOP) and go on without knowing it."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.chaos import SERVICE_SECONDS_MAX, chaos_network, say
from tests.support.chaos_reads import LatestReader

pytestmark = pytest.mark.serial


def test_a_leader_that_stood_still_steps_down_and_serves_nothing_old_as_the_newest(
    tmp_path: Path,
) -> None:
    with chaos_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            paused = network.leader()
            before = network.status(paused)
            with LatestReader(network, paused) as reader:
                seen = max(receipt.height for receipt in stream.acknowledged)
                assert reader.read(reader.ask()).height >= seen
                moment = network.pause(paused)
                network.leader(other_than={paused})
                stream.wait_for_more(10)
                silence = stream.longest_silence(moment)
                say(f"silence after the leader stood still: {silence:.2f} s")
                assert silence < SERVICE_SECONDS_MAX
                newest = max(receipt.height for receipt in stream.acknowledged)
                # The first that it hears when it goes on, still in the belief that it leads.
                answer = reader.ask()
                network.resume(paused)
                said = reader.read(answer)
                say(f"the old leader answers: {said}; certified elsewhere: {newest}")
                assert said.height >= newest or said.error
            stream.wait_for_more(5)
        network.wait_for(lambda held: paused in held and held[paused].role == "follower")
        after = network.status(paused)
        assert before is not None
        assert after is not None
        assert after.term > before.term
        network.check(stream)


@pytest.mark.long
def test_what_was_sent_to_a_leader_that_stands_still_happens_once(tmp_path: Path) -> None:
    with chaos_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            paused = network.leader()
            told: list[str] = []
            with network.client(paused, timeout=timedelta(seconds=15)) as client:
                network.pause(paused)
                sending = threading.Thread(
                    target=lambda: told.append(network.try_write(client, "pending"))
                )
                sending.start()
                network.leader(other_than={paused})
                stream.wait_for_more(5)
                network.resume(paused)
                sending.join()
            say(f"the write sent to the old leader: {told}")
            assert told in (["applied"], ["unavailable"])
            network.complete(stream)
        network.check(stream)


@pytest.mark.long
def test_a_follower_that_stood_still_catches_up(tmp_path: Path) -> None:
    with chaos_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            paused = next(validator for validator in network.ids if validator != leader)
            moment = network.pause(paused)
            stream.wait_for_more(40)
            silence = stream.longest_silence(moment)
            say(f"silence after a follower stood still: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            network.resume(paused)
            stream.wait_for_more(5)
        network.check(stream)
