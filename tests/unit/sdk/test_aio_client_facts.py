# SPDX-License-Identifier: Apache-2.0
"""What a client reads from a ledger: grants and status lists, now and as they stood then; blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.model import schema
from ledger.model.block import Block, Proposal
from ledger.model.codec import decode, encode
from ledger.model.identifiers import format_uuid, resource_url
from ledger.model.operations import (
    AccreditationReason,
    StatusPurpose,
    SuspendAccreditation,
    UpdateStatusList,
    WithdrawAccreditation,
)
from ledger.model.transaction import Receipt
from sdk.aio_client import LedgerClient
from sdk.errors import CallerError, TrustError
from sdk.moments import to_instant
from sdk.networks import read_network
from sdk.proof_files import check_proof
from sdk.results import Proven
from tests.support.certified_world import Bend, CertifiedWorld, FakeNode, make_client
from tests.support.ledger_execution import ELECTRICIAN
from tests.support.ledger_world import day, make_organisation

PROVIDER_POWERS = "train assess-internally"


@pytest.fixture
def world() -> CertifiedWorld:
    return CertifiedWorld()


@pytest.fixture
def client(world: CertifiedWorld, tmp_path: Path) -> LedgerClient:
    return make_client(world, tmp_path)


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


def refuse(code: str, awaitable: Awaitable[Any]) -> CallerError:
    with pytest.raises(CallerError) as caught:
        run(awaitable)
    assert caught.value.code == code
    assert caught.value.remedy
    return caught.value


def holds(world: CertifiedWorld, proven: Proven[Any]) -> None:
    """The proof of an answer checks against the genesis alone, and is of the height it names."""
    assert proven.verified
    checked = check_proof(proven.proof, world.trust)
    assert (checked.height, to_instant(checked.time_ms)) == (proven.height, proven.as_of)


def today(world: CertifiedWorld) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + world.today)


# Accreditations ----------------------------------------------------------------------------------


@pytest.fixture
def granted(world: CertifiedWorld) -> str:
    world.register_electrician()
    world.endorse("gaa")
    world.add_site("gaa", "1")
    return world.grant(
        "qcto",
        "gaa",
        PROVIDER_POWERS,
        since="2024-02-01",
        until="2029-01-31",
        qualifications=[ELECTRICIAN],
        sites=["1"],
    )


def test_accreditations_of_an_organisation(
    world: CertifiedWorld, client: LedgerClient, granted: str
) -> None:
    proven = run(client.accreditations("gaa"))
    holds(world, proven)
    (held,) = proven.value
    assert held.to_dict() == {
        "id": granted,
        "grantor": world.did("qcto"),
        "grantee": world.did("gaa"),
        "powers": ["assess-internally", "train"],
        "scope": {
            "sub_frameworks": [],
            "qualifications": [ELECTRICIAN],
            "sites": ["1"],
            "designations": [],
            "trades": [],
        },
        "valid_from": "2024-02-01",
        "valid_until": "2029-01-31",
        "status": "not-yet",
        "parent": world.grant_record(granted).parent,
    }
    by_grantor = run(client.accreditations("qcto", side="grantor"))
    assert [grant.id for grant in by_grantor.value] == [granted]
    assert len(run(client.accreditations("qcto")).value) == 2
    assert run(client.accreditations("che")).value[0].valid_until is None


def test_accreditations_prove_their_number(
    world: CertifiedWorld, client: LedgerClient, granted: str
) -> None:
    """The proof holds the list's parent with its count, all children and all grants."""
    proven = run(client.accreditations(world.did("gaa")))
    checked = check_proof(proven.proof, world.trust)
    assert checked.state is not None
    parent = schema.grants_by_grantee_key(world.did("gaa"))
    assert set(checked.state.values) == {
        parent,
        schema.child_key(parent, 0),
        schema.grant_key(granted),
    }


