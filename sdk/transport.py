# SPDX-License-Identifier: Apache-2.0
"""gRPC to one node: TLS pinned to its record in genesis, deadlines, errors by whose turn it is.

- The CA certificate in the validator's record is the only root, and the name asked of the leaf is
  the validator's id whatever its address: no public authority, no DNS, no calendar decides.
- A call first waits for the connection, so that "never left" and "may have arrived" are told apart.
- No retries here (gRPC's own are off): `sdk.failover` decides, it knows what may be repeated.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc import (  # type: ignore[import-untyped]
    error_details_pb2,  # pyright: ignore[reportMissingTypeStubs]
    status_pb2,  # pyright: ignore[reportMissingTypeStubs]
)

from ledger.model.limits import (
    BLOCK_SIZE_MAX,
    PROPOSAL_SIZE_MAX,
    PROVEN_STATE_SIZE_MAX,
    RECEIPT_SIZE_MAX,
)
from ledger.model.receipts import ApiReason
from psetledger.v1 import services_pb2 as pb
from psetledger.v1 import services_pb2_grpc as rpc
from sdk.node_api import (
    BatchAnswer,
    BatchItem,
    BlockAnswer,
    CallFault,
    NodeCallError,
    SubmitAnswer,
    TransactionAnswer,
    TransactionState,
    TrustPathAnswer,
)
from sdk.results import NodeStatus, Wait

ANSWER_SIZE_MAX: Final = (
    max(PROVEN_STATE_SIZE_MAX, PROPOSAL_SIZE_MAX + BLOCK_SIZE_MAX, RECEIPT_SIZE_MAX) + 1024 * 1024
)
"""Bytes of the largest answer: a block of the largest size with its receipts."""
CONNECT_SECONDS_MAX: Final = 5.0
RECONNECT_SECONDS_MAX: Final = 0.25
"""How long a call waits for a connection that failed before."""
KEEPALIVE_MS: Final = 60_000
STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"
STATUS_DETAILS_SIZE_MAX: Final = 16 * 1024
LEADER_KEY: Final = "leader"
"""In the metadata of ErrorInfo: id of the validator that leads."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", ANSWER_SIZE_MAX),
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
)

_BUSY: Final = frozenset({"OVERLOADED", "NOT_READY"})
_T = TypeVar("_T")


