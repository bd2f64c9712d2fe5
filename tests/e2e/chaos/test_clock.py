# SPDX-License-Identifier: Apache-2.0
"""Clocks that are wrong, and certificates of TLS that have expired."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.node.tls import LEAF_LIFETIME
from sdk.results import BlockSummary
from tests.support.chaos import SERVICE_SECONDS_MAX, Stream, say
from tests.support.chaos_clock import clock_network

pytestmark = [pytest.mark.serial, pytest.mark.long]

HOUR = timedelta(hours=1)
EXPIRED = LEAF_LIFETIME + timedelta(days=1)
CLOCK_TOLERANCE = timedelta(seconds=15)
"""Between a block's time and when its writes were answered, on a machine with much to do."""


def check_times(chain: dict[int, BlockSummary], stream: Stream) -> None:
    """Every block that holds an acknowledged write has the time at which it was made."""
    offset = time.time() - time.monotonic()
    for writer in stream.writers:
        for receipt, at in zip(writer.acknowledged, writer.answered_at, strict=True):
            answered = datetime.fromtimestamp(offset + at, UTC)
            assert abs(chain[receipt.height].time - answered) < CLOCK_TOLERANCE, receipt


@pytest.mark.parametrize("ahead", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_the_clock_of_the_leader_jumps_and_another_leads(tmp_path: Path, ahead: timedelta) -> None:
    with clock_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            network.set_ahead(leader, ahead)
            moment = time.monotonic()
            network.leader(other_than={leader})
            stream.wait_for_more(10)
            silence = stream.longest_silence(moment)
            say(f"silence after the leader's clock jumped: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            network.set_ahead(leader, timedelta(0))
            stream.wait_for_more(5)
        check_times(network.check(stream), stream)


@pytest.mark.parametrize(
    "ahead",
    [
        timedelta(minutes=5),
        HOUR,
    ],
    ids=["5 minutes", "an hour"],
)
def test_blocks_of_a_validator_that_was_started_in_the_future_are_refused(
    tmp_path: Path, ahead: timedelta
) -> None:
    with clock_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            wrong = next(validator for validator in network.ids if validator != leader)
            network.kill(wrong)
            network.set_ahead(wrong, ahead)
            network.start(wrong)
            network.wait_for(lambda held: wrong in held and held[wrong].leader == leader)
            moment = time.monotonic()
            network.lead(wrong)
            stream.wait_for_more(20)
            silence = stream.longest_silence(moment)
            say(f"silence around a leader from the future: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            logs = [
                (network.home(validator) / "logs" / "node.log").read_text()
                for validator in network.ids
                if validator != wrong
            ]
            said = [
                line
                for log in logs
                for line in log.splitlines()
                # Its block, or that it calls expired what is not.
                if f"refused from={wrong}" in line
                and ("is ahead of this machine's clock" in line or "by its clock" in line)
            ]
            say(f"refused: {said[:1]}")
            assert said
            network.kill(wrong)
            network.set_ahead(wrong, timedelta(0))
            network.start(wrong)
            stream.wait_for_more(5)
        check_times(network.check(stream), stream)


def test_a_validator_whose_clock_is_a_month_ahead_stops_nobody_and_comes_back(
    tmp_path: Path,
) -> None:
    with clock_network(tmp_path) as network:
        with network.writing() as stream:
            stream.wait_for_more(5)
            leader = network.leader()
            wrong = next(validator for validator in network.ids if validator != leader)
            network.set_ahead(wrong, EXPIRED)
            # New connections, with certificates of two calendars.
            network.cut_off(wrong)
            network.heal()
            moment = time.monotonic()
            stream.wait_for_more(20)
            silence = stream.longest_silence(moment)
            say(f"silence beside a clock that is a month ahead: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            network.set_ahead(wrong, timedelta(0))
            stream.wait_for_more(5)
        check_times(network.check(stream), stream)


def test_certificates_of_tls_that_expired_in_running_validators_stop_nothing(
    tmp_path: Path,
) -> None:
    """A month passes while they run: each has only the leaf it began with, which is expired now."""
    with clock_network(tmp_path, age=EXPIRED + timedelta(hours=1)) as network:
        for validator in network.ids:
            network.set_ahead(validator, -EXPIRED, slept=-EXPIRED)
        network.start()
        network.wait_until_all_vote()
        for validator in network.ids:
            network.set_ahead(validator, timedelta(0))
        network.wait_until_all_vote()
        with network.writing() as stream:
            stream.wait_for_more(5)
            killed = network.leader()
            moment = network.kill(killed)
            stream.wait_for_more(5)
            silence = stream.longest_silence(moment)
            say(f"silence after the leader was killed a month later: {silence:.2f} s")
            assert silence < SERVICE_SECONDS_MAX
            # The others have not been started anew: it connects to who began a month ago.
            network.start(killed)
            stream.wait_for_more(5)
        network.check(stream)
