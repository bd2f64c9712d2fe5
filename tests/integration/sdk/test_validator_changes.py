# SPDX-License-Identifier: Apache-2.0
"""Clients over real gRPC and TLS, while the validators of their network come and go."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Coroutine, Sequence
from pathlib import Path
from typing import Any

from ledger.api.server import ApiServer
from ledger.model.genesis import encode_genesis
from ledger.model.operations import RemoveValidator, ResourceType
from ledger.model.receipts import ReceiptCode
from ledger.node.tls import LeafIssuer
from ledger.storage.memory import MemoryStore
from sdk.aio_client import LedgerClient
from sdk.networks import Endpoint, read_network, write_network
from sdk.trust_store import read_trust
from tests.support.api_client import LIMITS
from tests.support.certified_world import WorldSigner
from tests.support.member_cluster import SCHEMA, SCHEME, MemberCluster
from tests.support.node_harness import NodeHarness, make_keys, replay

SECONDS_MAX = 120.0
"""Of one story: so long on a machine that has much else to do."""


class OpenCluster(MemberCluster):
    """A MemberCluster that shows what is stored."""

    def chain_store(self, name: str) -> MemoryStore:
        return self._stores[name, "chain"]


class ServedCluster:
    """A MemberCluster whose genesis validators serve clients, and clients of them."""

    def __init__(self, cluster: MemberCluster, directory: Path) -> None:
        self.cluster = cluster
        self.directory = directory
        self.servers: dict[str, ApiServer] = {}
        self.written_count = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncGenerator[ServedCluster]:
        try:
            for name in self.cluster.names:
                self.servers[name] = self.make_server(name)
                await self.servers[name].start()
            write_network(
                self.directory / "network",
                name=self.cluster.genesis.network,
                genesis=encode_genesis(self.cluster.genesis),
                endpoints=[
                    Endpoint(name, f"127.0.0.1:{server.port}")
                    for name, server in self.servers.items()
                ],
            )
            yield self
        finally:
            for name in list(self.servers):
                await self.stop_serving(name)

    def make_server(self, name: str) -> ApiServer:
        certificate = self.cluster.record(name).tls_certificate
        issuer = LeafIssuer(
            make_keys(name, SCHEME).tls,
            certificate,
            name,
            time_ms=lambda: time.time_ns() // 1_000_000,
        )

        def key_pair() -> tuple[bytes, bytes]:
            leaf = issuer.current()
            return leaf.private_key, leaf.certificate_chain

        node = self.cluster.cores[name].node
        return ApiServer(node, ("127.0.0.1", 0), limits=LIMITS, key_pair=key_pair)

    async def stop_serving(self, name: str) -> None:
        await self.servers.pop(name).stop(0)

    def client(self) -> LedgerClient:
        key = self.cluster.world.organisations["saqa"].keys["ledger"]
        return LedgerClient.connect(
            self.directory / "network",
            org="saqa",
            signer=WorldSigner(key),
            home=self.directory / "home",
        )

    async def use(self, client: LedgerClient) -> None:
        """Read, write, and read what was written."""
        assert (await client.organisation("qcto")).verified
        self.written_count += 1
        name = f"written-{self.written_count}"
        operation = self.cluster.world.publish("saqa", name, ResourceType.JSON_SCHEMA, SCHEMA)
        receipt = await client.submit(operation)
        assert receipt.applied
        assert (await client.resource(name)).height >= receipt.height
        known = [validator.id for validator in client.trust.newest.validator_set.validators]
        assert known == list(self.cluster.active("n1"))

    async def check_all_blocks(self, client: LedgerClient, sets: Sequence[Sequence[str]]) -> None:
        """Each is certified by the validators of its time, and each of these sets by the one before."""
        head = await client.head()
        seen: list[tuple[str, ...]] = []
        for height in range(1, head.height + 1):
            trusted = client.trust.find_set(height)
            assert trusted is not None
            names = tuple(validator.id for validator in trusted.validator_set.validators)
            if not seen or seen[-1] != names:
                seen.append(names)
            block = await client.block(height)
            assert set(block.signers) <= set(names)
            assert 2 * len(block.signers) > len(names)
        assert seen == [tuple(names) for names in sets]

    def check_nobody_is_accused(self) -> None:
        assert not list((self.directory / "home").glob("evidence/*"))


def run(story: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(SECONDS_MAX):
            await story

    asyncio.run(main())


async def admit(cluster: MemberCluster, name: str) -> None:
    """While others write: no change waits for a block then."""
    admission = asyncio.ensure_future(cluster.admit(name))
    while not admission.done():
        await cluster.write(at="n1")
    await admission


async def activate(cluster: MemberCluster, name: str, replaces: str = "") -> None:
    """Until it certifies, and the one whose place it takes is gone."""
    code, height = await cluster.submit(cluster.activation(name, replaces), at="n1")
    assert code is ReceiptCode.APPLIED, code
    while cluster.height("n1", name) <= height:
        await cluster.write(at="n1")
    if replaces:
        await see_off(cluster, replaces)


async def remove(cluster: MemberCluster, name: str) -> None:
    code, _ = await cluster.submit(RemoveValidator(name), at="n1")
    assert code is ReceiptCode.APPLIED, code
    await see_off(cluster, name)


async def see_off(cluster: MemberCluster, name: str) -> None:
    """Until a removed validator has ended by itself."""
    while not cluster.tasks[name].done():
        await cluster.write(at="n1")
    assert getattr(cluster.tasks[name].exception(), "code", "") == "VALIDATOR_REMOVED"
    await cluster.cores.pop(name).stop()


def test_clients_follow_the_validators(tmp_path: Path) -> None:
    """One comes, one of genesis is removed, another one's place is taken."""
    sets = [
        ["n1", "n2", "n3"],
        ["n1", "n2", "n3", "n4"],
        ["n1", "n3", "n4"],
        ["n1", "n4", "n5"],
    ]

    async def main() -> None:
        async with (
            MemberCluster(tmp_path, 3).running() as cluster,
            ServedCluster(cluster, tmp_path).serving() as served,
            served.client() as early,
        ):
            await served.use(early)
            await admit(cluster, "n4")
            await activate(cluster, "n4")
            await served.use(early)

            await remove(cluster, "n2")
            await served.stop_serving("n2")
            await cluster.write()
            await cluster.write()
            await served.use(early)

            await admit(cluster, "n5")
            await activate(cluster, "n5", "n3")
            await served.stop_serving("n3")
            await served.use(early)
            await early.close()

            async with served.client() as next_one:
                assert next_one.trust == early.trust, "kept"
                await served.use(next_one)
            (served.directory / "network" / "trust.json").unlink()
            async with served.client() as fresh:
                await served.use(fresh)
                assert fresh.trust == early.trust
                await served.check_all_blocks(fresh, sets)
            proof = (await fresh.organisation("qcto")).proof
            assert proof
            network = read_network(served.directory / "network")
            assert read_trust(network) == fresh.trust
            await fresh.close()
            served.check_nobody_is_accused()
            await cluster.check_all_agree()

    run(main())


