# SPDX-License-Identifier: Apache-2.0
"""The services over real gRPC and TLS, on a node with stores in memory.

Long because every method is called well and badly, over the same node.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]

from ledger.api import server as server_module
from ledger.api.calls import REQUEST_SIZE_SMALL_MAX
from ledger.api.server import ApiServer, ServerLimits
from ledger.api.services import GET_MANY_SIZE_MAX, REQUEST_SIZE_MAX
from ledger.model import schema
from ledger.model.receipts import ReceiptCode
from ledger.model.verification import (
    decode_certified_head,
    decode_proven_state,
    decode_transaction_proof,
    verify_children,
    verify_head,
    verify_proven_state,
    verify_transaction_proof,
)
from ledger.node.core import NodeCore
from psetledger.v1 import services_pb2 as messages
from tests.support.api_client import LIMITS, call, connected, refused, serving
from tests.support.ledger_world import make_tls_certificate
from tests.support.node_harness import NodeHarness, replay, until

Scenario = Callable[[NodeHarness, NodeCore, ApiServer, grpc.aio.Channel], Awaitable[None]]


def run(tmp_path: Path, scenario: Scenario, *, limits: ServerLimits = LIMITS) -> None:
    async def main() -> None:
        harness = NodeHarness(tmp_path)
        certificate = harness.genesis.validators[0].tls_certificate
        async with harness.running() as core:
            await harness.until_height(core, 1)
            async with (
                serving(core.node, harness.keys, certificate, limits=limits) as server,
                connected(server.port, certificate) as channel,
            ):
                await scenario(harness, core, server, channel)
        replay(harness)

    asyncio.run(main())


async def submit(channel: grpc.aio.Channel, transaction: bytes) -> messages.SubmitResponse:
    request = messages.SubmitRequest(transaction=transaction, wait=messages.WAIT_CERTIFIED)
    data = await call(channel, "LedgerService/Submit", request.SerializeToString())
    return messages.SubmitResponse.FromString(data)


def test_a_write_and_reads_are_proven(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        answer = await submit(channel, harness.transaction(1))
        proof = decode_transaction_proof(answer.proof)
        verified = verify_transaction_proof(proof, answer.transaction_id, harness.trust)
        assert verified.receipt.code == ReceiptCode.APPLIED

        keys = [schema.validators_key(), schema.resource_name_key("schema-1"), b"did\x00nobody"]
        data = await call(
            channel, "QueryService/GetMany", messages.GetManyRequest(keys=keys).SerializeToString()
        )
        proven = decode_proven_state(messages.ProvenStateResponse.FromString(data).proven_state)
        state = verify_proven_state(proven, keys, harness.trust)
        assert [state.values[key] is None for key in keys] == [False, False, True]

        data = await call(
            channel, "QueryService/Get", messages.GetRequest(key=keys[0]).SerializeToString()
        )
        proven = decode_proven_state(messages.ProvenStateResponse.FromString(data).proven_state)
        verify_proven_state(proven, keys[:1], harness.trust)

        parent = schema.organisations_key()
        request = messages.ListChildrenRequest(parent_key=parent, limit=3)
        data = await call(channel, "QueryService/ListChildren", request.SerializeToString())
        proven = decode_proven_state(messages.ProvenStateResponse.FromString(data).proven_state)
        assert len(verify_children(proven, parent, 0, 3, harness.trust).values) == 4

        for method, message in (
            ("GetHead", messages.GetHeadRequest()),
            ("GetCertificate", messages.GetCertificateRequest(height=2)),
        ):
            data = await call(channel, f"BlockService/{method}", message.SerializeToString())
            head = messages.CertifiedHeadResponse.FromString(data).certified_head
            assert verify_head(decode_certified_head(head), harness.trust).height == 2

        data = await call(
            channel,
            "BlockService/GetBlock",
            messages.GetBlockRequest(height=2).SerializeToString(),
        )
        block = messages.GetBlockResponse.FromString(data)
        assert block.proposal
        assert block.certificate
        assert len(block.receipts) == 1

        status = messages.GetNodeStatusResponse.FromString(
            await call(channel, "NodeService/GetStatus", b"")
        )
        assert (status.node_id, status.height, status.voting) == ("n1", 2, True)
        assert status.chain_id == harness.genesis.chain_id
        assert status.state_root == core.driver.tip.state_root
        genesis = messages.GetGenesisResponse.FromString(
            await call(channel, "NodeService/GetGenesis", b"")
        )
        assert genesis.genesis == core.node.get_genesis()

    run(tmp_path, scenario)


def test_retries_get_the_same_answer(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        transaction = harness.transaction(1)
        answers = await asyncio.gather(*(submit(channel, transaction) for _ in range(20)))
        assert all(answer == answers[0] for answer in answers)
        height = core.driver.tip.height
        assert await submit(channel, transaction) == answers[0]
        assert core.driver.tip.height == height
        lookup = messages.GetTransactionRequest(transaction_id=answers[0].transaction_id)
        data = await call(channel, "LedgerService/GetTransaction", lookup.SerializeToString())
        found = messages.GetTransactionResponse.FromString(data)
        assert found.state == messages.TRANSACTION_STATE_CERTIFIED
        assert found.proof == answers[0].proof
        body = harness.world.check(transaction).body
        lookup = messages.GetTransactionRequest(
            author=body.author, idempotency_key=body.idempotency_key
        )
        data = await call(channel, "LedgerService/GetTransaction", lookup.SerializeToString())
        assert messages.GetTransactionResponse.FromString(data) == found

    run(tmp_path, scenario)


def test_a_batch_answers_each(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        transactions = [harness.transaction(n) for n in range(5)]
        transactions[3] = transactions[3][:-1]
        request = messages.SubmitBatchRequest(transactions=transactions)
        data = await call(channel, "LedgerService/SubmitBatch", request.SerializeToString())
        results = messages.SubmitBatchResponse.FromString(data).results
        assert [result.code for result in results] == ["", "", "", "MALFORMED", ""]
        for number, result in enumerate(results):
            if number != 3:
                proof = decode_transaction_proof(result.proof)
                verify_transaction_proof(proof, result.transaction_id, harness.trust)
        accepted = messages.SubmitBatchRequest(
            transactions=transactions, wait=messages.WAIT_ACCEPTED
        )
        data = await call(channel, "LedgerService/SubmitBatch", accepted.SerializeToString())
        for number, result in enumerate(messages.SubmitBatchResponse.FromString(data).results):
            assert result.proof == b""
            assert bool(result.transaction_id) == (number != 3)

    run(tmp_path, scenario)


def test_refusals_carry_their_reason(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        good = harness.transaction(1)
        bad_signature = good[:-1] + bytes((good[-1] ^ 1,))
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        cases = [
            ("LedgerService/Submit", messages.SubmitRequest(), invalid, "MALFORMED"),
            (
                "LedgerService/Submit",
                messages.SubmitRequest(transaction=bad_signature),
                grpc.StatusCode.UNAUTHENTICATED,
                "SIGNATURE_INVALID",
            ),
            (
                "LedgerService/SubmitBatch",
                messages.SubmitBatchRequest(),
                grpc.StatusCode.OUT_OF_RANGE,
                "RESOURCE_LIMIT",
            ),
            ("LedgerService/DryRun", messages.DryRunRequest(), invalid, "MALFORMED"),
            (
                "LedgerService/GetTransaction",
                messages.GetTransactionRequest(),
                invalid,
                "MALFORMED",
            ),
            (
                "LedgerService/GetTransaction",
                messages.GetTransactionRequest(transaction_id=b"short"),
                invalid,
                "MALFORMED",
            ),
            (
                "LedgerService/GetTransaction",
                messages.GetTransactionRequest(transaction_id=bytes(32), author="x"),
                invalid,
                "MALFORMED",
            ),
            ("QueryService/Get", messages.GetRequest(), invalid, "MALFORMED"),
            (
                "QueryService/GetMany",
                messages.GetManyRequest(keys=[b"k%d" % n for n in range(1025)]),
                grpc.StatusCode.OUT_OF_RANGE,
                "RESOURCE_LIMIT",
            ),
            (
                "QueryService/ListChildren",
                messages.ListChildrenRequest(parent_key=b"nonsense", limit=1),
                invalid,
                "MALFORMED",
            ),
            (
                "BlockService/GetBlock",
                messages.GetBlockRequest(height=99),
                grpc.StatusCode.NOT_FOUND,
                "HEIGHT_UNKNOWN",
            ),
            (
                "BlockService/GetCertificate",
                messages.GetCertificateRequest(height=99),
                grpc.StatusCode.NOT_FOUND,
                "HEIGHT_UNKNOWN",
            ),
        ]
        for method, request, code, reason in cases:
            refusal = await refused(channel, method, request.SerializeToString())
            assert (refusal.code, refusal.reason) == (code, reason), method
            assert refusal.text
        assert core.driver.tip.height == 1, "nothing changed"
        unknown_wait = messages.SubmitRequest(transaction=good).SerializeToString() + b"\x10\x07"
        refusal = await refused(channel, "LedgerService/Submit", unknown_wait)
        assert refusal.reason == "MALFORMED"
        await submit(channel, good)

    run(tmp_path, scenario)


METHODS = (
    "LedgerService/Submit",
    "LedgerService/SubmitBatch",
    "LedgerService/DryRun",
    "LedgerService/GetTransaction",
    "QueryService/Get",
    "QueryService/GetMany",
    "QueryService/ListChildren",
    "BlockService/GetBlock",
    "BlockService/GetCertificate",
)


FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}


def test_no_bytes_end_more_than_their_own_call(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        rng = random.Random(5)
        transaction = harness.transaction(1)
        seeds = [
            messages.SubmitRequest(transaction=transaction).SerializeToString(),
            messages.SubmitBatchRequest(transactions=[transaction] * 2).SerializeToString(),
            messages.GetManyRequest(keys=[b"did\x00x", b"validators\x00"]).SerializeToString(),
            messages.ListChildrenRequest(
                parent_key=schema.organisations_key(), limit=5
            ).SerializeToString(),
        ]
        for _ in range(150):
            data = bytearray(rng.choice(seeds))
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            data = data[: rng.randrange(len(data) + 1)] + rng.randbytes(rng.randrange(3))
            method = rng.choice(METHODS)
            [outcome] = await asyncio.gather(
                call(channel, method, bytes(data)), return_exceptions=True
            )
            if isinstance(outcome, grpc.aio.AioRpcError):
                assert outcome.code() not in FAULTS, (method, bytes(data).hex())
            else:
                assert isinstance(outcome, bytes)
        await submit(channel, harness.transaction(2))

    run(tmp_path, scenario)


def encode_varint(number: int) -> bytes:
    octets: list[int] = []
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


def test_a_request_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        refusal = await refused(channel, "LedgerService/Submit", bytes(REQUEST_SIZE_MAX + 1))
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        refusal = await refused(
            channel,
            "LedgerService/Submit",
            messages.SubmitRequest(transaction=bytes(300_000)).SerializeToString(),
        )
        assert refusal.reason == "TOO_LARGE"
        for method, size in (
            ("QueryService/ListChildren", REQUEST_SIZE_SMALL_MAX),
            ("QueryService/GetMany", GET_MANY_SIZE_MAX),
            ("NodeService/GetStatus", REQUEST_SIZE_SMALL_MAX),
        ):
            # An unknown field, which parses.
            padded = b"\xfa\x7f" + encode_varint(size) + bytes(size)
            assert (await refused(channel, method, padded)).reason == "TOO_LARGE"
        await submit(channel, harness.transaction(1))

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (replace(LIMITS, calls_count_max=5), "5 calls are at work"),
        (replace(LIMITS, calls_per_host_max=5), "5 calls from this host are at work"),
    ],
)
def test_more_calls_at_once_than_allowed_are_refused(
    tmp_path: Path, limits: ServerLimits, text: str
) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        transactions = [harness.transaction(n) for n in range(5)]
        with harness.holding_blocks(core):
            waiting = [asyncio.ensure_future(submit(channel, t)) for t in transactions]
            await until(lambda: len(core.pool) == 5)
            refusal = await refused(channel, "NodeService/GetStatus", b"")
            assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert (refusal.reason, refusal.text) == ("OVERLOADED", text)
            assert refusal.retry_after_ms
            assert await check_health(channel, "") == SERVING, "a probe is no call among others"
        await asyncio.gather(*waiting)
        assert await call(channel, "NodeService/GetStatus", b"")

    run(tmp_path, scenario, limits=limits)


def test_the_deadline_is_answered_before_it_passes(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        transaction = harness.transaction(10)
        request = messages.SubmitRequest(transaction=transaction)
        with harness.holding_blocks(core):
            refusal = await refused(
                channel, "LedgerService/Submit", request.SerializeToString(), timeout=0.5
            )
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "PENDING",
        )
        assert refusal.retry_after_ms
        assert (await submit(channel, transaction)).proof

    run(tmp_path, scenario)


def test_a_client_that_goes_away_takes_nothing_with_it(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        transaction = harness.transaction(10)
        with harness.holding_blocks(core):
            gone = asyncio.ensure_future(submit(channel, transaction))
            await until(lambda: len(core.pool) == 1)
            gone.cancel()
            stays = asyncio.ensure_future(submit(channel, transaction))
            await asyncio.gather(gone, return_exceptions=True)
        assert (await stays).proof

    run(tmp_path, scenario)


def test_only_the_certificate_of_the_record_is_trusted(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        other = make_tls_certificate("n2")[0]
        own = harness.genesis.validators[0].tls_certificate
        for certificate, name in ((other, "n1"), (own, "n2")):
            async with connected(server.port, certificate, name=name) as stranger:
                refusal = await refused(stranger, "NodeService/GetStatus", b"", timeout=5.0)
                assert refusal.code is grpc.StatusCode.UNAVAILABLE
        for name in ("n1", "localhost"):
            async with connected(server.port, own, name=name) as friend:
                assert await call(friend, "NodeService/GetStatus", b"")
        with pytest.raises(grpc.aio.AioRpcError):
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as plain:
                await call(plain, "NodeService/GetStatus", b"", timeout=5.0)

    run(tmp_path, scenario)


def test_connections_made_after_renewal_get_the_new_leaf(tmp_path: Path) -> None:
    async def main() -> None:
        harness = NodeHarness(tmp_path)
        certificate = harness.genesis.validators[0].tls_certificate
        now = [time.time_ns() // 1_000_000 - 60 * 86_400_000]
        async with harness.running() as core:
            await harness.until_height(core, 1)
            async with serving(
                core.node, harness.keys, certificate, time_ms=lambda: now[0]
            ) as server:
                async with connected(server.port, certificate) as channel:
                    expired = await refused(channel, "NodeService/GetStatus", b"", timeout=5.0)
                    assert expired.code is grpc.StatusCode.UNAVAILABLE
                now[0] += 60 * 86_400_000
                async with connected(server.port, certificate) as channel:
                    assert await call(channel, "NodeService/GetStatus", b"")

    asyncio.run(main())


@pytest.mark.parametrize("method", ["NodeService/GetStatus", "LedgerService/Submit"])
def test_calls_that_send_no_request_take_no_place(tmp_path: Path, method: str) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        begin = cast("Any", channel.stream_unary(f"/psetledger.v1.{method}"))
        silent = [begin() for _ in range(12)]
        for stream in silent:
            await stream.wait_for_connection()
        for _ in range(3):
            assert await call(channel, "NodeService/GetStatus", b"")
        for stream in silent:
            assert not stream.done()
            stream.cancel()

    run(tmp_path, scenario, limits=replace(LIMITS, calls_count_max=5))


def test_silent_connections_are_few_and_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_MS_MAX", 3_000)

    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        assert await call(channel, "NodeService/GetStatus", b"")
        silent: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        try:
            silent += await asyncio.gather(
                *(asyncio.open_connection("127.0.0.1", server.port) for _ in range(10))
            )
            # Beside the channel's own there is room for three; the others end at once.
            ended = [asyncio.ensure_future(is_ended(reader)) for reader, _ in silent]
            await asyncio.wait_for(until(lambda: sum(task.done() for task in ended) >= 7), 20)
            assert sum(task.done() for task in ended) == 7
            assert await call(channel, "NodeService/GetStatus", b""), "who is in stays in"
            await asyncio.wait_for(asyncio.gather(*ended), 20)
        finally:
            for _, writer in silent:
                writer.close()
        certificate = harness.genesis.validators[0].tls_certificate
        async with connected(server.port, certificate) as another:
            assert await call(another, "NodeService/GetStatus", b"")

    run(tmp_path, scenario, limits=replace(LIMITS, connections_count_max=4))


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Return when the other side closes."""
    try:
        return not await reader.read()
    except ConnectionError:
        return True


SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def check_health(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    data = await call(channel, "Health/Check", request.SerializeToString())
    status: int = health_pb2.HealthCheckResponse.FromString(data).status
    return status


def test_health(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        for service in ("", "psetledger.v1.LedgerService", "psetledger.v1.QueryService"):
            assert await check_health(channel, service) == SERVING
        unknown = await refused(channel, "Health/Check", b"\x0a\x01x")
        assert unknown.code is grpc.StatusCode.NOT_FOUND
        malformed = await refused(channel, "Health/Check", b"\xff")
        assert malformed.reason == "MALFORMED"
        server.set_serving(serving=False)
        assert await check_health(channel, "") == NOT_SERVING

    run(tmp_path, scenario)


def test_a_node_that_takes_no_transactions_is_not_healthy_for_writes(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        harness.clock.wall_ahead_ms = 60_000
        assert await check_health(channel, "psetledger.v1.LedgerService") == NOT_SERVING
        assert await check_health(channel, "psetledger.v1.QueryService") == SERVING
        harness.clock.wall_ahead_ms = 0
        assert await check_health(channel, "psetledger.v1.LedgerService") == SERVING

    run(tmp_path, scenario)


def test_nobody_holds_calls_open_by_watching_health(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        begin = cast("Any", channel.unary_stream("/grpc.health.v1.Health/Watch"))
        for _ in range(LIMITS.calls_count_max + 1):
            watch = begin(b"")
            assert await watch.code() is grpc.StatusCode.UNIMPLEMENTED
        assert await call(channel, "NodeService/GetStatus", b"")

    run(tmp_path, scenario)


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    async def scenario(
        harness: NodeHarness, core: NodeCore, server: ApiServer, channel: grpc.aio.Channel
    ) -> None:
        certificate = harness.genesis.validators[0].tls_certificate
        with pytest.raises(OSError, match="cannot listen"):
            async with serving(core.node, harness.keys, certificate, port=server.port):
                pass

    run(tmp_path, scenario)
