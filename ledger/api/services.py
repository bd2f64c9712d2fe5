# SPDX-License-Identifier: Apache-2.0
"""The services of proto/psetledger/v1/services.proto over a `LedgerNode`: requests in, bytes out.

Thin: what a request means is decided by the node; here are its form and the names of the methods.
"""

from __future__ import annotations

from typing import Any, Final

import grpc

from ledger.api.calls import unary
from ledger.api.gate import CallGate
from ledger.api.ports import ApiError, LedgerNode, Submitted, TransactionState
from ledger.model.limits import DID_SIZE_MAX, HASH_SIZE, TRANSACTION_SIZE_MAX
from ledger.model.receipts import ReceiptCode
from psetledger.v1 import services_pb2 as messages

LEDGER_SERVICE: Final = "psetledger.v1.LedgerService"
QUERY_SERVICE: Final = "psetledger.v1.QueryService"
BLOCK_SERVICE: Final = "psetledger.v1.BlockService"
NODE_SERVICE: Final = "psetledger.v1.NodeService"

REQUEST_SIZE_MAX: Final = 4 * 1024 * 1024
"""Bytes of the largest request, a batch."""
SUBMIT_SIZE_MAX: Final = TRANSACTION_SIZE_MAX + 1024
GET_MANY_SIZE_MAX: Final = 1024 * 1024
"""A thousand keys of the longest form."""

_Read = messages.GetRequest | messages.GetManyRequest | messages.ListChildrenRequest

_STATES: Final = {
    TransactionState.UNKNOWN: messages.TRANSACTION_STATE_UNKNOWN,
    TransactionState.PENDING: messages.TRANSACTION_STATE_PENDING,
    TransactionState.CERTIFIED: messages.TRANSACTION_STATE_CERTIFIED,
}


def generic_handlers(node: LedgerNode, gate: CallGate) -> list[Any]:
    """What a gRPC server needs to serve a node; `gate` counts all calls."""
    services = {
        LEDGER_SERVICE: _ledger_methods(node, gate),
        QUERY_SERVICE: _query_methods(node, gate),
        BLOCK_SERVICE: _block_methods(node, gate),
        NODE_SERVICE: _node_methods(node, gate),
    }
    return [
        grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items()
    ]


def _ledger_methods(node: LedgerNode, gate: CallGate) -> dict[str, Any]:
    async def submit(request: messages.SubmitRequest, wait_ms: int) -> messages.SubmitResponse:
        answer = await node.submit(
            request.transaction, wait_ms=_effective_wait_ms(request.wait, wait_ms)
        )
        return messages.SubmitResponse(
            transaction_id=answer.transaction_id, proof=answer.proof, leader=answer.leader
        )

    async def submit_batch(
        request: messages.SubmitBatchRequest, wait_ms: int
    ) -> messages.SubmitBatchResponse:
        answers = await node.submit_many(
            request.transactions, wait_ms=_effective_wait_ms(request.wait, wait_ms)
        )
        return messages.SubmitBatchResponse(
            results=[_to_result(answer) for answer in answers],
            leader=next((answer.leader for answer in answers if answer.leader), ""),
        )

    async def dry_run(request: messages.DryRunRequest, _: int) -> messages.DryRunResponse:
        return messages.DryRunResponse(receipt=await node.dry_run(request.transaction))

    async def get_transaction(
        request: messages.GetTransactionRequest, _: int
    ) -> messages.GetTransactionResponse:
        state, proof = await _find_transaction(node, request)
        return messages.GetTransactionResponse(state=_STATES[state], proof=proof)

    return {
        "Submit": unary(messages.SubmitRequest, submit, gate, size_max=SUBMIT_SIZE_MAX),
        "SubmitBatch": unary(
            messages.SubmitBatchRequest, submit_batch, gate, size_max=REQUEST_SIZE_MAX
        ),
        "DryRun": unary(messages.DryRunRequest, dry_run, gate, size_max=SUBMIT_SIZE_MAX),
        "GetTransaction": unary(messages.GetTransactionRequest, get_transaction, gate),
    }


def _query_methods(node: LedgerNode, gate: CallGate) -> dict[str, Any]:
    async def confirm(request: _Read, wait_ms: int) -> None:
        if request.latest:
            await node.confirm_latest(wait_ms=wait_ms)

    async def get(request: messages.GetRequest, wait_ms: int) -> messages.ProvenStateResponse:
        await confirm(request, wait_ms)
        return messages.ProvenStateResponse(proven_state=await node.get_many([request.key]))

    async def get_many(
        request: messages.GetManyRequest, wait_ms: int
    ) -> messages.ProvenStateResponse:
        await confirm(request, wait_ms)
        return messages.ProvenStateResponse(proven_state=await node.get_many(request.keys))

    async def list_children(
        request: messages.ListChildrenRequest, wait_ms: int
    ) -> messages.ProvenStateResponse:
        await confirm(request, wait_ms)
        first: int = getattr(request, "from")
        return messages.ProvenStateResponse(
            proven_state=await node.list_children(request.parent_key, first, request.limit)
        )

    return {
        "Get": unary(messages.GetRequest, get, gate),
        "GetMany": unary(messages.GetManyRequest, get_many, gate, size_max=GET_MANY_SIZE_MAX),
        "ListChildren": unary(messages.ListChildrenRequest, list_children, gate),
    }


