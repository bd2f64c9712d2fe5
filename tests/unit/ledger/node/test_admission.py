# SPDX-License-Identifier: Apache-2.0
"""What a node takes, what it refuses, and that a refusal leaves nothing behind.

Long because each way to be refused is tried here.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.api.ports import ApiError, Submitted, TransactionState
from ledger.model.codec import decode, encode
from ledger.model.keys import KeyRole, KeyType
from ledger.model.limits import TRANSACTION_SIZE_MAX
from ledger.model.operations import (
    AddSite,
    EndorseOrganisation,
    GrantAccreditation,
    KeyEntry,
    NewKey,
    PublishResource,
    ResourceType,
    RotateKey,
    Scope,
    Service,
    UpdateDid,
    UpdateStatusList,
)
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.transaction import Operation, Receipt, Transaction
from ledger.model.transaction_check import CheckedTransaction
from ledger.model.wire import EncodingError
from ledger.node.admission import CHECK_BATCH_BYTES_MAX, Authenticate, Authorise
from ledger.node.core import NodeCore
from ledger.state.context import OperationRefusedError
from tests.support.ledger_world import make_organisation
from tests.support.node_harness import JSON_SCHEMA_DIALECT, WAIT_MS, NodeHarness, replay, until


def run(tmp_path: Path, scenario: Callable[[NodeHarness, NodeCore], Awaitable[None]]) -> None:
    """Run a scenario against a node whose first block is certified; then check its chain."""

    async def main() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            await scenario(harness, core)
        replay(harness)

    asyncio.run(main())


async def refused(core: NodeCore, transaction: bytes) -> ApiError:
    """The refusal of a transaction, which leaves no trace."""
    before = core.driver.tip
    with pytest.raises(ApiError) as caught:
        await core.node.submit(transaction, wait_ms=WAIT_MS)
    assert core.driver.tip == before
    assert len(core.pool) == 0
    return caught.value


def bent(transaction: bytes, **changes: Any) -> bytes:
    return encode(replace(decode(Transaction, transaction), **changes))


def test_malformed_bytes_are_refused(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        good = harness.transaction(1)
        for bad in (b"", b"\xff" * 40, good[:-1], good + b"\x00"):
            assert (await refused(core, bad)).code is ReceiptCode.MALFORMED
        too_large = bytes(TRANSACTION_SIZE_MAX + 1)
        assert (await refused(core, too_large)).code is ReceiptCode.TOO_LARGE

    run(tmp_path, scenario)


def test_signatures_are_checked(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        good = harness.transaction(1)
        signature = decode(Transaction, good).signatures[0]
        flipped = bytes((signature[0] ^ 1,)) + signature[1:]
        for signatures, code in (
            ((flipped,), ReceiptCode.SIGNATURE_INVALID),
            ((), ReceiptCode.SIGNATURE_MISSING),
            ((signature, signature), ReceiptCode.SIGNATURE_EXTRA),
        ):
            assert (await refused(core, bent(good, signatures=signatures))).code is code

    run(tmp_path, scenario)


def test_another_chains_transaction_is_refused(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        other = harness.world.make_transaction(
            "saqa", harness.operation(1), chain_id="test:0000000000000000"
        )
        assert (await refused(core, other)).code is ReceiptCode.WRONG_CHAIN

    run(tmp_path, scenario)


def test_strangers_fill_no_blocks(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        world = harness.world
        world.organisations["stranger"] = make_organisation("stranger", network="test")
        unknown = world.make_transaction("stranger", harness.operation(1))
        assert (await refused(core, unknown)).code is ReceiptCode.AUTHOR_UNKNOWN
        impostor = make_organisation("saqa", network="test")
        own = world.organisations["stranger"].keys["ledger"]
        impostor.keys["ledger"] = own
        real_did = world.organisations["saqa"].did
        signer = replace(impostor.signer(), did=real_did)

        class Impostor:
            did = real_did
            keys = impostor.keys

            def signer(self, key: str) -> object:
                del key
                return signer

        world.organisations["impostor"] = Impostor()  # type: ignore[assignment]
        foreign_key = world.make_transaction("impostor", harness.operation(1))
        assert (await refused(core, foreign_key)).code is ReceiptCode.KEY_NOT_AUTHORISED

    run(tmp_path, scenario)


PERSONAL = "Thandi Sample 8001015009087"


def publish(harness: NodeHarness, name: str, **members: object) -> PublishResource:
    document = {"$schema": JSON_SCHEMA_DIALECT, "type": "object", **members}
    content = json.dumps(document, separators=(",", ":")).encode()
    operation = harness.world.publish("saqa", name, ResourceType.JSON_SCHEMA, content)
    assert isinstance(operation, PublishResource)
    return operation


def update_did(harness: NodeHarness, **changes: Any) -> UpdateDid:
    return UpdateDid(did=harness.world.did("saqa"), expected_version=1, **changes)


NOT_ADMISSIBLE: dict[str, tuple[Callable[[NodeHarness], Any], ReceiptCode]] = {
    "personal data in content": (
        lambda h: publish(h, "a", title=PERSONAL),
        ReceiptCode.PERSONAL_DATA,
    ),
    "control character": (
        lambda h: publish(h, "a", title="\u0001"),
        ReceiptCode.TEXT_NOT_ALLOWED,
    ),
    "no schema": (lambda h: publish(h, "a", type="array"), ReceiptCode.RESOURCE_CONTENT_INVALID),
    "no JSON": (
        lambda h: replace(publish(h, "a"), content=PERSONAL.encode()),
        ReceiptCode.RESOURCE_CONTENT_INVALID,
    ),
    "resource name": (
        lambda h: replace(publish(h, "a"), name="Thandi Sample"),
        ReceiptCode.FIELD_INVALID,
    ),
    "site name": (
        lambda h: AddSite(organisation=h.world.did("saqa"), code="S1", name="Thandi\u0007"),
        ReceiptCode.TEXT_NOT_ALLOWED,
    ),
    "personal data in a site name": (
        lambda h: AddSite(organisation=h.world.did("saqa"), code="S1", name=PERSONAL),
        ReceiptCode.PERSONAL_DATA,
    ),
    "site code": (
        lambda h: AddSite(organisation=h.world.did("saqa"), code="Thandi Sample", name="Here"),
        ReceiptCode.FIELD_INVALID,
    ),
    "scope": (
        lambda h: GrantAccreditation(
            grantee=h.world.did("saqa"), scope=Scope(designations=("Thandi Sample",))
        ),
        ReceiptCode.FIELD_INVALID,
    ),
    "service id": (
        lambda h: update_did(h, set_services=(Service("#Thandi", "PsetNode", "https://n.org"),)),
        ReceiptCode.FIELD_INVALID,
    ),
    "service endpoint": (
        lambda h: update_did(h, set_services=(Service("n", "PsetNode", "http://n.org/Thandi"),)),
        ReceiptCode.FIELD_INVALID,
    ),
    "service named twice": (
        lambda h: update_did(h, set_services=2 * (Service("n", "PsetNode", "https://n.org"),)),
        ReceiptCode.FIELD_INVALID,
    ),
    "name of no service": (
        lambda h: update_did(h, remove_services=("Thandi",)),
        ReceiptCode.SERVICE_UNKNOWN,
    ),
    "update without a change": (update_did, ReceiptCode.FIELD_INVALID),
    "key name": (
        lambda h: update_did(
            h, add_keys=(NewKey(KeyEntry("Thandi Sample", KeyRole.ISSUE, KeyType.ED25519)),)
        ),
        ReceiptCode.KEY_FORMAT,
    ),
    "no key": (lambda h: update_did(h, add_keys=(NewKey(),)), ReceiptCode.FIELD_INVALID),
    "point of a key": (
        lambda h: RotateKey(
            did=h.world.did("saqa"),
            new_key=NewKey(KeyEntry("new", KeyRole.LEDGER, KeyType.ED25519, bytes(32))),
        ),
        ReceiptCode.KEY_FORMAT,
    ),
    "request": (
        lambda _: EndorseOrganisation(request=PERSONAL.encode()),
        ReceiptCode.REQUEST_MALFORMED,
    ),
}


@pytest.mark.parametrize("name", NOT_ADMISSIBLE)
def test_what_no_block_should_hold_is_refused_before_it_is_queued(
    tmp_path: Path, name: str
) -> None:
    make, code = NOT_ADMISSIBLE[name]

    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transaction = harness.world.make_transaction(
            "saqa", make(harness), expires_at=harness.clock.now_ms + 1000
        )
        error = await refused(core, transaction)
        assert error.code is code
        assert "Thandi" not in error.text
        answers = await core.node.submit_many(
            [harness.transaction(1), transaction], wait_ms=WAIT_MS
        )
        assert isinstance(answers[0], Submitted)
        assert isinstance(answers[1], ApiError)
        for height in range(1, core.driver.tip.height + 1):
            assert b"Thandi" not in (await core.node.get_block(height)).proposal
        # A dry run stores nothing and gets execution's receipt.
        receipt = decode(Receipt, await core.node.dry_run(transaction))
        assert receipt.code >= 200

    run(tmp_path, scenario)


def test_an_expired_transaction_takes_no_room_in_a_block(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        operation = harness.operation(1)
        for expires_at in (harness.clock.now_ms, core.driver.tip.header.time + 1):
            late = harness.world.make_transaction("saqa", operation, expires_at=expires_at)
            assert (await refused(core, late)).code is ReceiptCode.EXPIRED
        timely = harness.world.make_transaction(
            "saqa", operation, expires_at=harness.clock.now_ms + 1000
        )
        assert (await harness.submit(core, timely)).receipt.code == ReceiptCode.APPLIED

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    "fault", [EncodingError("TOO_LARGE", "DidRecord", "large"), KeyError("bug")]
)
def test_one_bad_transaction_fails_alone(tmp_path: Path, fault: Exception) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        bad = harness.transaction(3)
        bad_id = harness.world.check(bad).transaction_id
        begin = core.admission.authenticator

        def begin_with_fault() -> Authenticate:
            authenticate = begin()

            def check(transaction: CheckedTransaction) -> Authorise:
                if transaction.transaction_id == bad_id:
                    raise fault
                return authenticate(transaction)

            return check

        core.admission.authenticator = begin_with_fault
        tasks = [core.node.submit(harness.transaction(n), wait_ms=0) for n in range(6)]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(answer, Submitted) for answer in answers] == [n != 3 for n in range(6)]
        if isinstance(fault, EncodingError):
            assert isinstance(answers[3], ApiError)
            assert answers[3].code is ApiReason.INTERNAL
        else:
            assert answers[3] is fault, "a bug is nobody's refusal"

    run(tmp_path, scenario)


def test_what_the_rule_refuses_comes_into_no_block(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        world = harness.world
        first = await harness.submit(core, harness.transaction(1))
        assert first.receipt.code == ReceiptCode.APPLIED

        def by_qcto(operation: Operation) -> bytes:
            return world.make_transaction("qcto", operation, expires_at=harness.clock.now_ms + 1000)

        taken = by_qcto(harness.operation(1))
        assert (await refused(core, taken)).code is ReceiptCode.RESOURCE_NAME_TAKEN
        no_power = by_qcto(world.endorsement(make_organisation("employer", network="test")))
        refusal = await refused(core, no_power)
        assert refusal.code is ReceiptCode.NOT_AUTHORISED
        assert "needs one of" in refusal.text
        # A dry run says what a block would say.
        receipt = decode(Receipt, await core.node.dry_run(no_power))
        assert receipt.code == ReceiptCode.NOT_AUTHORISED
        # What is not there yet may wait for its block; the block decides.
        unknown = UpdateStatusList(
            owner=world.did("qcto"), list_id=bytes(15) + b"\x01", base_version=1
        )
        assert (await harness.submit(core, by_qcto(unknown))).receipt.code >= 200

    run(tmp_path, scenario)


def test_a_repeat_is_answered_though_the_right_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        first = await harness.submit(core, harness.transaction(1))
        harness.clock.advance(5)
        repeat = harness.transaction(1)

        def refuse(*_: object) -> None:
            raise OperationRefusedError(ReceiptCode.NOT_AUTHORISED, "author")

        monkeypatch.setattr("ledger.node.admission_checks.authorise", refuse)
        assert (await harness.submit(core, repeat)).receipt == first.receipt
        assert (await refused(core, harness.transaction(2))).code is ReceiptCode.NOT_AUTHORISED

    run(tmp_path, scenario)


def test_a_known_transaction_gets_its_first_receipt_even_after_expiry(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transaction = harness.transaction(1)
        first = await harness.submit(core, transaction)
        harness.clock.advance(100_000_000)
        await harness.until_height(core, 3)
        again = await harness.submit(core, transaction)
        assert again == first
        accepted = await core.node.submit(transaction, wait_ms=0)
        assert accepted == Submitted(first.transaction_id, leader="n1")
        # The id covers the body; another signature under it asks for the same answer.
        garbled = bent(transaction, signatures=(bytes(64),))
        answer = await core.node.submit(garbled, wait_ms=WAIT_MS)
        assert answer.transaction_id == first.transaction_id

    run(tmp_path, scenario)


def test_submitting_twice_at_once_executes_once(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transaction = harness.transaction(1)
        answers = await harness.submit_all(core, [transaction] * 10)
        assert all(answer == answers[0] for answer in answers)

    run(tmp_path, scenario)


def test_a_transaction_certified_while_its_twin_is_checked_is_not_taken_again(
    tmp_path: Path,
) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transaction = harness.transaction(1)
        begun, released = threading.Event(), threading.Event()

        def hold() -> Authenticate:
            def check(_: CheckedTransaction) -> Authorise:
                begun.set()
                assert released.wait(10)
                return lambda: None

            return check

        with harness.holding_blocks(core):
            first = asyncio.ensure_future(harness.submit(core, transaction))
            await until(lambda: len(core.pool) == 1)
            core.admission.authenticator = hold
            twin = asyncio.ensure_future(harness.submit(core, transaction))
            await until(begun.is_set)
            harness.clock.advance(1000)
            verified = await first
            released.set()
        assert await twin == verified
        assert core.driver.tip.height == verified.receipt.height

    run(tmp_path, scenario)


def test_the_same_operation_again_gets_the_first_receipt(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        first = await harness.submit(core, harness.transaction(1))
        harness.clock.advance(5)
        # The same key and operation; another expiry makes another transaction.
        repeat = await harness.submit(core, harness.transaction(1))
        assert repeat.transaction_id != first.transaction_id
        assert repeat.is_repeat
        assert repeat.receipt == first.receipt
        state, proof = await core.node.get_transaction(repeat.transaction_id)
        assert state is TransactionState.CERTIFIED
        assert proof

    run(tmp_path, scenario)


def test_one_who_waits_no_longer_learns_that_it_is_pending(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transaction = harness.transaction(10)
        with harness.holding_blocks(core):
            with pytest.raises(ApiError) as caught:
                await core.node.submit(transaction, wait_ms=1)
            assert caught.value.code is ApiReason.PENDING
            transaction_id = (await core.node.submit(transaction, wait_ms=0)).transaction_id
            state, _ = await core.node.get_transaction(transaction_id)
            assert state is TransactionState.PENDING
        [answer] = await harness.submit_all(core, [transaction])
        assert answer.transaction_id == transaction_id
        assert (await core.node.get_transaction(transaction_id))[0] is TransactionState.CERTIFIED
        assert (await core.node.get_transaction(bytes(32)))[0] is TransactionState.UNKNOWN

    run(tmp_path, scenario)


def test_find_by_author_and_key_while_the_record_lives(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transaction = harness.transaction(1)
        verified = await harness.submit(core, transaction)
        body = harness.world.check(transaction).body
        found = await core.node.find_transaction(body.author, body.idempotency_key)
        assert found == await core.node.get_transaction(verified.transaction_id)
        other = await core.node.find_transaction(body.author, bytes(16))
        assert other == (TransactionState.UNKNOWN, b"")

    run(tmp_path, scenario)


def test_many_at_once_are_answered_in_their_order(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transactions = [harness.transaction(n) for n in range(6)]
        transactions[2] = b"no transaction"
        answers = await core.node.submit_many(transactions, wait_ms=WAIT_MS)
        for number, answer in enumerate(answers):
            if number == 2:
                assert isinstance(answer, ApiError)
                assert answer.code is ReceiptCode.MALFORMED
            else:
                assert isinstance(answer, Submitted)
                expected = harness.world.check(transactions[number]).transaction_id
                assert answer.transaction_id == expected
                assert answer.proof
        for wrong in ([], [b"x"] * 1001):
            with pytest.raises(ApiError) as caught:
                await core.node.submit_many(wrong, wait_ms=WAIT_MS)
            assert caught.value.code is ReceiptCode.RESOURCE_LIMIT

    run(tmp_path, scenario)


def test_a_full_queue_refuses_with_a_retry_delay(tmp_path: Path) -> None:
    async def main() -> None:
        harness = NodeHarness(tmp_path)
        # Three, and the one that seems to be checked while blocks are held.
        admission = replace(harness.config.admission, queue_count_max=4)
        harness.config = replace(harness.config, admission=admission)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            with harness.holding_blocks(core):
                before = core.driver.tip.height
                accepted = [
                    await core.node.submit(harness.transaction(n), wait_ms=0) for n in range(10, 13)
                ]
                with pytest.raises(ApiError) as caught:
                    await core.node.submit(harness.transaction(13), wait_ms=0)
                assert caught.value.code is ReceiptCode.OVERLOADED
                assert caught.value.retry_after_ms
                assert core.driver.tip.height == before
                refused_id = harness.world.check(harness.transaction(13)).transaction_id
                state, _ = await core.node.get_transaction(refused_id)
                assert state is TransactionState.UNKNOWN
        replay(harness)
        async with harness.running() as core:
            for submitted in accepted:
                state, _ = await core.node.get_transaction(submitted.transaction_id)
                assert state is TransactionState.CERTIFIED, "accepted before the stop"

    asyncio.run(main())


def test_too_many_checks_at_once_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        harness = NodeHarness(tmp_path)
        admission = replace(harness.config.admission, checks_count_max=4)
        harness.config = replace(harness.config, admission=admission)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            tasks = [
                asyncio.ensure_future(core.node.submit(harness.transaction(n), wait_ms=0))
                for n in range(20)
            ]
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            codes = {a.code for a in answers if isinstance(a, ApiError)}
            assert codes == {ReceiptCode.OVERLOADED}
            assert sum(isinstance(a, Submitted) for a in answers) >= 4
        replay(harness)

    asyncio.run(main())


def test_small_transactions_and_large_ones_are_checked_in_turns(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        large = [harness.transaction(n, size=30_000) for n in range(6)]
        small = [harness.transaction(n) for n in range(6, 8)]
        begun, released = threading.Event(), threading.Event()
        batches: list[list[int]] = []
        begin = core.admission.authenticator

        def note() -> Authenticate:
            authenticate = begin()
            batches.append([])

            def check(transaction: CheckedTransaction) -> Authorise:
                batches[-1].append(len(transaction.encoded))
                begun.set()
                assert released.wait(10)
                return authenticate(transaction)

            return check

        core.admission.authenticator = note
        first = asyncio.ensure_future(core.node.submit(large[0], wait_ms=0))
        await until(begun.is_set)
        others = [core.node.submit(t, wait_ms=0) for t in (*large[1:], *small)]
        tasks = [asyncio.ensure_future(other) for other in others]
        await asyncio.sleep(0)
        released.set()
        answers = await asyncio.gather(first, *tasks)
        assert all(isinstance(answer, Submitted) for answer in answers)
        assert batches[0] == [len(large[0])]
        assert batches[1] == [len(t) for t in small], "not behind all that came before"
        assert [size for batch in batches[2:] for size in batch] == [len(t) for t in large[1:]]
        assert all(len(batch) > 1 for batch in batches[2:-1])
        assert all(sum(batch) <= CHECK_BATCH_BYTES_MAX for batch in batches)

    run(tmp_path, scenario)


def test_dry_run_gives_the_receipt_and_changes_nothing(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transaction = harness.transaction(1)
        before = core.driver.tip
        receipt = decode(Receipt, await core.node.dry_run(transaction))
        assert receipt.code == ReceiptCode.APPLIED
        assert receipt.height == 2
        assert core.driver.tip == before
        assert (await harness.submit(core, transaction)).receipt.code == ReceiptCode.APPLIED
        again = decode(
            Receipt,
            await core.node.dry_run(
                harness.world.make_transaction(
                    "saqa", harness.operation(1), expires_at=harness.clock.now_ms + 1000
                )
            ),
        )
        assert again.code != ReceiptCode.APPLIED
        with pytest.raises(ApiError) as caught:
            await core.node.dry_run(b"no transaction")
        assert caught.value.code is ReceiptCode.MALFORMED

    run(tmp_path, scenario)
