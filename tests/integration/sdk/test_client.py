# SPDX-License-Identifier: Apache-2.0
"""The promised faces against a real validator: gRPC, TLS, rules, proofs; state in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

import psetledger
import psetledger.aio
from ledger.model import schema
from ledger.model.genesis import decode_genesis, encode_genesis
from ledger.model.keys import KeyRole, KeyType
from psetledger import (
    Accreditor,
    CallerError,
    LedgerClient,
    RefusedError,
    UnavailableError,
    Wait,
    signer,
)
from psetledger.operations import (
    AddSite,
    CreateStatusList,
    NewKey,
    PublishResource,
    RotateKey,
    UpdateStatusList,
)
from psetledger.testing import LocalNetwork, running_network
from sdk.networks import Endpoint, read_network, write_network
from sdk.node_api import CallFault, NodeCallError
from sdk.proof_files import check_proof
from sdk.transport import GrpcNode

QUALIFICATION = {
    "saqa_id": 91761,
    "title": "Occupational Certificate: Electrician",
    "sub_framework": "OQSF",
    "nqf_level": 4,
    "credits": 360,
    "type": "National Occupational Certificate",
    "status": "registered",
}
PROVIDER_POWERS = ["train", "assess-internally", "issue-statement-of-results"]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalNetwork]:
    with running_network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.fixture(scope="module")
def accredited(network: LocalNetwork) -> str:
    """A provider, endorsed and accredited for 91761 at its site 1; the id of the grant."""
    with network.connect("saqa") as saqa:
        saqa.submit(PublishResource("za:saqa:q:91761", "Qualification", QUALIFICATION))
        Accreditor(saqa).grant(
            "qcto",
            powers=["accredit-provider", "delegate"],
            sub_frameworks=["OQSF"],
            valid=(date(2010, 1, 1), None),
        )
    network.add_organisation("gaa", type="provider", endorser="qcto", codes={"qcto": "SDP-0142"})
    with network.connect("gaa") as gaa:
        gaa.submit(AddSite(gaa.acting_did(), "1", "Sample site", "EC"))
    with network.connect("qcto") as qcto:
        grant = Accreditor(qcto).grant(
            "qcto:SDP-0142",
            powers=PROVIDER_POWERS,
            qualifications=["91761"],
            sites=["1"],
            valid=(date(2024, 2, 1), None),
        )
    assert (grant.status, grant.valid_until) == ("active", date(2029, 1, 31))
    assert grant.scope["qualifications"] == ["za:saqa:q:91761"]
    return grant.id


def test_the_synchronous_face(network: LocalNetwork, accredited: str) -> None:
    with LedgerClient.connect(str(network.directory), home=network.home) as client:
        organisation = client.organisation("gaa")
        assert organisation.verified
        assert organisation.value.codes == {"qcto": "SDP-0142"}
        assert organisation.value.sites == {"1": "Sample site"}
        trust = client.network.trust_root
        assert check_proof(organisation.proof, trust).height == organisation.height
        did = organisation.value.did
        assert client.did_document(did).value["id"] == did
        (grant,) = client.accreditations("gaa").value
        assert grant.id == accredited
        assert client.resource("za:saqa:q:91761@1").value.type == "Qualification"
        head = client.head()
        assert client.block(head.height).tx_count == 1
        ((_, status),) = client.node_statuses()
        assert status is not None
        assert status.voting
        assert client.get(schema.did_key(did)).value is not None
        assert client.unverified().organisation("gaa").verified is False
        assert "nobody" in repr(client)


def test_the_asynchronous_face(network: LocalNetwork, accredited: str) -> None:
    async def main() -> None:
        async with psetledger.aio.LedgerClient.connect(
            network.directory, org="qcto", home=network.home
        ) as client:
            assert (await client.organisation("gaa")).value.short_name == "gaa"
            accreditor = psetledger.aio.Accreditor(client)
            today = date.today()  # noqa: DTZ011 (the civil day here is near enough)
            suspended = await accreditor.suspend(
                accredited, reason="quality-failure", effective=today + timedelta(days=2)
            )
            assert suspended.applied
            receipt = await accreditor.reinstate(
                accredited, reason="error", effective=today + timedelta(days=2)
            )
            assert receipt.result
            history = (await client.accreditation(accredited)).value
            assert [event.kind for event in history.events][-2:] == ["suspended", "reinstated"]
            receipts = [
                held.name
                async for held in client.submit_many(
                    [CreateStatusList("revocation"), CreateStatusList("revocation", bits=3)]
                )
            ]
            assert receipts == ["APPLIED", "FIELD_INVALID"]

    asyncio.run(main())


def test_a_withdrawal_ab_initio_needs_two(network: LocalNetwork, accredited: str) -> None:
    with network.connect("qcto") as qcto, network.connect("saqa") as saqa:
        grant = Accreditor(qcto).grant(
            "gaa",
            powers=["issue-badge"],
            qualifications=["91761"],
            valid=(date(2024, 2, 1), date(2026, 1, 31)),
        )
        first = Accreditor(qcto).withdraw(
            grant.id, reason="fraud-finding", effective=date(2024, 2, 1), ab_initio=True
        )
        assert first.applied
        assert qcto.accreditation(grant.id).value.pending_until is not None
        assert qcto.accreditations("gaa").value[-1].status == "expired"
        Accreditor(saqa).withdraw(
            grant.id, reason="fraud-finding", effective=date(2024, 2, 1), ab_initio=True
        )
        assert qcto.accreditations("gaa").value[-1].status == "void"
    assert accredited


def test_refusals_of_the_ledger(network: LocalNetwork, accredited: str) -> None:
    with network.connect("gaa") as client, pytest.raises(RefusedError) as caught:
        Accreditor(client).grant("qcto", powers=["train"], valid=(date(2024, 2, 1), None))
    assert caught.value.code in {"GRANT_CYCLE", "NO_POWER"}
    assert caught.value.receipt.height > 0
    assert accredited


def test_a_key_of_another_role_is_refused(network: LocalNetwork) -> None:
    key = signer(network.key_store("che").path("issue"))
    with network.connect("che", signer=key) as client, pytest.raises(RefusedError) as caught:
        client.submit(CreateStatusList("revocation"))
    assert caught.value.code == "NOT_AUTHORISED"


def test_a_rotated_key(network: LocalNetwork) -> None:
    store = network.key_store("umalusi")
    store.generate("issue-2", KeyRole.ISSUE, KeyType.P256)
    new = store.load("issue-2")
    with network.connect("umalusi", signer=store.load("admin")) as client:
        did = client.acting_did()
        version = client.did_history(did).value.version
        client.submit(RotateKey(did, version, "issue", NewKey.prove(did, "issue", new)))
        document = client.did_document(did).value
    assert document["assertionMethod"] == [f"{did}#issue-2"]


def test_status_lists(network: LocalNetwork) -> None:
    with network.connect("qcto") as client:
        operation = CreateStatusList("suspension")
        url = client.submit(operation).result["url"]
        change = UpdateStatusList(client.acting_did(), operation.list_id, 0, {131_071: 1})
        height = client.submit(change).height
        assert client.status_list(url).value[131_071] == 1
        assert client.status_list(url, at=height - 1).value[131_071] == 0


def test_personal_data_is_refused_here_and_there(network: LocalNetwork) -> None:
    for client_checks in (True, False):
        with network.connect("saqa", client_checks=client_checks) as client:
            before = client.head().state_root
            operation = AddSite(client.acting_did(), "9", "Site of 8001015009087", "EC")
            with pytest.raises(RefusedError) as caught:
                client.submit(operation)
            assert caught.value.code == "PERSONAL_DATA"
            assert client.head().state_root == before


def test_an_accepted_write_is_found_later(network: LocalNetwork) -> None:
    with network.connect("saqa") as client:
        key = bytes(range(1, 17))
        receipt = client.submit(
            CreateStatusList("revocation"), wait=Wait.ACCEPTED, idempotency_key=key
        )
        assert (receipt.name, receipt.height) == ("ACCEPTED", -1)
        again = client.transaction(receipt.transaction_id)
        while again.state == "pending":
            again = client.transaction(receipt.transaction_id)
        assert again.state == "applied"
        assert client.transaction(key).receipt == again.receipt


def test_one_client_for_many_threads(network: LocalNetwork) -> None:
    with network.connect("qcto") as client, ThreadPoolExecutor(8) as pool:

        def read(org: str) -> str:
            return client.organisation(org).value.short_name

        def write(_: int) -> str:
            return client.submit(CreateStatusList("revocation")).transaction_id

        names = ["saqa", "che", "umalusi", "qcto"] * 25
        assert list(pool.map(read, names)) == names
        assert len(set(pool.map(write, range(16)))) == 16


def test_a_synchronous_client_where_a_loop_runs(network: LocalNetwork) -> None:
    """As in a notebook: the caller's thread has a running loop."""

    async def cell() -> str:
        with network.connect() as client:
            return client.organisation("qcto").value.short_name

    assert asyncio.run(cell()) == "qcto"


