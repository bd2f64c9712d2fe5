# SPDX-License-Identifier: Apache-2.0
"""Validators' transports over real gRPC and TLS on loopback: delivery, limits, links that break."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Self, cast

import grpc
import grpc.aio
import pytest

from ledger.node.config import PeerOptions
from ledger.node.errors import NodeError
from ledger.node.peers import CertificateMessage, ForwardMessage, PeerMessage
from ledger.node.tls import LEAF_LIFETIME, LEAF_RENEWED_BEFORE, encode_root_certificates
from ledger.node.transport.codec import FRAME_FILL_SIZE, MESSAGE_SIZE_MAX
from ledger.node.transport.links import ACCEPTED_METADATA, BACKOFF_MS_MAX
from ledger.node.transport.server import SERVICE
from tests.support.peer_world import (
    GRACE_MS,
    WAIT_SECONDS_MAX,
    World,
    make_issuer,
    make_validator,
    until,
    vote,
    wall_time_ms,
    world,
)

Scenario = Callable[[World], Awaitable[None]]


def run(scenario: Scenario, *ids: str) -> None:
    async def main() -> None:
        async with world(*ids) as made:
            await scenario(made)

    asyncio.run(main())


async def pair(made: World, **options: Any) -> None:
    """n1 and n2, connected both ways; the options are n1's."""
    await made.start("n1", **options)
    await made.start("n2")
    made.introduce()
    await made.until_connected()


def test_three_validators_tell_each_other_everything_in_order() -> None:
    async def scenario(made: World) -> None:
        for name in ("n1", "n2", "n3"):
            await made.start(name)
        made.introduce()
        await made.until_connected()
        for sender in made.transports.values():
            for number in range(1000):
                for name, other in made.transports.items():
                    if other is not sender:
                        assert sender.is_connected(name)
                        sender.send(name, vote(number))
        for name, recorder in made.recorders.items():
            for peer in made.transports:
                if peer != name:
                    await recorder.until_received(peer, [vote(n) for n in range(1000)])
        for name, transport in made.transports.items():
            traffic = transport.traffic()
            assert sorted(traffic) == sorted(set(made.transports) - {name})
            for found in traffic.values():
                assert (found.sent_count, found.received_count) == (1000, 1000)
                assert found.sent_frames_count < 500, "what waits shares frames"
                assert (found.dropped_count, found.queue_count, found.queue_bytes) == (0, 0, 0)
                assert found.connections_count == 1
                assert found.is_connected
                assert found.is_heard
        assert not any(recorder.losses for recorder in made.recorders.values())

    run(scenario, "n1", "n2", "n3")


def test_large_messages_have_frames_of_their_own() -> None:
    async def scenario(made: World) -> None:
        await pair(made)
        large = ForwardMessage((bytes(256 * 1024),) * 31)
        certificates = [CertificateMessage(bytes(10_000)) for _ in range(200)]
        messages: list[PeerMessage] = [vote(1), large, vote(2), *certificates]
        for message in messages:
            made.transports["n1"].send("n2", message)
        await made.recorders["n2"].until_received("n1", messages)
        traffic = made.transports["n1"].traffic()["n2"]
        assert traffic.sent_frames_count >= 2 + 200 * 10_000 // FRAME_FILL_SIZE

    run(scenario, "n1", "n2")


