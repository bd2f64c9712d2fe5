# SPDX-License-Identifier: Apache-2.0
"""Validators that come and go while others write, stop, and disagree about when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ledger.api.ports import ApiError
from ledger.model.operations import RemoveValidator
from ledger.model.receipts import ReceiptCode
from tests.support.member_cluster import MemberCluster


def run(cluster: MemberCluster, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with cluster.running():
            await story()

    asyncio.run(main())


def test_one_comes_and_the_first_may_fail_and_one_goes(tmp_path: Path) -> None:
    cluster = MemberCluster(tmp_path, 3)

    async def story() -> None:
        await cluster.write()
        await cluster.admit("n4")
        assert cluster.active("n1") == ("n1", "n2", "n3")
        await cluster.activate("n4")
        assert cluster.active("n1") == ("n1", "n2", "n3", "n4")
        await cluster.stop("n1")
        await cluster.write(at="n4")
        cluster.start("n1")
        await cluster.remove("n2", at="n3")
        await cluster.write(at="n4")
        assert cluster.active("n4") == ("n1", "n3", "n4")
        await cluster.check_all_agree()

    run(cluster, story)


def test_of_two_changes_at_once_the_second_is_told_to_wait(tmp_path: Path) -> None:
    cluster = MemberCluster(tmp_path, 3)

    async def story() -> None:
        await cluster.admit("n4")
        await cluster.admit("n5")
        newest = cluster.height()
        await cluster.until(lambda: cluster.height("n4", "n5") >= newest)
        answers = await asyncio.gather(
            cluster.submit(cluster.activation("n4")), cluster.submit(cluster.activation("n5"))
        )
        assert {code for code, _ in answers} == {ReceiptCode.APPLIED, ReceiptCode.CHANGE_PENDING}
        [changed] = [height for code, height in answers if code is ReceiptCode.APPLIED]
        await cluster.until(lambda: cluster.height() >= changed + 1)
        assert len(cluster.active("n1")) == 4
        second = ({"n4", "n5"} - set(cluster.active("n1"))).pop()
        await cluster.activate(second)
        assert cluster.active("n1") == ("n1", "n2", "n3", "n4", "n5")
        await cluster.check_all_agree()

    run(cluster, story)


def test_a_leader_is_removed_while_it_leads(tmp_path: Path) -> None:
    cluster = MemberCluster(tmp_path, 3)

    async def story() -> None:
        await cluster.write()
        removed = cluster.leader()
        other = next(name for name in cluster.names if name != removed)
        await cluster.remove(removed, at=other)
        await cluster.write(at=other)
        assert cluster.leader() in {*cluster.names} - {removed}
        assert removed not in cluster.active(other)
        await cluster.check_all_agree()

    run(cluster, story)


def test_a_newcomer_restarts_before_its_admission_and_as_a_learner(tmp_path: Path) -> None:
    cluster = MemberCluster(tmp_path, 3)

    async def story() -> None:
        core = cluster.start("n4")
        assert core.driver.role == "observer"
        assert "not admitted" in core.driver.no_vote_reason
        await cluster.stop("n4")
        cluster.start("n4")
        await cluster.admit("n4")
        await cluster.stop("n4")
        for _ in range(3):
            await cluster.write()
        core = cluster.start("n4")
        assert core.driver.role == "learner"
        await cluster.until(lambda: core.driver.tip.height >= cluster.height("n1"))
        await cluster.activate("n4")
        await cluster.stop("n4")
        core = cluster.start("n4")
        await cluster.until(lambda: core.driver.leader)
        assert core.driver.no_vote_reason == ""
        await cluster.stop("n3")
        await cluster.write(at="n4")
        await cluster.check_all_agree()

    run(cluster, story)


def test_a_validator_is_activated_while_the_leader_changes(tmp_path: Path) -> None:
    cluster = MemberCluster(tmp_path, 3)

    async def story() -> None:
        await cluster.admit("n4")
        lost = cluster.leader()
        other = next(name for name in cluster.names if name != lost)
        activating = asyncio.create_task(cluster.submit(cluster.activation("n4"), at=other))
        await asyncio.sleep(0)
        cluster.cut.add(lost)
        code, height = await activating
        assert code is ReceiptCode.APPLIED
        left = {*cluster.names, "n4"} - {lost}
        await cluster.until(lambda: cluster.height(*left) >= height + 1)
        assert "n4" in cluster.active(other)
        # Three of four: exactly a quorum.
        await cluster.write(at="n4")
        cluster.heal()
        await cluster.check_all_agree()

    run(cluster, story)


def test_four_that_may_lie_become_five_and_one_is_replaced(tmp_path: Path) -> None:
    cluster = MemberCluster(tmp_path, 4, fault_model="byzantine")

    async def story() -> None:
        with_four = await cluster.submit(RemoveValidator("n2"))
        assert with_four[0] is ReceiptCode.WOULD_LOSE_QUORUM
        await cluster.admit("n5")
        await cluster.activate("n5")
        await cluster.admit("n6")
        await cluster.activate("n6", replaces="n1")
        assert cluster.active("n2") == ("n2", "n3", "n4", "n5", "n6")
        await cluster.stop("n2")
        await cluster.write(at="n6")
        await cluster.check_all_agree()

    run(cluster, story)


def test_a_learner_that_is_removed_ends_without_waiting_for_blocks(tmp_path: Path) -> None:
    cluster = MemberCluster(tmp_path, 3)

    async def story() -> None:
        await cluster.admit("n4")
        height = cluster.height("n1")
        await cluster.remove("n4")
        # No block was needed but the one that removes it.
        assert cluster.height("n1") == height + 1
        await cluster.check_all_agree()

    run(cluster, story)


@pytest.mark.parametrize("is_leader", [True, False])
def test_of_two_one_is_removed_and_the_other_goes_on_alone(tmp_path: Path, is_leader: bool) -> None:
    cluster = MemberCluster(tmp_path, 2)

    async def story() -> None:
        await cluster.write()
        leader = cluster.leader()
        removed = next(name for name in cluster.names if (name == leader) is is_leader)
        [left] = {*cluster.names} - {removed}
        await cluster.remove(removed, at=left)
        await cluster.write()
        await cluster.stop(left)
        cluster.start(left)
        await cluster.write()
        assert cluster.active(left) == (left,)

    run(cluster, story)


@pytest.mark.parametrize("is_leader_asked", [True, False])
def test_what_would_leave_too_few_that_answer_never_comes_into_a_block(
    tmp_path: Path, is_leader_asked: bool
) -> None:
    cluster = MemberCluster(tmp_path, 3)

    async def story() -> None:
        await cluster.write()
        leader = cluster.leader()
        silent, kept = (name for name in cluster.names if name != leader)
        await cluster.stop(silent)
        await cluster.check_all_agree()
        before = cluster.cores[kept].driver.tip
        with pytest.raises(ApiError) as caught:
            await cluster.submit(RemoveValidator(kept), at=leader if is_leader_asked else kept)
        assert caught.value.code is ReceiptCode.WOULD_LOSE_QUORUM
        assert caught.value.text == "1 of the 2 that stay answer, 2 are needed"
        assert cluster.cores[kept].driver.tip == before
        # The one that does not answer may go, and two of two go on.
        await cluster.remove(silent, at=kept)
        await cluster.write(at=leader)
        assert len(cluster.active(kept)) == 2

    run(cluster, story)