def test_clients_of_a_byzantine_network_follow_a_replacement(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            MemberCluster(tmp_path, 4, fault_model="byzantine").running() as cluster,
            ServedCluster(cluster, tmp_path).serving() as served,
            served.client() as early,
        ):
            await served.use(early)
            await admit(cluster, "n5")
            await activate(cluster, "n5", "n2")
            await served.stop_serving("n2")
            await served.use(early)
            await early.close()
            (served.directory / "network" / "trust.json").unlink()
            async with served.client() as fresh:
                await served.use(fresh)
                sets = [["n1", "n2", "n3", "n4"], ["n1", "n3", "n4", "n5"]]
                await served.check_all_blocks(fresh, sets)
            served.check_nobody_is_accused()

    run(main())


def test_the_harness_of_nodes_follows_too(tmp_path: Path) -> None:
    """What it is asked of a node, and what it computes from the blocks that one has stored."""

    async def main() -> None:
        cluster = OpenCluster(tmp_path, 3)
        async with cluster.running():
            (tmp_path / "harness").mkdir()
            harness = NodeHarness(tmp_path / "harness", genesis=cluster.genesis)
            harness.clock.now_ms = time.time_ns() // 1_000_000
            core = cluster.cores["n1"]
            await harness.submit(core, harness.transaction(1))
            await admit(cluster, "n4")
            await activate(cluster, "n4", "n2")
            verified = await harness.submit(core, harness.transaction(2))
            assert verified.head.header.validators_hash == harness.trust.newest.hash
            assert len(harness.trust.sets) == 2
            again = NodeHarness(tmp_path / "harness", genesis=cluster.genesis)
            again.stores["chain"] = cluster.chain_store("n1")
            root = again.head(core)
            assert again.trust == harness.trust
            roots = replay(again)
            assert roots[-1] == root

    run(main())