def test_the_status_of_a_grant_is_that_of_the_day_and_of_what_was_known(
    world: CertifiedWorld, client: LedgerClient, granted: str
) -> None:
    def status(**at: Any) -> str:
        (held,) = run(client.accreditations("gaa", **at)).value
        return str(held.status)

    world.skip_to("2026-05-01")
    world.apply(
        "qcto",
        SuspendAccreditation(
            granted,
            world.grant_record(granted).version,
            day("2026-06-01"),
            AccreditationReason.QUALITY_FAILURE,
        ),
    )
    assert status() == "active"
    world.skip_to("2026-06-10")
    world.run_block([])
    assert status() == "suspended"
    assert status(at=date(2026, 5, 31)) == "active"
    assert status(at=date(2026, 6, 1)) == "suspended"
    world.skip_to("2027-07-01")
    world.apply(
        "qcto",
        WithdrawAccreditation(
            granted,
            world.grant_record(granted).version,
            day("2027-07-01"),
            AccreditationReason.NON_COMPLIANCE,
        ),
    )
    assert status() == "withdrawn"
    assert status(at=date(2027, 6, 30)) == "suspended"
    history = run(client.accreditation(granted))
    holds(world, history)
    events = [(event.kind, event.effective, event.reason) for event in history.value.events]
    assert events == [
        ("suspended", date(2026, 6, 1), "quality-failure"),
        ("withdrawn", date(2027, 7, 1), "non-compliance"),
    ]
    assert history.value.accreditation.status == "withdrawn"
    assert history.value.pending_until is None
    before = run(client.accreditations("gaa", at=date(2023, 11, 15)))
    assert [held.status for held in before.value] == ["not-yet"]
    assert run(client.accreditations("gaa", at=1)).value == []


def test_an_open_withdrawal_ab_initio_is_shown(
    world: CertifiedWorld, client: LedgerClient, granted: str
) -> None:
    world.skip_to("2026-05-01")
    world.apply(
        "qcto",
        WithdrawAccreditation(
            granted,
            world.grant_record(granted).version,
            day("2024-02-01"),
            AccreditationReason.FRAUD_FINDING,
            ab_initio=True,
        ),
    )
    history = run(client.accreditation(granted)).value
    assert history.events[0].kind == "ab-initio-opened"
    assert history.pending_until == to_instant(world.time) + timedelta(days=30)
    assert history.accreditation.status == "active"
    refuse("GRANT_UNKNOWN", client.accreditation("gNone"))


# Status lists ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "bits"), [(StatusPurpose.REVOCATION, 1), (StatusPurpose.MESSAGE, 4)]
)
def test_a_status_list_now_and_then(
    world: CertifiedWorld, client: LedgerClient, purpose: StatusPurpose, bits: int
) -> None:
    list_id = world.create_status_list("qcto", purpose=purpose, bits=bits)
    owner = world.did("qcto")
    url = f"{owner}/resources/{format_uuid(list_id)}"
    value = (1 << bits) - 1
    created = world.header.height

    def update(base: int, *indexes: int) -> int:
        values = bytes((value,)) * len(indexes)
        world.apply("qcto", UpdateStatusList(owner, list_id, base, indexes, values))
        return world.header.height

    first = update(0, 0, 9, 131_071)
    update(1, 8192)
    proven = run(client.status_list(url))
    holds(world, proven)
    held = proven.value
    assert (held.purpose, held.size, held.bits, held.version) == (
        purpose.name.lower(),
        131_072,
        bits,
        2,
    )
    flagged = {0, 9, 131_071, 8192}
    assert {index for index in range(held.size) if held[index]} == flagged
    assert {held[index] for index in flagged} == {value}
    assert len(held) == held.size
    with pytest.raises(IndexError):
        _ = held[held.size]
    with pytest.raises(IndexError):
        _ = held[-1]
    bitstring = int.from_bytes(held.bitstring(), "big")
    width = held.size * bits
    assert len(held.bitstring()) == width // 8
    for index in (*flagged, 1, 8191):
        shift = width - (index + 1) * bits
        assert bitstring >> shift & value == held[index]
    then = run(client.status_list(url, at=first)).value
    assert {index for index in range(then.size) if then[index]} == flagged - {8192}
    assert then.version == 1
    empty = run(client.status_list(url, at=created)).value
    assert not any(empty.bitstring())
    refuse("STATUS_LIST_UNKNOWN", client.status_list(url, at=created - 1))
    assert run(client.status_lists("qcto")).value == [url]
    assert held.to_dict().keys() == {"url", "purpose", "size", "bits", "version"}