class GrpcNode:
    """A node over gRPC. Belongs to the event loop in which it is first used."""

    def __init__(self, validator: str, address: str, tls_certificate: bytes) -> None:
        """Args: address: host:port; tls_certificate: DER, from the validator's record."""
        self._validator = validator
        self._address = address
        self._tls_certificate = tls_certificate
        self._channel: grpc.aio.Channel | None = None

    @property
    def name(self) -> str:
        return f"{self._validator} ({self._address})"

    @property
    def validator(self) -> str:
        return self._validator

    async def submit(self, transaction: bytes, wait: Wait, *, seconds: float) -> SubmitAnswer:
        request = pb.SubmitRequest(transaction=transaction, wait=_WAITS[wait])
        answer: pb.SubmitResponse = await self._call(
            lambda channel: rpc.LedgerServiceStub(channel).Submit, request, seconds
        )
        return SubmitAnswer(answer.proof, answer.leader)

    async def submit_batch(
        self, transactions: Sequence[bytes], wait: Wait, *, seconds: float
    ) -> BatchAnswer:
        request = pb.SubmitBatchRequest(transactions=transactions, wait=_WAITS[wait])
        answer: pb.SubmitBatchResponse = await self._call(
            lambda channel: rpc.LedgerServiceStub(channel).SubmitBatch, request, seconds
        )
        items = [BatchItem(item.proof, item.code, item.text) for item in answer.results]
        return BatchAnswer(items, answer.leader)

    async def dry_run(self, transaction: bytes, *, seconds: float) -> bytes:
        request = pb.DryRunRequest(transaction=transaction)
        answer: pb.DryRunResponse = await self._call(
            lambda channel: rpc.LedgerServiceStub(channel).DryRun, request, seconds
        )
        return answer.receipt

    async def get_transaction(
        self,
        *,
        transaction_id: bytes = b"",
        author: str = "",
        idempotency_key: bytes = b"",
        seconds: float,
    ) -> TransactionAnswer:
        request = pb.GetTransactionRequest(
            transaction_id=transaction_id, author=author, idempotency_key=idempotency_key
        )
        answer: pb.GetTransactionResponse = await self._call(
            lambda channel: rpc.LedgerServiceStub(channel).GetTransaction, request, seconds
        )
        try:
            return TransactionAnswer(TransactionState(answer.state), answer.proof)
        except ValueError:
            raise NodeCallError(
                CallFault.NODE_FAULT, f"{self.name} answers with an unknown state"
            ) from None

    async def get_many(self, keys: Sequence[bytes], *, seconds: float) -> bytes:
        request = pb.GetManyRequest(keys=keys)
        answer: pb.ProvenStateResponse = await self._call(
            lambda channel: rpc.QueryServiceStub(channel).GetMany, request, seconds
        )
        return answer.proven_state

    async def list_children(
        self, parent_key: bytes, first: int, limit: int, *, seconds: float
    ) -> bytes:
        request = pb.ListChildrenRequest(parent_key=parent_key, limit=limit)
        setattr(request, "from", first)  # a keyword of Python
        answer: pb.ProvenStateResponse = await self._call(
            lambda channel: rpc.QueryServiceStub(channel).ListChildren, request, seconds
        )
        return answer.proven_state

    async def get_head(self, *, seconds: float) -> bytes:
        answer: pb.CertifiedHeadResponse = await self._call(
            lambda channel: rpc.BlockServiceStub(channel).GetHead, pb.GetHeadRequest(), seconds
        )
        return answer.certified_head

    async def get_head_at(self, height: int, *, seconds: float) -> bytes:
        answer: pb.CertifiedHeadResponse = await self._call(
            lambda channel: rpc.BlockServiceStub(channel).GetCertificate,
            pb.GetCertificateRequest(height=height),
            seconds,
        )
        return answer.certified_head

    async def get_block(self, height: int, *, seconds: float) -> BlockAnswer:
        answer: pb.GetBlockResponse = await self._call(
            lambda channel: rpc.BlockServiceStub(channel).GetBlock,
            pb.GetBlockRequest(height=height),
            seconds,
        )
        return BlockAnswer(
            answer.proposal, answer.header, answer.certificate, tuple(answer.receipts)
        )

    async def get_trust_path(
        self, from_height: int, count: int, *, seconds: float
    ) -> TrustPathAnswer:
        answer: pb.GetTrustPathResponse = await self._call(
            lambda channel: rpc.BlockServiceStub(channel).GetTrustPath,
            pb.GetTrustPathRequest(from_height=from_height, count=count),
            seconds,
        )
        return TrustPathAnswer(tuple(answer.steps))

    async def get_status(self, *, seconds: float) -> NodeStatus:
        answer: pb.GetNodeStatusResponse = await self._call(
            lambda channel: rpc.NodeServiceStub(channel).GetStatus,
            pb.GetNodeStatusRequest(),
            seconds,
        )
        return NodeStatus(
            chain_id=answer.chain_id,
            node_id=answer.node_id,
            organisation=answer.organisation,
            role=answer.role,
            height=answer.height,
            applied_height=answer.applied_height,
            voting=answer.voting,
            voting_reason=answer.voting_reason,
            state_root=answer.state_root.hex(),
            software_version=answer.software_version,
            protocol_version=answer.protocol_version,
            time=datetime.fromtimestamp(answer.time / 1000, UTC),
            term=answer.term,
            leader=answer.leader,
        )

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _call(
        self,
        method: Callable[[grpc.aio.Channel], Callable[..., Awaitable[_T]]],
        request: Any,
        seconds: float,
    ) -> _T:
        deadline = asyncio.get_running_loop().time() + seconds
        channel = await self._connect(min(seconds, CONNECT_SECONDS_MAX))
        remaining = max(deadline - asyncio.get_running_loop().time(), 0.001)
        try:
            return await method(channel)(request, timeout=remaining)
        except grpc.aio.AioRpcError as error:
            raise as_call_error(error, self.name) from error

    async def _connect(self, seconds: float) -> grpc.aio.Channel:
        """The channel once its connection stands.

        UNREACHABLE as soon as the first try fails. Afterwards gRPC tries again by itself, but its
        state stays TRANSIENT_FAILURE until it succeeds: then a short look is enough, `sdk.failover`
        comes back.
        """
        channel = self._channel
        if channel is None:
            channel = self._channel = self._open()
        state = channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            seconds = min(seconds, RECONNECT_SECONDS_MAX)
        try:
            async with asyncio.timeout(seconds):
                while state is not grpc.ChannelConnectivity.READY:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        break
                else:
                    return channel
        except TimeoutError:
            pass
        raise NodeCallError(CallFault.UNREACHABLE, f"no connection to {self.name}")

    def _open(self) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=ssl.DER_cert_to_PEM_cert(self._tls_certificate).encode()
        )
        options: list[tuple[str, Any]] = [
            *_OPTIONS,
            ("grpc.ssl_target_name_override", self._validator),
            ("grpc.default_authority", self._validator),
        ]
        if _is_loopback(self._address):
            options.append(("grpc.enable_http_proxy", 0))
        return grpc.aio.secure_channel(self._address, credentials, options=options)


