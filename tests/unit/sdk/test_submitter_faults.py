# SPDX-License-Identifier: Apache-2.0
"""Writes when a node lies, breaks or is silent: what is believed, and what the caller is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.model.codec import decode, encode
from ledger.model.proofs import TransactionProof
from ledger.model.receipts import CODE_TEXTS, ReceiptCode
from ledger.model.transaction import Receipt as ModelReceipt
from sdk.aio_client import LedgerClient
from sdk.errors import (
    RefusedError,
    TrustError,
    UnavailableError,
)
from sdk.node_api import CallFault, NodeCallError
from sdk.operations import (
    AddSite,
    GrantAccreditation,
)
from sdk.results import Receipt
from tests.support.certified_world import (
    CertifiedWorld,
    FakeNode,
    make_client,
)
from tests.support.message_mutations import encoded_mutations

KEY = bytes(range(16))


@pytest.fixture
def world() -> CertifiedWorld:
    return CertifiedWorld()


@pytest.fixture
def node(world: CertifiedWorld) -> FakeNode:
    return FakeNode(world)


@pytest.fixture
def client(world: CertifiedWorld, node: FakeNode, tmp_path: Path) -> LedgerClient:
    return make_client(world, tmp_path, org="qcto", nodes=[node])


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


def site(world: CertifiedWorld, code: str = "1") -> AddSite:
    return AddSite(world.did("qcto"), code, "Sample site", "GP")


def bad_grant(world: CertifiedWorld) -> GrantAccreditation:
    return GrantAccreditation(world.did("qcto"), ["train"], date(2026, 1, 1), None)


def all_of(receipts: AsyncIterator[Receipt]) -> list[Receipt]:
    async def collect() -> list[Receipt]:
        return [receipt async for receipt in receipts]

    return asyncio.run(collect())


# Lies and silence --------------------------------------------------------------------------------


def test_no_mutation_of_a_receipts_proof_is_accepted(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    receipt = run(client.submit(site(world)))
    height, index = world.places[bytes.fromhex(receipt.transaction_id)]
    honest = world.chain.prove_transaction(index, height)

    async def main() -> int:
        tried = 0
        for answer in (b"", *encoded_mutations(honest)):
            node.bends["get_transaction"] = lambda _, answer=answer: answer  # type: ignore[misc]
            tried += 1
            with pytest.raises(TrustError):
                await client.transaction(receipt.transaction_id)
        return tried

    assert asyncio.run(main()) > 30


def test_a_forged_receipt_is_refused(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    """The node turns a refusal into a success."""

    def forge(answer: bytes) -> bytes:
        proof = decode(TransactionProof, answer)
        receipt = decode(ModelReceipt, proof.receipt)
        return encode(replace(proof, receipt=encode(replace(receipt, code=1, results=()))))

    node.bends["submit"] = forge
    with pytest.raises(TrustError) as caught:
        run(client.submit(bad_grant(world)))
    assert caught.value.code == "NODE_LIED"
    assert caught.value.transaction_id
    assert caught.value.evidence.is_file()


def test_another_writes_receipt_is_refused(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    first = run(client.submit(site(world), idempotency_key=KEY))
    height, index = world.places[bytes.fromhex(first.transaction_id)]
    other = encode(world.chain.prove_transaction(index, height))
    node.bends["submit"] = lambda _: other
    with pytest.raises(TrustError):
        run(client.submit(bad_grant(world)))
    node.bends["get_transaction"] = lambda _: other
    node.world.places[b"\x01" * 32] = (height, index)
    with pytest.raises(TrustError):
        run(client.transaction(b"\x01" * 32))
    # The first write's proof for another organisation's key: neither author nor key is right.
    node.found_by_key = b"\x01" * 32
    other_org = make_client(world, client.network.directory.parent, org="saqa", nodes=[node])
    with pytest.raises(TrustError):
        run(other_org.transaction(KEY))
    with pytest.raises(TrustError):
        run(client.transaction(bytes(15) + b"\x01"))
    assert run(client.transaction(KEY)).receipt == first


def faults(kind: CallFault, count: int = 1000) -> list[NodeCallError]:
    return [NodeCallError(kind, f"{kind.value} on purpose")] * count


@pytest.mark.parametrize(
    ("kind", "code", "phase"),
    [
        (CallFault.UNREACHABLE, "NOT_REACHABLE", "not-sent"),
        (CallFault.BUSY, "BUSY", "not-sent"),
        (CallFault.BROKEN, "NO_ANSWER", "unknown"),
        (CallFault.NODE_FAULT, "NODE_FAULT", "unknown"),
        (CallFault.PENDING, "PENDING", "pending"),
    ],
)
def test_no_answer_says_what_is_known_of_the_write(
    world: CertifiedWorld,
    node: FakeNode,
    tmp_path: Path,
    kind: CallFault,
    code: str,
    phase: str,
) -> None:
    client = make_client(
        world, tmp_path, org="qcto", nodes=[node], timeout=timedelta(milliseconds=150)
    )
    assert run(client.acting_did())
    operation = site(world)

    async def main() -> None:
        await client.dry_run(operation)  # who acts is known now
        node.faults = faults(kind)
        await client.submit(operation)

    with pytest.raises(UnavailableError) as caught:
        asyncio.run(main())
    error = caught.value
    assert (error.code, error.phase, error.retryable) == (code, phase, True)
    assert error.remedy
    assert error.transaction_id
    assert len(error.transaction_id) == 64


def test_what_may_have_arrived_is_not_forgotten_by_a_later_fault(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path
) -> None:
    client = make_client(
        world, tmp_path, org="qcto", nodes=[node], timeout=timedelta(milliseconds=150)
    )

    async def main() -> None:
        await client.dry_run(site(world))
        node.faults = faults(CallFault.BROKEN, 1) + faults(CallFault.UNREACHABLE)
        await client.submit(site(world))

    with pytest.raises(UnavailableError) as caught:
        asyncio.run(main())
    assert (caught.value.code, caught.value.phase) == ("NOT_REACHABLE", "unknown")


def test_a_write_is_sent_again_and_applied_once(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    lost: list[bytes] = []

    def lose(answer: bytes) -> bytes:
        if not lost:
            lost.append(answer)
            raise NodeCallError(CallFault.BROKEN, "the connection ended")
        return answer

    node.bends["submit"] = lose
    height = world.header.height
    receipt = run(client.submit(site(world)))
    assert receipt.applied
    assert node.calls["submit"] == 2
    assert world.header.height == height + 1


def test_another_node_takes_the_write(world: CertifiedWorld, tmp_path: Path) -> None:
    broken, good = FakeNode(world, "n1"), FakeNode(world, "n2")
    client = make_client(world, tmp_path, org="qcto", nodes=[broken, good])
    run(client.acting_did())
    broken.faults = faults(CallFault.UNREACHABLE)
    assert run(client.submit(site(world))).applied
    calls = len(broken.faults)
    assert run(client.submit(site(world, "2"))).applied
    assert len(broken.faults) == calls, "the node that answered last is asked first"


def test_a_refusal_at_admission(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    run(client.dry_run(site(world)))
    node.faults = [NodeCallError(CallFault.REFUSED, "too big", reason="TOO_LARGE")]
    with pytest.raises(RefusedError) as caught:
        run(client.submit(site(world)))
    assert caught.value.receipt.to_dict() | {"as_of": ""} == {
        "transaction_id": caught.value.transaction_id,
        "height": -1,
        "index": -1,
        "as_of": "",
        "code": int(ReceiptCode.TOO_LARGE),
        "name": "TOO_LARGE",
        "remedy": CODE_TEXTS[ReceiptCode.TOO_LARGE].remedy,
        "applied": False,
        "result": {},
    }
    node.faults = [NodeCallError(CallFault.REFUSED, "what?", reason="CODE_OF_THE_FUTURE")]
    with pytest.raises(UnavailableError) as unknown:
        run(client.submit(site(world)))
    assert (unknown.value.code, unknown.value.phase) == ("CODE_OF_THE_FUTURE", "unknown")