def test_a_message_that_cannot_travel_is_dropped_and_reported() -> None:
    async def scenario(made: World) -> None:
        await pair(made)
        sender = made.transports["n1"]
        sender.send("n2", ForwardMessage((bytes(256 * 1024),) * (MESSAGE_SIZE_MAX // 256 // 1024)))
        assert made.recorders["n1"].losses == [], "never from within send"
        await made.recorders["n1"].until(lambda: made.recorders["n1"].losses == ["n2"])
        sender.send("n2", vote(1))
        await made.recorders["n2"].until_received("n1", [vote(1)])
        assert len(made.recorders["n2"].received) == 1
        assert sender.traffic()["n2"].dropped_count == 1

    run(scenario, "n1", "n2")


def test_nobodys_id_is_reported_lost() -> None:
    async def scenario(made: World) -> None:
        transport = await made.start("n1")
        transport.send("n9", vote(1))
        await made.recorders["n1"].until(lambda: made.recorders["n1"].losses == ["n9"])
        assert not transport.is_connected("n9")
        assert transport.traffic() == {}

    run(scenario, "n1")


class Rude:
    """A validator's listener that says yes to the hello and then does something else."""

    def __init__(self, name: str, then: Callable[[Any], Awaitable[None]]) -> None:
        self._then = then
        validator = make_validator(name)
        leaf = make_issuer(validator).current()
        self._server = grpc.aio.server()
        handler = cast("Any", grpc.stream_unary_rpc_method_handler(self._serve))
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, {"Stream": handler})]
        )
        roots = encode_root_certificates([make_validator("n1")])
        credentials = grpc.ssl_server_credentials(
            [(leaf.private_key, leaf.certificate_chain)], roots, require_client_auth=True
        )
        self.port = self._server.add_secure_port("127.0.0.1:0", credentials)

    async def _serve(self, _: Any, context: Any) -> bytes:
        await context.read()
        await context.send_initial_metadata((ACCEPTED_METADATA,))
        await self._then(context)
        return b""

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)


def test_a_peer_that_does_not_read_fills_only_its_own_queue() -> None:
    async def scenario(made: World) -> None:
        options = PeerOptions(queue_count_max=1000, queue_bytes_max=8 * 1024 * 1024)

        is_over = asyncio.Event()

        async def read_no_further(_: Any) -> None:
            await is_over.wait()

        async with Rude("n3", read_no_further) as deaf:
            sender = await made.start("n1", options=options)
            await made.start("n2")
            addresses = {name: ("127.0.0.1", t.port) for name, t in made.transports.items()}
            sender.set_addresses({**addresses, "n3": ("127.0.0.1", deaf.port)})
            recorder = made.recorders["n1"]
            await recorder.until_connected("n2")
            await recorder.until_connected("n3")
            number = 0
            while "n3" not in recorder.losses:
                # 16 KB each: far more than the socket and the windows between them hold.
                sender.send("n3", CertificateMessage(bytes(16_000)))
                sender.send("n2", vote(number))
                number += 1
                assert number < 100_000, "the queue has a bound"
                await asyncio.sleep(0)
            stuck = sender.traffic()["n3"]
            assert stuck.dropped_count >= 1
            assert 500 <= stuck.queue_count <= 1000
            assert stuck.queue_bytes <= 8 * 1024 * 1024
            assert sender.is_connected("n3")
            await made.recorders["n2"].until_received("n1", [vote(n) for n in range(number)])
            assert "n2" not in recorder.losses
            assert sender.traffic()["n2"].dropped_count == 0
            # A link that breaks takes its queue with it.
            is_over.set()
            await recorder.until_connected("n3", times=2)
            after = sender.traffic()["n3"]
            assert (after.queue_count, after.queue_bytes) == (0, 0)
            assert after.dropped_count >= stuck.dropped_count + stuck.queue_count
            await made.stop("n1", grace_ms=100)

    run(scenario, "n1", "n2", "n3")


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.OK])
def test_a_link_outlives_whatever_way_its_stream_is_ended(code: grpc.StatusCode) -> None:
    async def end(context: Any) -> None:
        if code is not grpc.StatusCode.OK:
            await context.abort(code, "not now")

    async def scenario(made: World) -> None:
        async with Rude("n2", end) as rude:
            sender = await made.start("n1")
            sender.set_addresses({"n2": ("127.0.0.1", rude.port)})
            await made.recorders["n1"].until_connected("n2", times=3)
            assert made.recorders["n1"].losses.count("n2") >= 2
            await made.stop("n1", grace_ms=0)

    run(scenario, "n1", "n2")