def test_close_is_idempotent_and_ends_the_thread(network: LocalNetwork) -> None:
    client = network.connect()
    threads = {thread.name for thread in threading.enumerate()}
    assert "psetledger-client" in threads
    client.close()
    client.close()
    assert not client.loop.is_alive
    with pytest.raises(CallerError) as caught:
        client.head()
    assert caught.value.code == "CLIENT_CLOSED"


def test_nobody_listens(network: LocalNetwork, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet"
    write_network(
        quiet,
        name="dev",
        genesis=(network.directory / "genesis.json").read_bytes(),
        endpoints=[Endpoint("n1", "127.0.0.1:1")],
    )
    with pytest.raises(UnavailableError) as caught:
        LedgerClient.connect(quiet, home=tmp_path / "home", timeout=timedelta(seconds=1))
    assert (caught.value.code, caught.value.phase) == ("NOT_REACHABLE", "not-sent")
    assert not any(thread.name == "psetledger-client" for thread in threading.enumerate())


def test_another_certificate_is_not_talked_to(
    network: LocalNetwork, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The validator's record is the only root: a server with another certificate is no node."""
    with running_network(tmp_path_factory.mktemp("other")) as other:
        mine, theirs = read_network(network.directory), read_network(other.directory)
        node = GrpcNode("n1", theirs.endpoints[0].address, mine.tls_certificate("n1"))

        async def main() -> None:
            with pytest.raises(NodeCallError, match="no connection") as caught:
                await node.get_head(seconds=2)
            assert caught.value.fault is CallFault.UNREACHABLE
            await node.close()

        asyncio.run(main())


def test_a_node_of_another_chain_is_refused(network: LocalNetwork, tmp_path: Path) -> None:
    """The same TLS record, another genesis: the proofs tell them apart."""
    data = (network.directory / "genesis.json").read_bytes()
    genesis = decode_genesis(data)
    altered = replace(genesis, created=genesis.created - 1)
    write_network(
        tmp_path / "altered",
        name="dev",
        genesis=encode_genesis(altered),
        endpoints=read_network(network.directory).endpoints,
    )
    with pytest.raises(psetledger.TrustError) as caught:
        LedgerClient.connect(tmp_path / "altered", home=tmp_path / "home")
    assert caught.value.code == "OTHER_NETWORK"
    assert caught.value.evidence.is_file()


def test_a_network_gone_is_noticed(tmp_path: Path) -> None:
    network = LocalNetwork(tmp_path / "gone")
    network.start()
    client = network.connect("saqa", timeout=timedelta(seconds=1))
    network.stop()
    network.stop()
    with pytest.raises(UnavailableError) as caught:
        client.submit(CreateStatusList("revocation"))
    assert caught.value.phase == "not-sent"
    client.close()


def test_a_call_waits_for_a_node_that_comes_up(tmp_path: Path) -> None:
    """Within its deadline; only `connect` gives up soon."""
    network = LocalNetwork(tmp_path / "late")
    client = network.connect_aio(timeout=timedelta(seconds=30))

    async def main() -> None:
        with pytest.raises(UnavailableError):
            await client.open()
        reading = asyncio.ensure_future(client.organisation("qcto"))
        await asyncio.to_thread(network.start)
        assert (await reading).value.short_name == "qcto"
        await client.close()

    try:
        asyncio.run(main())
    finally:
        network.stop()