def test_what_is_no_status_list(world: CertifiedWorld, client: LedgerClient) -> None:
    refuse("STATUS_LIST_URL", client.status_list("https://example.org/list"))
    refuse("STATUS_LIST_UNKNOWN", client.status_list(resource_url(world.did("saqa"), bytes(16))))

    other = make_organisation("saqa", network="other").did
    refuse("OTHER_NETWORK", client.status_list(resource_url(other, bytes(16))))


# Blocks and nodes --------------------------------------------------------------------------------


def test_heads_and_blocks(world: CertifiedWorld, client: LedgerClient) -> None:
    world.endorse("gaa")
    head = run(client.head())
    assert (head.height, head.signers, head.transactions) == (world.header.height, ("n1",), ())
    block = run(client.block(head.height))
    assert block.codes == ["APPLIED"]
    assert block.transactions == [
        transaction_id.hex()
        for transaction_id, place in world.places.items()
        if place[0] == head.height
    ]
    assert (block.state_root, block.block_hash) == (head.state_root, head.block_hash)


def test_a_block_with_other_transactions_is_refused(world: CertifiedWorld, tmp_path: Path) -> None:
    world.endorse("gaa")
    node = FakeNode(world)
    client = make_client(world, tmp_path, nodes=[node])

    def doubled(answer: bytes) -> bytes:
        block = decode(Block, decode(Proposal, answer).block)
        return encode(Proposal(encode(replace(block, transactions=block.transactions * 2))))

    def exchanged(answer: bytes) -> bytes:
        block = decode(Block, decode(Proposal, answer).block)
        other = tuple(held[:-1] + bytes([held[-1] ^ 1]) for held in block.transactions)
        return encode(Proposal(encode(replace(block, transactions=other))))

    def refuse_block() -> None:
        with pytest.raises(TrustError) as caught:
            run(client.block(world.header.height))
        assert caught.value.code == "NODE_LIED"

    bends: tuple[Bend, ...] = (doubled, exchanged, lambda answer: answer[:-1], lambda _: b"")
    for bent in bends:
        node.bends["get_block"] = bent
        refuse_block()
    node.bends.clear()
    assert run(client.block(world.header.height)).tx_count == 1
    version = world.chain.tip
    honest = version.receipts
    forged = encode(replace(decode(Receipt, honest[0]), code=280))
    for receipts in ([forged], [honest[0] + b"\x00"], [], [honest[0], honest[0]]):
        version.receipts = receipts
        refuse_block()


def test_how_nodes_see_themselves(world: CertifiedWorld, client: LedgerClient) -> None:
    ((name, status),) = run(client.node_statuses())
    assert name == "n1 (here)"
    assert status.voting
    assert status.to_dict()["time"] == to_instant(world.time).astimezone(UTC).isoformat(
        timespec="seconds"
    ).replace("+00:00", "Z")


def test_the_client_says_who_it_is(world: CertifiedWorld, tmp_path: Path) -> None:
    client = make_client(world, tmp_path, org="qcto")
    assert client.org == "qcto"
    assert client.chain_id == world.chain_id
    assert world.chain_id in repr(client)
    assert run(client.acting_did()) == world.did("qcto")
    assert read_network(client.network.directory).chain_id == world.chain_id
    refuse("ORGANISATION_MISSING", make_client(world, tmp_path).acting_did())
