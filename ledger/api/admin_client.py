# SPDX-License-Identifier: Apache-2.0
"""Asking a node over the socket in its home, as its operator. Blocking, for commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, cast

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from ledger.api.ports import AdminStatus, EvidenceItem, PeerStatus
from ledger.api.status import STATUS_METADATA_KEY
from psetledger.v1 import admin_pb2 as messages
from psetledger.v1 import admin_pb2_grpc as stubs

TIMEOUT_SECONDS: Final = 10.0
ANSWER_SIZE_MAX: Final = 4 * 1024 * 1024
NOT_ANSWERING: Final = "NODE_NOT_ANSWERING"

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", ANSWER_SIZE_MAX),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)
_T = TypeVar("_T")


class AdminClientError(Exception):
    """The node refused, or nobody answers (`code` NODE_NOT_ANSWERING). `code`, `text`, `remedy`."""

    def __init__(self, code: str, text: str, remedy: str) -> None:
        super().__init__(code, text, remedy)
        self.code = code
        self.text = text
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class AdminClient:
    """A connection to the node of one home. Everything raises AdminClientError. Close it."""

    def __init__(self, socket_path: Path, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """`socket_path` is `admin.sock` in the node's home."""
        self._path = socket_path
        self._timeout_seconds = timeout_seconds
        self._channel = grpc.insecure_channel(
            f"unix:{os.path.abspath(socket_path)}",  # noqa: PTH100 - links in it stay as they are
            options=[*_OPTIONS, ("grpc.default_authority", "localhost")],
        )
        self._stub = stubs.AdminServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._channel.close()

    def get_status(self) -> AdminStatus:
        """How the node is."""
        answer = self._call(
            lambda seconds: self._stub.GetStatus(messages.GetAdminStatusRequest(), timeout=seconds)
        )
        return AdminStatus(
            chain_id=answer.chain_id,
            node_id=answer.node_id,
            role=answer.role,
            term=answer.term,
            leader=answer.leader,
            height=answer.height,
            behind=answer.behind,
            voting=answer.voting,
            voting_reason=answer.voting_reason,
            last_index=answer.last_index,
            committed_index=answer.committed_index,
            peers=tuple(_to_peer(peer) for peer in answer.peers),
            alarms=tuple(answer.alarms),
            evidence_count=answer.evidence_count,
            software_version=answer.software_version,
            time=answer.time,
        )

    def list_peers(self) -> tuple[PeerStatus, ...]:
        """The other validators as the node sees them."""
        answer = self._call(
            lambda seconds: self._stub.ListPeers(messages.ListPeersRequest(), timeout=seconds)
        )
        return tuple(_to_peer(peer) for peer in answer.peers)

    def transfer_leadership(self, to: str = "") -> None:
        """Hand the lead to a validator; empty: whose log is longest."""
        request = messages.TransferLeadershipRequest(to=to)
        self._call(lambda seconds: self._stub.TransferLeadership(request, timeout=seconds))

    def isolate(self, validators: Sequence[str]) -> None:
        """Cut the node off from these; adds to those before."""
        request = messages.IsolateRequest(validators=validators)
        self._call(lambda seconds: self._stub.Isolate(request, timeout=seconds))

    def heal(self) -> None:
        """Take back every `isolate`."""
        self._call(lambda seconds: self._stub.Heal(messages.HealRequest(), timeout=seconds))

    def set_log_level(self, level: str) -> None:
        """debug, info, warning or error, until the node stops."""
        request = messages.SetLogLevelRequest(level=level)
        self._call(lambda seconds: self._stub.SetLogLevel(request, timeout=seconds))

    def list_evidence(
        self, validator: str = "", limit: int = 0
    ) -> tuple[tuple[EvidenceItem, ...], int]:
        """Pieces of one validator or of all, as many as one answer holds; how many there are."""
        request = messages.ListEvidenceRequest(validator=validator, limit=limit)
        answer = self._call(lambda seconds: self._stub.ListEvidence(request, timeout=seconds))
        items = tuple(
            EvidenceItem(item.evidence, item.weight, item.repeats_count) for item in answer.items
        )
        return items, answer.count

    def get_halt_report(self) -> bytes:
        """The newest SignedHaltReport; empty if there was never one."""
        request = messages.GetHaltReportRequest()
        return self._call(lambda seconds: self._stub.GetHaltReport(request, timeout=seconds)).report

    def stop(self) -> None:
        """Tell the node to stop; returns when it has heard."""
        self._call(lambda seconds: self._stub.Stop(messages.StopRequest(), timeout=seconds))

    def _call(self, call: Callable[[float], _T]) -> _T:
        try:
            return call(self._timeout_seconds)
        except grpc.RpcError as error:
            # Every error of a call is a call too; the stubs do not say so.
            raise self._explain(cast("grpc.Call", error)) from None

    def _explain(self, call: grpc.Call) -> AdminClientError:
        code = _read_reason(call)
        if code:
            return AdminClientError(code, call.details() or "", f"See pset explain {code}.")
        return AdminClientError(
            NOT_ANSWERING,
            f"nobody answers on {self._path}: {call.details() or 'no answer'}",
            "Start the node, or see its log.",
        )


def _read_reason(call: grpc.Call) -> str:
    """The name of the code in a refusal, or an empty string."""
    for key, value in call.trailing_metadata() or ():
        if key == STATUS_METADATA_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return ""


def _to_peer(peer: messages.PeerStatus) -> PeerStatus:
    return PeerStatus(
        id=peer.id,
        address=peer.address,
        connected=peer.connected,
        match_index=peer.match_index,
        progress=peer.progress,
        heard_ms_ago=peer.heard_ms_ago if peer.heard else None,
        isolated=peer.isolated,
    )
