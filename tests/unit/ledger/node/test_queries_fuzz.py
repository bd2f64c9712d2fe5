# SPDX-License-Identifier: Apache-2.0
"""No question, whatever its bytes, ends a node: mutated keys of everything that is stored."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from ledger.api.ports import ApiError
from ledger.model import schema
from ledger.model.limits import DID_SIZE_MAX, STATE_KEY_SIZE_MAX
from ledger.model.receipts import ReceiptCode
from ledger.model.verification import decode_proven_state, verify_children
from ledger.node.core import NodeCore
from ledger.storage import layout
from tests.support.node_harness import NodeHarness

ALLOWED = {ReceiptCode.MALFORMED, ReceiptCode.RESOURCE_LIMIT}
NUMBERS = (0, 1, 2, 2**31, 2**63, 2**64 - 1)


def stored_keys(harness: NodeHarness) -> list[bytes]:
    """Every key of the state, read from the store's own values."""
    prefix = layout.STATE
    keys = {
        value[3 : 3 + int.from_bytes(value[1:3], "big")]
        for _, value in harness.stores["chain"].iterate(prefix, prefix + b"\xff" * 80)
    }
    return sorted(keys)


def mutations(rng: random.Random, key: bytes, others: list[bytes]) -> list[bytes]:
    position = rng.randrange(len(key))
    other = rng.choice(others)
    namespace = rng.choice(sorted(schema.PARENT_COMPONENTS))
    rest = key.partition(b"\x00")[2]
    return [
        key,
        key + bytes(1),
        key + (0).to_bytes(8, "big"),
        key[:-1],
        key[:position],
        key[:position] + bytes((key[position] ^ 1 << rng.randrange(8),)) + key[position + 1 :],
        key[:position] + rng.randbytes(3) + key[position:],
        key[:position] + other[rng.randrange(len(other)) :],
        namespace + b"\x00" + rest,
        namespace + b"\x00" + len(rest).to_bytes(2, "big") + rest + bytes(8),
        rng.randbytes(rng.randrange(STATE_KEY_SIZE_MAX + 2)),
    ]


async def ask(core: NodeCore, rng: random.Random, key: bytes) -> None:
    first, limit = rng.choice(NUMBERS), rng.choice((0, 1, 3, 2**32 - 1))
    for answer in (
        core.node.get_many([key]),
        core.node.get_many([key, key + b"x"]),
        core.node.list_children(key, first, limit),
        core.node.get_transaction((key + bytes(32))[:32]),
        core.node.find_transaction(
            key.decode(errors="replace")[: DID_SIZE_MAX // 4], (key + bytes(16))[:16]
        ),
    ):
        [refused] = await asyncio.gather(answer, return_exceptions=True)
        if isinstance(refused, BaseException):
            assert isinstance(refused, ApiError), key
            assert refused.code in ALLOWED, key
    assert error_of_driver(core) is None, key


def error_of_driver(core: NodeCore) -> BaseException | None:
    driving = core._driving  # pyright: ignore[reportPrivateUsage]
    assert driving is not None
    return driving.exception() if driving.done() else None


@pytest.mark.parametrize("seed", range(3))
def test_mutated_keys_are_answered_or_refused(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            for number in range(3):
                await harness.submit(core, harness.transaction(number))
            keys = stored_keys(harness)
            namespaces = {key.partition(b"\x00")[0] for key in keys}
            assert {schema.RESOURCES, schema.ORGANISATIONS, schema.IDEMPOTENCY} <= namespaces
            for key in keys:
                for mutated in mutations(rng, key, keys):
                    await ask(core, rng, mutated)
            assert core.node.get_status().voting
            await harness.submit(core, harness.transaction(9))

    asyncio.run(scenario())


def test_the_key_of_a_child_is_no_parent(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            parents = [key for key in stored_keys(harness) if is_parent(key)]
            assert parents
            for parent in parents:
                proven = decode_proven_state(await core.node.list_children(parent, 0, 5))
                verify_children(proven, parent, 0, 5, harness.trust)
                with pytest.raises(ApiError) as caught:
                    await core.node.list_children(schema.child_key(parent, 0), 0, 5)
                assert caught.value.code is ReceiptCode.MALFORMED
            assert error_of_driver(core) is None

    asyncio.run(scenario())


def is_parent(key: bytes) -> bool:
    return key == schema.organisations_key() or key.startswith(b"grants-by-grantee\x00did")
