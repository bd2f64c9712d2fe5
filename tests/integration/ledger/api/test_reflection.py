# SPDX-License-Identifier: Apache-2.0
"""Server reflection as a tool uses it: what a server has, found without our stubs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2  # type: ignore[import-untyped]
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # type: ignore[import-untyped]
    ProtoReflectionDescriptorDatabase,
)

from ledger.api import reflection
from ledger.api.admin import AdminServer
from ledger.api.ports import AdminPort, LedgerNode
from ledger.api.reflection import REFLECTION_SERVICES, Reflection
from ledger.api.server import ApiServer
from ledger.node.tls import LeafIssuer
from tests.support.api_client import LIMITS, connected, serving, wall_time_ms
from tests.support.ledger_world import make_tls_certificate
from tests.support.node_harness import make_keys

CERTIFICATE = make_tls_certificate("n1")[0]
CLIENT_SERVICES = {
    "grpc.health.v1.Health",
    *REFLECTION_SERVICES,
    "psetledger.v1.BlockService",
    "psetledger.v1.LedgerService",
    "psetledger.v1.NodeService",
    "psetledger.v1.QueryService",
}


class Silent:
    """Nobody asks it anything."""


async def stream(channel: grpc.aio.Channel, service: str) -> Any:
    return cast("Any", channel.stream_stream)(
        f"/{service}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(timeout=20)


async def ask(channel: grpc.aio.Channel, service: str, **question: Any) -> Any:
    call = await stream(channel, service)
    await call.write(reflection_pb2.ServerReflectionRequest(**question))
    await call.done_writing()
    return await call.read()


def run(scenario: Callable[[grpc.aio.Channel, ApiServer], Awaitable[None]]) -> None:
    async def main() -> None:
        node = cast("LedgerNode", Silent())
        async with (
            serving(node, make_keys("n1"), CERTIFICATE) as server,
            connected(server.port, CERTIFICATE) as channel,
        ):
            await scenario(channel, server)

    asyncio.run(main())


@pytest.mark.parametrize("service", REFLECTION_SERVICES)
def test_the_client_api_names_its_services_and_their_messages(service: str) -> None:
    async def scenario(channel: grpc.aio.Channel, _: ApiServer) -> None:
        answer = await ask(channel, service, list_services="")
        names = {item.name for item in answer.list_services_response.service}
        assert names == CLIENT_SERVICES
        answer = await ask(channel, service, file_containing_symbol="psetledger.v1.LedgerService")
        files = answer.file_descriptor_response.file_descriptor_proto
        made = FileDescriptorProto.FromString(files[0])
        assert made.name == "psetledger/v1/services.proto"
        assert "Submit" in {m.name for s in made.service for m in s.method}
        answer = await ask(channel, service, file_containing_symbol="psetledger.v1.Nothing")
        assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]

    run(scenario)


def test_a_reflection_client_finds_the_operators_methods(tmp_path: Path) -> None:
    """The public client: it builds the descriptors from what the server says."""

    def use() -> set[str]:
        with grpc.insecure_channel(
            f"unix:{tmp_path}/admin.sock", options=[("grpc.default_authority", "localhost")]
        ) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            assert "psetledger.v1.AdminService" in database.get_services()
            assert "psetledger.v1.LedgerService" not in database.get_services()
            found = DescriptorPool(database).FindServiceByName("psetledger.v1.AdminService")
            return {method.name for method in found.methods}

    async def main() -> set[str]:
        server = AdminServer(tmp_path / "admin.sock", cast("AdminPort", Silent()))
        await server.start()
        try:
            return await asyncio.to_thread(use)
        finally:
            await server.stop(1_000)

    assert {"GetStatus", "Isolate", "Stop"} <= asyncio.run(main())


def test_streams_are_few_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflection, "STREAMS_COUNT_MAX", 2)

    async def scenario(channel: grpc.aio.Channel, _: ApiServer) -> None:
        open_streams = [await stream(channel, REFLECTION_SERVICES[0]) for _ in range(2)]
        for held in open_streams:
            await held.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            assert (await held.read()).list_services_response.service
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(channel, REFLECTION_SERVICES[1], list_services="")
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await open_streams[0].done_writing()
        assert await open_streams[0].read() is grpc.aio.EOF
        answer = await ask(channel, REFLECTION_SERVICES[1], list_services="")
        assert answer.list_services_response.service, "its place is free again"
        open_streams[1].cancel()

    run(scenario)


def test_a_stream_that_lasts_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflection, "STREAM_MS_MAX", 50)

    async def scenario(channel: grpc.aio.Channel, _: ApiServer) -> None:
        held = await stream(channel, REFLECTION_SERVICES[0])
        await held.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        assert (await held.read()).list_services_response.service
        assert await held.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "stream lasts at most" in await held.details(), "not the client's own deadline"

    run(scenario)


def test_a_stream_asks_a_bounded_number_of_small_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reflection, "QUESTIONS_COUNT_MAX", 2)

    async def scenario(channel: grpc.aio.Channel, _: ApiServer) -> None:
        held = await stream(channel, REFLECTION_SERVICES[0])
        for _question in range(2):
            await held.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            assert (await held.read()).list_services_response.service
        await held.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        assert await held.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(channel, REFLECTION_SERVICES[0], file_by_filename="x" * 5_000)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    run(scenario)


def test_without_reflection_nothing_is_told() -> None:
    async def main() -> None:
        keys = make_keys("n1")
        leaf = LeafIssuer(keys.tls, CERTIFICATE, "n1", time_ms=wall_time_ms).current()
        server = ApiServer(
            cast("LedgerNode", Silent()),
            ("127.0.0.1", 0),
            limits=LIMITS,
            key_pair=lambda: (leaf.private_key, leaf.certificate_chain),
            reflection=False,
        )
        await server.start()
        try:
            async with connected(server.port, CERTIFICATE) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await ask(channel, REFLECTION_SERVICES[0], list_services="")
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        finally:
            await server.stop(0)

    asyncio.run(main())
    assert len(Reflection(("a.B",)).generic_handlers()) == 2
