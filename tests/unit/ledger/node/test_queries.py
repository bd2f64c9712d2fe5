# SPDX-License-Identifier: Apache-2.0
"""Answers with proofs, verified as the light client does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ledger.api.ports import ApiError
from ledger.model import schema
from ledger.model.block import Block, BlockHeader, Proposal
from ledger.model.codec import decode, encode
from ledger.model.genesis import genesis_header
from ledger.model.limits import (
    CHILDREN_PAGE_COUNT_MAX,
    STATE_KEY_SIZE_MAX,
    TRUST_PATH_COUNT_MAX,
)
from ledger.model.operations import ResourceType
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.records import ActiveSetRecord, ListRecord, MemberRecord, ReferenceRecord
from ledger.model.trust_path import decode_trust_step
from ledger.model.verification import (
    decode_certified_head,
    decode_proven_state,
    verify_children,
    verify_head,
    verify_proven_state,
)
from ledger.node import queries
from ledger.node.core import NodeCore
from ledger.node.queries import GET_KEYS_COUNT_MAX
from ledger.storage import layout
from ledger.storage.errors import CorruptionError
from ledger.storage.kv import WriteBatch
from tests.support.node_harness import NodeHarness

SCHEMAS = schema.resources_key(ResourceType.JSON_SCHEMA)


def run(tmp_path: Path, scenario: Callable[[NodeHarness, NodeCore], Awaitable[None]]) -> None:
    async def main() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            await scenario(harness, core)

    asyncio.run(main())


async def refusal(answer: Awaitable[object]) -> ReceiptCode | ApiReason:
    with pytest.raises(ApiError) as caught:
        await answer
    return caught.value.code


def test_values_and_absences_are_proven_at_one_height(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        await harness.submit(core, harness.transaction(1))
        keys = [schema.validators_key(), b"did\x00nobody", schema.resource_name_key("schema-1")]
        proven = decode_proven_state(await core.node.get_many(keys))
        state = verify_proven_state(proven, keys, harness.trust)
        assert state.values[keys[0]] == encode(ListRecord(child_count=1))
        assert state.values[keys[1]] is None
        assert state.values[keys[2]]
        assert state.head.height == core.driver.tip.height == 2

    run(tmp_path, scenario)


def test_pages_of_a_list_are_complete(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        empty = decode_proven_state(await core.node.list_children(SCHEMAS, 0, 10))
        assert verify_children(empty, SCHEMAS, 0, 10, harness.trust).values == {SCHEMAS: None}
        for number in range(5):
            await harness.submit(core, harness.transaction(number))
        found: list[str] = []
        for first, limit in ((0, 2), (2, 2), (4, 2), (6, 2)):
            proven = decode_proven_state(await core.node.list_children(SCHEMAS, first, limit))
            state = verify_children(proven, SCHEMAS, first, limit, harness.trust)
            found += [
                decode(ReferenceRecord, value).reference
                for key, value in state.values.items()
                if key != SCHEMAS and value is not None
            ]
        assert found == [f"schema-{number}" for number in range(5)]

    run(tmp_path, scenario)


def test_wrong_questions_are_refused(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        node = core.node
        many = [b"k\x00%d" % n for n in range(GET_KEYS_COUNT_MAX + 1)]
        assert await refusal(node.get_many(many)) is ReceiptCode.RESOURCE_LIMIT
        assert await refusal(node.get_many([])) is ReceiptCode.RESOURCE_LIMIT
        assert await refusal(node.get_many([b""])) is ReceiptCode.MALFORMED
        too_long = bytes(STATE_KEY_SIZE_MAX + 1)
        assert await refusal(node.get_many([too_long])) is ReceiptCode.MALFORMED
        assert await refusal(node.get_many([b"a\x00", b"a\x00"])) is ReceiptCode.MALFORMED
        page = CHILDREN_PAGE_COUNT_MAX + 1
        assert await refusal(node.list_children(SCHEMAS, 0, page)) is ReceiptCode.RESOURCE_LIMIT
        assert await refusal(node.list_children(SCHEMAS, 0, 0)) is ReceiptCode.RESOURCE_LIMIT
        assert await refusal(node.list_children(b"did\x00x", 0, 1)) is ReceiptCode.MALFORMED
        assert await refusal(node.list_children(b"nonsense", 0, 1)) is ReceiptCode.MALFORMED
        for height in (2, 2**63, 2**64 - 1):
            assert await refusal(node.get_block(height)) is ApiReason.HEIGHT_UNKNOWN
            assert await refusal(node.get_certified_head(height)) is ApiReason.HEIGHT_UNKNOWN
        assert core.driver.tip.height == 1

    run(tmp_path, scenario)


def test_an_answer_that_would_be_too_large_is_refused_with_the_remedy(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transactions = [harness.transaction(n, size=100_000) for n in range(24)]
        await harness.submit_all(core, transactions)
        keys = [
            schema.resource_key(harness.world.did("saqa"), harness.operation(n).resource_id)  # type: ignore[union-attr]
            for n in range(24)
        ]
        with pytest.raises(ApiError, match="ask for fewer") as caught:
            await core.node.get_many(keys)
        assert caught.value.code is ReceiptCode.RESOURCE_LIMIT
        proven = decode_proven_state(await core.node.get_many(keys[:12]))
        verify_proven_state(proven, keys[:12], harness.trust)

    run(tmp_path, scenario)


def test_blocks_and_heads_of_every_height(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        transaction = harness.transaction(1)
        await harness.submit(core, transaction)
        for height in (1, 2):
            head = decode_certified_head(await core.node.get_certified_head(height))
            assert verify_head(head, harness.trust).height == height
            block = await core.node.get_block(height)
            assert (block.header, block.certificate) == (head.header, head.certificate)
            content = decode(Block, decode(Proposal, block.proposal).block)
            assert content.header == block.header
            assert len(content.transactions) == len(block.receipts) == height - 1
        assert core.node.get_head() == await core.node.get_certified_head(2)
        genesis_block = await core.node.get_block(0)
        assert genesis_block.header == encode(genesis_header(harness.genesis))
        assert genesis_block.certificate == b""
        assert core.node.get_genesis()

    run(tmp_path, scenario)


def test_before_the_first_certificate_nothing_is_answered(tmp_path: Path) -> None:
    async def main() -> None:
        harness = NodeHarness(tmp_path)
        core = harness.make_core()
        assert await refusal(core.node.get_many([b"did\x00x"])) is ReceiptCode.NOT_READY
        await core.stop()

    asyncio.run(main())


def test_the_validators_in_the_state_are_those_of_genesis(tmp_path: Path) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        keys = [schema.active_set_key(), schema.validator_key("n1")]
        proven = decode_proven_state(await core.node.get_many(keys))
        values = verify_proven_state(proven, keys, harness.trust).values
        assert decode(ActiveSetRecord, values[keys[0]] or b"").ids == ("n1",)
        member = decode(MemberRecord, values[keys[1]] or b"")
        assert (member.validator,) == harness.genesis.validators

    run(tmp_path, scenario)


def test_nothing_is_served_before_a_block_is_certified(tmp_path: Path) -> None:
    async def main() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            assert core.driver.tip.height == 0
            with pytest.raises(ApiError) as caught:
                core.node.get_head()
            assert caught.value.code is ReceiptCode.NOT_READY
            assert await refusal(core.node.get_many([schema.validators_key()])) is (
                ReceiptCode.NOT_READY
            )
            await harness.until_height(core, 1)
            verify_head(decode_certified_head(core.node.get_head()), harness.trust)

    asyncio.run(main())


# Changes of the validators. What a real one looks like is in tests/integration/sdk.


def note_changes(harness: NodeHarness, *heights: int, header: bytes = b"") -> None:
    """As if these blocks named other validators; `header` replaces theirs."""
    batch = WriteBatch()
    for height in heights:
        batch.put(layout.numbered_key(layout.SET_CHANGE, height), b"")
        if header:
            batch.put(layout.numbered_key(layout.HEADER, height), header)
    harness.stores["chain"].write(batch, sync=True)


def test_a_trust_path_has_a_step_for_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        node = core.node
        for number in range(1, 5):
            await harness.submit(core, harness.transaction(number))
        assert list(await node.get_trust_path(0, 64)) == []
        note_changes(harness, 1, 3, 4)
        path = await node.get_trust_path(0, 64)
        steps = [decode_trust_step(step) for step in path]
        for step, height in zip(steps, (1, 3, 4), strict=True):
            assert encode(step.head) == await node.get_certified_head(height)
            assert step.next_validators == encode(harness.genesis.validator_set)
        assert list(await node.get_trust_path(1, 2)) == list(path[:2])
        assert list(await node.get_trust_path(2, 64)) == list(path[1:])
        assert list(await node.get_trust_path(2**64 - 1, 1)) == []
        monkeypatch.setattr(queries, "TRUST_PATH_SIZE_MAX", len(path[0]) + len(path[1]))
        assert list(await node.get_trust_path(0, 64)) == list(path[:2])
        monkeypatch.setattr(queries, "TRUST_PATH_SIZE_MAX", 1)
        assert list(await node.get_trust_path(0, 64)) == list(path[:1]), "one always fits"
        for count in (0, TRUST_PATH_COUNT_MAX + 1, 2**32 - 1):
            assert await refusal(node.get_trust_path(0, count)) is ReceiptCode.RESOURCE_LIMIT

    run(tmp_path, scenario)


@pytest.mark.parametrize("height", [1, 99])
def test_a_change_that_the_store_does_not_hold_is_damage(tmp_path: Path, height: int) -> None:
    """Of a block that is not there, or whose header names others than the state holds."""

    async def main() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            named = encode(BlockHeader(next_validators_hash=bytes(32)))
            note_changes(harness, height, header=named if height == 1 else b"")
            assert await refusal(core.node.get_trust_path(0, 1)) is ApiReason.INTERNAL

    with pytest.raises(CorruptionError):
        asyncio.run(main())