def _block_methods(node: LedgerNode, gate: CallGate) -> dict[str, Any]:
    async def get_head(_: messages.GetHeadRequest, _wait: int) -> messages.CertifiedHeadResponse:
        return messages.CertifiedHeadResponse(certified_head=node.get_head())

    async def get_block(request: messages.GetBlockRequest, _: int) -> messages.GetBlockResponse:
        block = await node.get_block(request.height)
        return messages.GetBlockResponse(
            proposal=block.proposal,
            header=block.header,
            certificate=block.certificate,
            receipts=block.receipts,
        )

    async def get_certificate(
        request: messages.GetCertificateRequest, _: int
    ) -> messages.CertifiedHeadResponse:
        return messages.CertifiedHeadResponse(
            certified_head=await node.get_certified_head(request.height)
        )

    async def get_trust_path(
        request: messages.GetTrustPathRequest, _: int
    ) -> messages.GetTrustPathResponse:
        return messages.GetTrustPathResponse(
            steps=await node.get_trust_path(request.from_height, request.count)
        )

    return {
        "GetHead": unary(messages.GetHeadRequest, get_head, gate),
        "GetBlock": unary(messages.GetBlockRequest, get_block, gate),
        "GetCertificate": unary(messages.GetCertificateRequest, get_certificate, gate),
        "GetTrustPath": unary(messages.GetTrustPathRequest, get_trust_path, gate),
    }


def _node_methods(node: LedgerNode, gate: CallGate) -> dict[str, Any]:
    async def get_status(
        _: messages.GetNodeStatusRequest, _wait: int
    ) -> messages.GetNodeStatusResponse:
        status = node.get_status()
        return messages.GetNodeStatusResponse(
            chain_id=status.chain_id,
            node_id=status.node_id,
            organisation=status.organisation,
            role=status.role,
            height=status.height,
            applied_height=status.applied_height,
            voting=status.voting,
            voting_reason=status.voting_reason,
            state_root=status.state_root,
            software_version=status.software_version,
            protocol_version=status.protocol_version,
            time=status.time,
            term=status.term,
            leader=status.leader,
        )

    async def get_genesis(_: messages.GetGenesisRequest, _wait: int) -> messages.GetGenesisResponse:
        return messages.GetGenesisResponse(genesis=node.get_genesis())

    async def get_halt_report(
        _: messages.GetNodeHaltReportRequest, _wait: int
    ) -> messages.GetNodeHaltReportResponse:
        return messages.GetNodeHaltReportResponse(report=await node.get_halt_report())

    return {
        "GetStatus": unary(messages.GetNodeStatusRequest, get_status, gate),
        "GetGenesis": unary(messages.GetGenesisRequest, get_genesis, gate),
        "GetHaltReport": unary(messages.GetNodeHaltReportRequest, get_halt_report, gate),
    }


def _effective_wait_ms(wait: int, wait_ms: int) -> int:
    """0 for ACCEPTED; what is not said means CERTIFIED."""
    if wait == messages.WAIT_ACCEPTED:
        return 0
    if wait in {messages.WAIT_UNSPECIFIED, messages.WAIT_CERTIFIED}:
        return wait_ms
    raise ApiError(ReceiptCode.MALFORMED, f"no answer to wait for has the number {wait}")


def _to_result(answer: Submitted | ApiError) -> messages.SubmitBatchResult:
    if isinstance(answer, ApiError):
        return messages.SubmitBatchResult(code=answer.code.name, text=answer.text)
    return messages.SubmitBatchResult(transaction_id=answer.transaction_id, proof=answer.proof)


async def _find_transaction(
    node: LedgerNode, request: messages.GetTransactionRequest
) -> tuple[TransactionState, bytes]:
    if request.transaction_id:
        if request.author or request.idempotency_key:
            raise ApiError(ReceiptCode.MALFORMED, "either an id, or an author and a key")
        if len(request.transaction_id) != HASH_SIZE:
            raise ApiError(ReceiptCode.MALFORMED, f"a transaction id has {HASH_SIZE} bytes")
        return await node.get_transaction(request.transaction_id)
    if not 0 < len(request.author) <= DID_SIZE_MAX or len(request.idempotency_key) != 16:
        raise ApiError(ReceiptCode.MALFORMED, "an author's DID and 16 bytes of key are expected")
    return await node.find_transaction(request.author, request.idempotency_key)