def as_call_error(error: grpc.aio.AioRpcError, name: str) -> NodeCallError:
    """What a failed call to the node of this name means."""
    reason, retry_after, leader = _read_details(error)
    text = error.details() or f"{name} answers {error.code().name}"
    fault = _fault(error.code(), reason)
    return NodeCallError(fault, text, reason=reason, retry_after=retry_after, leader=leader)


_WAITS: Final = {Wait.ACCEPTED: pb.WAIT_ACCEPTED, Wait.CERTIFIED: pb.WAIT_CERTIFIED}

_BROKEN_CODES: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
    }
)
_NODE_CODES: Final = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


def _fault(code: grpc.StatusCode, reason: str) -> CallFault:
    """Whose turn it is. A reason named by the node decides; without one, gRPC's own code."""
    if reason in _BUSY:
        return CallFault.BUSY
    if reason == ApiReason.PENDING:
        return CallFault.PENDING
    if reason == ApiReason.OUTCOME_UNKNOWN:
        return CallFault.BROKEN
    if reason == ApiReason.INTERNAL:
        return CallFault.NODE_FAULT
    if reason:
        return CallFault.REFUSED
    if code in _BROKEN_CODES:
        return CallFault.BROKEN
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return CallFault.BUSY
    return CallFault.NODE_FAULT if code in _NODE_CODES else CallFault.REFUSED


def _read_details(error: grpc.aio.AioRpcError) -> tuple[str, timedelta | None, str]:
    """Reason, retry delay and leader from the `google.rpc.Status` that came with an error."""
    reason, retry_after, leader = "", None, ""
    for key, value in error.trailing_metadata() or ():
        if key != STATUS_DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            status = status_pb2.Status.FromString(value[:STATUS_DETAILS_SIZE_MAX])
            for detail in status.details:
                info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    reason, leader = info.reason, info.metadata.get(LEADER_KEY, "")
                elif detail.Unpack(retry):
                    retry_after = timedelta(milliseconds=retry.retry_delay.ToMilliseconds())
        except DecodeError:
            continue  # whatever it is, it is no reason
    return reason, retry_after, leader


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
