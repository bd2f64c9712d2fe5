# SPDX-License-Identifier: Apache-2.0
"""Writes: who signs, what is refused where, and the receipts of one and of many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.model import operations as model
from ledger.model.keys import KeyRole
from ledger.model.receipts import CODE_TEXTS, ReceiptCode
from sdk.aio_client import LedgerClient
from sdk.errors import (
    CallerError,
    KeyAccessError,
    RefusedError,
    TrustError,
)
from sdk.moments import to_instant
from sdk.node_api import CallFault, NodeCallError
from sdk.operations import (
    AddSite,
    CreateStatusList,
    GrantAccreditation,
    Operation,
    PublishResource,
)
from sdk.proof_files import check_proof
from sdk.results import Receipt, Wait
from tests.support.certified_world import (
    CertifiedWorld,
    FakeNode,
    WorldSigner,
    make_client,
    make_network,
)

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


# Applied and refused -----------------------------------------------------------------------------


def test_an_applied_write_has_a_proven_receipt(world: CertifiedWorld, client: LedgerClient) -> None:
    receipt = run(client.submit(site(world)))
    assert receipt.applied
    assert (receipt.name, receipt.code, receipt.remedy) == ("APPLIED", 1, "")
    assert (receipt.height, receipt.index) == (world.header.height, 0)
    assert receipt.result == {"organisation": world.did("qcto"), "site": "1"}
    assert receipt.as_of.timestamp() * 1000 == world.header.time
    checked = check_proof(receipt.proof, world.trust)
    assert checked.transaction is not None
    assert checked.transaction.transaction_id.hex() == receipt.transaction_id
    told = json.loads(receipt.to_json())
    assert told["applied"] is True
    assert "proof" not in told
    assert run(client.organisation("qcto")).value.sites == {"1": "Sample site"}


def test_a_refused_write_raises_with_its_receipt(
    world: CertifiedWorld, client: LedgerClient
) -> None:
    before = world.snapshot()
    with pytest.raises(RefusedError) as caught:
        run(client.submit(bad_grant(world)))
    error = caught.value
    assert error.code == "SELF_GRANT"
    assert error.remedy == CODE_TEXTS[ReceiptCode.SELF_GRANT].remedy
    assert str(error).startswith(CODE_TEXTS[ReceiptCode.SELF_GRANT].text)
    assert (error.receipt.code, error.receipt.applied) == (int(ReceiptCode.SELF_GRANT), False)
    assert error.receipt.height == world.header.height
    assert error.transaction_id == error.receipt.transaction_id
    assert check_proof(error.receipt.proof, world.trust).transaction is not None
    assert world.snapshot() == before


def test_the_ledgers_own_operations_are_taken_too(
    world: CertifiedWorld, client: LedgerClient
) -> None:
    operation = model.AddSite(world.did("qcto"), "7", "Sample site", "GP")
    assert run(client.submit(operation)).applied


def test_accepted_is_no_promise(world: CertifiedWorld, client: LedgerClient) -> None:
    receipt = run(client.submit(site(world), wait=Wait.ACCEPTED))
    assert (receipt.name, receipt.code, receipt.height, receipt.index) == ("ACCEPTED", 0, -1, -1)
    assert not receipt.applied
    assert receipt.proof == b""
    status = run(client.transaction(receipt.transaction_id))
    assert status.state == "applied"


def test_the_same_key_gives_the_first_receipt(world: CertifiedWorld, client: LedgerClient) -> None:
    first = run(client.submit(site(world), idempotency_key=KEY))
    height = world.header.height
    again = run(client.submit(site(world), idempotency_key=KEY, expires_in=timedelta(minutes=1)))
    assert world.header.height == height + 1, "it entered a block"
    assert (again.transaction_id, again.height, again.result) == (
        first.transaction_id,
        height,
        first.result,
    )
    assert again.as_of == first.as_of < to_instant(world.header.time), "of the block it names"
    with pytest.raises(RefusedError) as caught:
        run(client.submit(site(world, "2"), idempotency_key=KEY))
    assert caught.value.code == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(15) + b"\x01\x00"])
def test_keys_that_are_none(world: CertifiedWorld, client: LedgerClient, key: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        run(client.submit(site(world), idempotency_key=key))
    assert caught.value.code == "IDEMPOTENCY_KEY_INVALID"


@pytest.mark.parametrize("expires_in", [timedelta(0), timedelta(hours=25), timedelta(-1)])
def test_expiries_that_are_none(
    world: CertifiedWorld, client: LedgerClient, expires_in: timedelta
) -> None:
    with pytest.raises(CallerError) as caught:
        run(client.submit(site(world), expires_in=expires_in))
    assert caught.value.code == "EXPIRY_INVALID"


def test_a_slow_clock_does_not_make_writes_expire(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path
) -> None:
    slow = world.time
    world.time += 60 * 60 * 1000
    world.run_block([])
    client = make_client(
        world, tmp_path, org="qcto", nodes=[node], time_ms=lambda: max(slow, world.time - 290_000)
    )
    assert run(client.submit(site(world), expires_in=timedelta(minutes=2))).applied


# Who signs ---------------------------------------------------------------------------------------


def test_signers_given_replace_the_clients(world: CertifiedWorld, client: LedgerClient) -> None:
    keys = world.organisations["qcto"].keys
    with pytest.raises(RefusedError) as caught:
        run(client.submit(site(world), signers=[WorldSigner(keys["issue"])]))
    assert caught.value.code == "NOT_AUTHORISED"
    both = [WorldSigner(keys["admin"]), WorldSigner(keys["ledger"])]
    assert run(client.submit(site(world), signers=both)).applied


def test_a_key_that_is_not_the_organisations(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path
) -> None:
    stranger = WorldSigner(world.organisations["saqa"].keys["ledger"])
    client = make_client(world, tmp_path, org="qcto", nodes=[node], signer=stranger)
    with pytest.raises(CallerError) as caught:
        run(client.submit(site(world)))
    assert caught.value.code == "KEY_NOT_IN_DID"
    assert node.calls["submit"] == 0


def test_a_key_is_named_as_the_ledger_names_it(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path
) -> None:
    key = replace(world.organisations["qcto"].keys["ledger"], key_id="my-file")
    client = make_client(world, tmp_path, org="qcto", nodes=[node], signer=WorldSigner(key))
    assert run(client.submit(site(world))).applied


def test_a_rotated_key_is_found_again(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path
) -> None:
    """After a refusal the client looks up anew who it is."""
    organisation = world.organisations["qcto"]
    client = make_client(world, tmp_path, org="qcto", nodes=[node])
    assert run(client.submit(site(world))).applied
    new = organisation.new_key("ledger-2", KeyRole.LEDGER)
    version = world.did_record("qcto").version
    world.apply(
        "qcto",
        model.RotateKey(world.did("qcto"), version, "ledger", new),
        keys=("admin",),
    )
    for _ in range(2):
        with pytest.raises(RefusedError) as caught:
            run(client.submit(site(world, "2")))
        assert caught.value.code == "KEY_NOT_AUTHORISED"
    renewed = make_client(world, tmp_path, org="qcto", key="ledger-2", nodes=[node])
    assert run(renewed.submit(site(world, "2"))).applied


def test_nobody_acts(world: CertifiedWorld, tmp_path: Path) -> None:
    with pytest.raises(CallerError) as caught:
        run(make_client(world, tmp_path).submit(site(world)))
    assert caught.value.code == "ORGANISATION_MISSING"


def test_no_stored_key(world: CertifiedWorld, tmp_path: Path) -> None:
    client = make_client(world, tmp_path, org="qcto", signer=None)
    with pytest.raises(KeyAccessError) as caught:
        run(client.submit(site(world)))
    assert caught.value.code == "KEY_ROLE_NOT_HELD"


# The client's own checks -------------------------------------------------------------------------


def personal(world: CertifiedWorld) -> Operation:
    return AddSite(world.did("qcto"), "1", "Site of 8001015009087", "GP")


def test_personal_data_never_leaves(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    with pytest.raises(RefusedError) as caught:
        run(client.submit(personal(world)))
    error = caught.value
    assert error.code == "PERSONAL_DATA"
    assert "8001015009087" not in str(error) + error.remedy
    assert (error.receipt.height, error.receipt.applied) == (-1, False)
    assert node.calls["submit"] == 0
    receipt = run(client.dry_run(personal(world)))
    assert (receipt.name, receipt.height) == ("PERSONAL_DATA", -1)
    assert node.calls["dry_run"] == 0


def test_without_client_checks_the_node_refuses(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path
) -> None:
    with pytest.raises(CallerError) as caught:
        make_client(world, tmp_path, org="qcto", nodes=[node], client_checks=False)
    assert caught.value.code == "NOT_A_DEVELOPMENT_NETWORK"
    make_network(world, tmp_path).key_directory.mkdir()
    client = make_client(world, tmp_path, org="qcto", nodes=[node], client_checks=False)
    before = world.snapshot()
    with pytest.raises(RefusedError) as refused:
        run(client.submit(personal(world)))
    assert refused.value.code == "PERSONAL_DATA"
    assert node.calls["submit"] == 1
    assert world.snapshot() == before
    stranger = WorldSigner(world.organisations["saqa"].keys["ledger"])
    with pytest.raises(RefusedError) as refused:
        run(client.submit(site(world), signers=[stranger]))
    assert refused.value.code == "KEY_NOT_AUTHORISED"


def test_content_and_requests_are_checked_before_they_are_sent(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    operation = PublishResource("sample-schema", "JsonSchema", {"type": "object"})
    with pytest.raises(RefusedError) as caught:
        run(client.submit(operation))
    assert caught.value.code == "RESOURCE_CONTENT_INVALID"
    request = world.organisations["saqa"]
    forged = model.EndorseOrganisation(request.request, request.request_signatures[::-1])
    with pytest.raises(RefusedError) as caught:
        run(client.submit(forged))
    assert caught.value.code == "REQUEST_SIGNATURE_INVALID"
    huge = model.AddSite(world.did("qcto"), "1", "x" * 300, "GP")
    with pytest.raises(RefusedError) as caught:
        run(client.submit(huge))
    assert caught.value.code == "TOO_LARGE"
    assert node.calls["submit"] == 0


# Dry run and status ------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(world: CertifiedWorld, client: LedgerClient) -> None:
    before, height = world.snapshot(), world.header.height
    receipt = run(client.dry_run(site(world)))
    assert (receipt.name, receipt.applied) == ("APPLIED", True)
    assert run(client.dry_run(bad_grant(world))).name == "SELF_GRANT"
    assert (world.snapshot(), world.header.height) == (before, height)


def test_what_became_of_a_write(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    applied = run(client.submit(site(world), idempotency_key=KEY))
    with pytest.raises(RefusedError) as caught:
        run(client.submit(bad_grant(world)))
    assert run(client.transaction(applied.transaction_id)).receipt == applied
    assert run(client.transaction(bytes.fromhex(applied.transaction_id))).state == "applied"
    assert run(client.transaction(KEY)).receipt == applied
    assert run(client.transaction(KEY.hex())).receipt == applied
    refused = run(client.transaction(caught.value.receipt.transaction_id))
    assert (refused.state, refused.receipt.name) == ("refused", "SELF_GRANT")
    assert run(client.transaction(bytes(32))).state == "unknown"
    assert run(client.transaction(bytes(15) + b"\x01")).to_dict() == {
        "state": "unknown",
        "receipt": None,
    }
    for bad in ("", "xyz", "00" * 20, b"short"):
        with pytest.raises(CallerError) as wrong:
            run(client.transaction(bad))
        assert wrong.value.code == "TRANSACTION_ID_INVALID"


# Many --------------------------------------------------------------------------------------------


def test_many_writes_give_a_receipt_each_in_order(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    operations = [
        site(world, "1"),
        bad_grant(world),
        personal(world),
        site(world, "2"),
        site(world, "1"),
    ]
    receipts = all_of(client.submit_many(operations))
    assert [receipt.name for receipt in receipts] == [
        "APPLIED",
        "SELF_GRANT",
        "PERSONAL_DATA",
        "APPLIED",
        "SITE_EXISTS",
    ]
    assert [receipt.height > 0 for receipt in receipts] == [True, True, False, True, True]
    assert node.calls["submit_batch"] == 1
    assert all_of(client.submit_many([])) == []
    assert all_of(client.submit_many([personal(world)]))[0].name == "PERSONAL_DATA"


def test_many_writes_go_in_batches_and_as_they_are_asked_for(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    taken: list[int] = []

    def operations() -> Any:
        for number in range(250):
            taken.append(number)
            yield CreateStatusList("revocation")

    async def main() -> None:
        receipts = client.submit_many(operations(), wait=Wait.ACCEPTED)
        first = await anext(receipts)
        assert first.name == "ACCEPTED"
        assert len(taken) == 101
        rest = [receipt async for receipt in receipts]
        assert len(rest) == 249

    asyncio.run(main())
    assert node.calls["submit_batch"] == 3


def test_what_a_batch_could_not_take_is_sent_by_itself(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    original = node.execute
    refused: list[bytes] = []

    def execute(transaction: bytes) -> bytes:
        if not refused:
            refused.append(transaction)
            raise NodeCallError(CallFault.BUSY, "full", reason="OVERLOADED")
        return original(transaction)

    node.execute = execute  # type: ignore[method-assign]
    receipts = all_of(client.submit_many([site(world, "1"), site(world, "2")]))
    assert [receipt.name for receipt in receipts] == ["APPLIED", "APPLIED"]
    assert node.calls["submit"] == 1


def test_a_lie_in_a_batch_is_refused(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    node.bends["submit_batch"] = lambda answer: answer[:-1]
    with pytest.raises(TrustError):
        all_of(client.submit_many([site(world)]))


# Unverified --------------------------------------------------------------------------------------


def test_an_unverified_client_writes_without_proofs(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    unverified = client.unverified()
    receipt = run(unverified.submit(site(world)))
    assert receipt.applied
    assert receipt.proof == b""
    run(unverified.close())
    assert not node.is_closed
    run(client.close())
    assert node.is_closed