@pytest.mark.parametrize(
    ("message_size", "options", "taken"),
    [
        (0, PeerOptions(queue_count_max=16), 16),
        (
            2 * 1024 * 1024,
            PeerOptions(queue_bytes_max=8 * 1024 * 1024),
            3,
        ),
    ],
)
def test_a_full_queue_drops_the_new_message(
    message_size: int, options: PeerOptions, taken: int
) -> None:
    async def scenario(made: World) -> None:
        await pair(made, options=options)
        sender = made.transports["n1"]
        part = bytes(256 * 1024)
        messages = [
            ForwardMessage((b"%d" % number, *[part] * (message_size // len(part))))
            for number in range(taken + 5)
        ]
        for message in messages:  # the loop does not turn: nothing leaves meanwhile
            sender.send("n2", message)
        assert sender.traffic()["n2"].queue_count == taken
        assert sender.traffic()["n2"].dropped_count == 5
        await made.recorders["n2"].until_received("n1", messages[:taken])
        assert made.recorders["n1"].losses == ["n2"], "once for all of one turn"
        sender.send("n2", vote(1))
        await made.recorders["n2"].until_received("n1", [vote(1)])
        assert len(made.recorders["n2"].received) == taken + 1

    run(scenario, "n1", "n2")


def test_links_come_back_when_a_peer_does() -> None:
    async def scenario(made: World) -> None:
        await pair(made)
        first, recorder = made.transports["n1"], made.recorders["n1"]
        port = made.transports["n2"].port
        await made.stop("n2")
        await recorder.until_lost("n2")
        assert not first.is_connected("n2")
        losses = len(recorder.losses)
        # Attempts fail meanwhile, and nothing is kept for later.
        await recorder.until(lambda: len(recorder.losses) > losses + 1)
        first.send("n2", vote(1))
        second = await made.start("n2", port=port)
        made.introduce(["n2"])
        await recorder.until_connected("n2", times=2)
        await made.recorders["n2"].until_connected("n1")
        first.send("n2", vote(2))
        await made.recorders["n2"].until_received("n1", [vote(2)])
        assert made.recorders["n2"].received[-1] == ("n1", vote(2))
        second.send("n1", vote(3))
        await recorder.until_received("n2", [vote(3)])
        assert first.traffic()["n2"].connections_count == 2

    run(scenario, "n1", "n2")


def test_a_peer_that_dials_is_dialled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.node.transport.links.BACKOFF_MS_MIN", 3_600_000)
    monkeypatch.setattr("ledger.node.transport.links.BACKOFF_MS_MAX", 3_600_000)

    async def scenario(made: World) -> None:
        await pair(made)
        port = made.transports["n2"].port
        await made.stop("n2")
        recorder = made.recorders["n1"]
        await recorder.until_lost("n2")
        first = made.transports["n1"]
        dropped_count = first.traffic()["n2"].dropped_count
        first.send("n2", vote(1))
        assert first.traffic()["n2"].dropped_count == dropped_count + 1, "nothing waits for hours"
        assert first.traffic()["n2"].queue_count == 0
        await made.start("n2", port=port)
        made.introduce(["n2"])
        await recorder.until_connected("n2", times=2)

    run(scenario, "n1", "n2")


def test_a_renewed_leaf_is_taken_up_without_loss() -> None:
    async def scenario(made: World) -> None:
        behind = LEAF_LIFETIME - LEAF_RENEWED_BEFORE + timedelta(hours=1)

        def time_ms() -> int:
            return wall_time_ms() - behind // timedelta(milliseconds=1)

        issuer = make_issuer(make_validator("n1"), time_ms=time_ms)
        await pair(made, issuer=issuer)
        sender, leaf = made.transports["n1"], issuer.current()
        sender.send("n2", vote(0))
        await made.recorders["n2"].until_received("n1", [vote(0)])
        assert issuer.current() is leaf
        behind = timedelta()
        for number in range(1, 100):
            sender.send("n2", vote(number))
        await made.recorders["n2"].until_received("n1", [vote(n) for n in range(100)])
        assert issuer.current() is not leaf
        assert sender.traffic()["n2"].connections_count == 2
        assert sender.traffic()["n2"].dropped_count == 0
        assert made.recorders["n1"].losses == []

    run(scenario, "n1", "n2")


def test_isolation_drops_both_ways_until_healed() -> None:
    async def scenario(made: World) -> None:
        for name in ("n1", "n2", "n3"):
            await made.start(name, is_isolation_allowed=name == "n1")
        made.introduce()
        await made.until_connected()
        first, recorder = made.transports["n1"], made.recorders["n1"]
        first.set_isolated(["n2"])
        assert not first.is_connected("n2")
        assert first.is_connected("n3")
        for name in ("n2", "n3"):
            first.send(name, vote(1))
            made.transports[name].send("n1", vote(2))
        await made.recorders["n3"].until_received("n1", [vote(1)])
        await recorder.until_received("n3", [vote(2)])
        await recorder.until(lambda: recorder.losses == ["n2"])
        await until(lambda: first.traffic()["n2"].ignored_count == 1)
        first.set_isolated(())
        await recorder.until_connected("n2", times=2)
        first.send("n2", vote(3))
        made.transports["n2"].send("n1", vote(4))
        await made.recorders["n2"].until_received("n1", [vote(3)])
        await recorder.until_received("n2", [vote(4)])
        assert made.recorders["n2"].of("n1") == [vote(3)]
        assert recorder.of("n2") == [vote(4)]
        assert first.traffic()["n2"].ignored_count == 1
        first.set_isolated(None)
        assert not any(first.is_connected(name) for name in ("n2", "n3"))

    run(scenario, "n1", "n2", "n3")


def test_isolation_needs_the_configuration() -> None:
    async def scenario(made: World) -> None:
        await pair(made)
        with pytest.raises(NodeError) as caught:
            made.transports["n1"].set_isolated(None)
        assert caught.value.code == "ISOLATION_NOT_ALLOWED"
        assert made.transports["n1"].is_connected("n2")

    run(scenario, "n1", "n2")


class Cable:
    """Bytes both ways between a link and a listener, until it is cut: no end, no reset, nothing."""

    def __init__(self, port: int) -> None:
        self._port_behind = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._sinks: list[asyncio.StreamWriter] = []
        self._is_whole = True
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for sink in self._sinks:
            sink.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def cut(self) -> None:
        self._is_whole = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port_behind)
        self._sinks += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._tasks.add(asyncio.create_task(self._carry(source, sink)))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if self._is_whole:
                    sink.write(data)
            if self._is_whole:
                sink.close()
        except ConnectionError:
            sink.close()


def test_a_dead_connection_is_noticed() -> None:
    async def scenario(made: World) -> None:
        keepalive_ms = 300
        sender = await made.start("n1", keepalive_ms=keepalive_ms)
        await made.start("n2")
        async with Cable(made.transports["n2"].port) as cable:
            sender.set_addresses({"n2": ("127.0.0.1", cable.port)})
            recorder = made.recorders["n1"]
            await recorder.until_connected("n2")
            cable.cut()
            loop = asyncio.get_running_loop()
            begun_at = loop.time()
            await recorder.until_lost("n2")
            assert loop.time() - begun_at < 20 * keepalive_ms / 1000
            assert not sender.is_connected("n2")
            await made.stop("n1", grace_ms=0)

    run(scenario, "n1", "n2")


def test_what_is_queued_leaves_before_a_stop() -> None:
    async def scenario(made: World) -> None:
        await pair(made)
        for number in range(500):
            made.transports["n1"].send("n2", vote(number))
        await made.stop("n1", grace_ms=GRACE_MS)
        assert made.recorders["n2"].of("n1") == [vote(n) for n in range(500)]

    run(scenario, "n1", "n2")


def test_addresses_may_change() -> None:
    async def scenario(made: World) -> None:
        for name in ("n1", "n2", "n3"):
            await made.start(name)
        made.introduce()
        await made.until_connected()
        sender, recorder = made.transports["n1"], made.recorders["n1"]
        sender.set_addresses({"n2": ("127.0.0.1", made.transports["n2"].port)})
        assert sender.is_connected("n2")
        assert not sender.is_connected("n3")
        await recorder.until_lost("n3")
        assert recorder.connections.count("n2") == 1, "links that stay are left alone"
        made.introduce(["n1"])
        await recorder.until_connected("n3", times=2)

    run(scenario, "n1", "n2", "n3")


def test_a_taken_port_is_an_error() -> None:
    async def scenario(made: World) -> None:
        first = await made.start("n1")
        with pytest.raises(OSError, match="cannot listen"):
            await made.start("n2", port=first.port)

    run(scenario, "n1", "n2")


def test_the_longest_pause_is_shorter_than_patience() -> None:
    assert BACKOFF_MS_MAX < WAIT_SECONDS_MAX * 1000
