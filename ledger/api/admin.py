# SPDX-License-Identifier: Apache-2.0
"""AdminService over a UNIX domain socket in the node's home.

Who may enter the home may ask: the socket belongs to the node's user, mode 0600 from its first moment,
in a directory that nobody else can write to. No network, no TLS. A socket that a dead node left is
taken away; one that is answered, or a file that is no socket, is never touched.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from ledger.api.calls import unary
from ledger.api.gate import CallGate
from ledger.api.ports import LOG_LEVELS, AdminPort, ApiError, EvidenceItem, PeerStatus
from ledger.api.reflection import Reflection
from ledger.model.limits import NAME_SIZE_MAX, VALIDATORS_COUNT_MAX
from ledger.model.receipts import ReceiptCode
from psetledger.v1 import admin_pb2 as messages

ADMIN_SERVICE: Final = "psetledger.v1.AdminService"
SOCKET_FILE: Final = "admin.sock"
SOCKET_PATH_SIZE_MAX: Final = 107
"""Bytes of a path that a socket's address holds (unix(7): 108 with the terminating zero)."""
CALLS_COUNT_MAX: Final = 32
"""Calls served at once; more are refused."""
REQUEST_SIZE_MAX: Final = 64 * 1024
RESPONSE_SIZE_MAX: Final = 4 * 1024 * 1024
EVIDENCE_ANSWER_SIZE_MAX: Final = RESPONSE_SIZE_MAX - 64 * 1024
"""Bytes of evidence in one answer; the first piece always fits."""
EVIDENCE_ANSWER_COUNT_MAX: Final = 1_000


class AdminSocketError(OSError):
    """The socket cannot be made. Nothing was changed; `code`, `text` and `remedy` say more."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.code = "ADMIN_SOCKET"
        self.text = text
        self.remedy = remedy

    def __str__(self) -> str:
        return self.text


class AdminServer:
    """Serves the operator of one node."""

    def __init__(self, socket_path: Path, port: AdminPort) -> None:
        """Bind the socket. Raises AdminSocketError."""
        self._path = socket_path
        _check_path(socket_path)
        _remove_stale(socket_path)
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=2 * CALLS_COUNT_MAX,
            options=[
                ("grpc.max_receive_message_length", REQUEST_SIZE_MAX),
                ("grpc.max_send_message_length", RESPONSE_SIZE_MAX),
                ("grpc.max_metadata_size", 16 * 1024),
            ],
        )
        gate = CallGate(count_max=CALLS_COUNT_MAX, per_host_count_max=CALLS_COUNT_MAX)
        handler = grpc.method_handlers_generic_handler(ADMIN_SERVICE, _methods(port, gate))
        self._server.add_generic_rpc_handlers(
            [handler, *Reflection((ADMIN_SERVICE,)).generic_handlers()]
        )
        # The mode is set when the socket is made: afterwards there would be a moment for others.
        mask = os.umask(0o177)
        try:
            self._server.add_insecure_port(f"unix:{socket_path}")
        except RuntimeError as error:
            raise AdminSocketError(
                f"cannot listen on {socket_path}: {error}", "Make the directory writable."
            ) from None
        finally:
            os.umask(mask)
        status = socket_path.lstat()
        self._identity = (status.st_dev, status.st_ino)

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()

    async def stop(self, grace_ms: int) -> None:
        """Let calls end within the grace, then close and take the socket away."""
        await self._server.stop(grace_ms / 1000)
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return
        if (status.st_dev, status.st_ino) == self._identity:
            self._path.unlink(missing_ok=True)


def _check_path(path: Path) -> None:
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_SIZE_MAX:
        raise AdminSocketError(
            f"the path of the node's socket has {size} bytes, the system allows"
            f" {SOCKET_PATH_SIZE_MAX}: {path}",
            "Move the node's home to a shorter path.",
        )
    try:
        mode = path.parent.stat().st_mode
    except OSError as error:
        raise AdminSocketError(f"{path.parent}: {error.strerror}", "Make the directory.") from None
    if not stat.S_ISDIR(mode) or mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise AdminSocketError(
            f"others than its owner may write to {path.parent}", f"chmod 700 {path.parent}"
        )


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AdminSocketError(f"{path} is there and is no socket", "Move the file away.")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            raise AdminSocketError(f"{path}: {error}", "Stop what holds the socket.") from None
    raise AdminSocketError(f"another process answers on {path}", "Stop it first: pset node stop.")


def _methods(port: AdminPort, gate: CallGate) -> dict[str, Any]:
    async def get_status(
        _: messages.GetAdminStatusRequest, _wait: int
    ) -> messages.GetAdminStatusResponse:
        status = port.get_status()
        return messages.GetAdminStatusResponse(
            chain_id=status.chain_id,
            node_id=status.node_id,
            role=status.role,
            term=status.term,
            leader=status.leader,
            height=status.height,
            behind=status.behind,
            voting=status.voting,
            voting_reason=status.voting_reason,
            last_index=status.last_index,
            committed_index=status.committed_index,
            peers=[_to_peer(peer) for peer in status.peers],
            alarms=status.alarms,
            evidence_count=status.evidence_count,
            software_version=status.software_version,
            time=status.time,
        )

    async def transfer_leadership(
        request: messages.TransferLeadershipRequest, _: int
    ) -> messages.TransferLeadershipResponse:
        await port.transfer_leadership(_check_name(request.to))
        return messages.TransferLeadershipResponse()

    async def isolate(request: messages.IsolateRequest, _: int) -> messages.IsolateResponse:
        if not 1 <= len(request.validators) <= VALIDATORS_COUNT_MAX:
            raise ApiError(
                ReceiptCode.MALFORMED, f"1 to {VALIDATORS_COUNT_MAX} validators are expected"
            )
        port.isolate([_check_name(name) for name in request.validators])
        return messages.IsolateResponse()

    async def heal(_: messages.HealRequest, _wait: int) -> messages.HealResponse:
        port.heal()
        return messages.HealResponse()

    async def set_log_level(
        request: messages.SetLogLevelRequest, _: int
    ) -> messages.SetLogLevelResponse:
        if request.level not in LOG_LEVELS:
            raise ApiError(ReceiptCode.MALFORMED, f"one of {', '.join(LOG_LEVELS)} is expected")
        port.set_log_level(request.level)
        return messages.SetLogLevelResponse()

    async def list_evidence(
        request: messages.ListEvidenceRequest, _: int
    ) -> messages.ListEvidenceResponse:
        limit = min(request.limit or EVIDENCE_ANSWER_COUNT_MAX, EVIDENCE_ANSWER_COUNT_MAX)
        items, count = await port.list_evidence(_check_name(request.validator), limit)
        return messages.ListEvidenceResponse(items=_fit(items), count=count)

    async def get_halt_report(
        _: messages.GetHaltReportRequest, _wait: int
    ) -> messages.GetHaltReportResponse:
        return messages.GetHaltReportResponse(report=await port.get_halt_report())

    async def list_peers(_: messages.ListPeersRequest, _wait: int) -> messages.ListPeersResponse:
        return messages.ListPeersResponse(peers=[_to_peer(peer) for peer in port.list_peers()])

    async def stop(_: messages.StopRequest, _wait: int) -> messages.StopResponse:
        port.stop()
        return messages.StopResponse()

    return {
        "GetStatus": unary(messages.GetAdminStatusRequest, get_status, gate),
        "TransferLeadership": unary(messages.TransferLeadershipRequest, transfer_leadership, gate),
        "Isolate": unary(messages.IsolateRequest, isolate, gate),
        "Heal": unary(messages.HealRequest, heal, gate),
        "SetLogLevel": unary(messages.SetLogLevelRequest, set_log_level, gate),
        "ListEvidence": unary(messages.ListEvidenceRequest, list_evidence, gate),
        "GetHaltReport": unary(messages.GetHaltReportRequest, get_halt_report, gate),
        "ListPeers": unary(messages.ListPeersRequest, list_peers, gate),
        "Stop": unary(messages.StopRequest, stop, gate),
    }


def _to_peer(peer: PeerStatus) -> messages.PeerStatus:
    return messages.PeerStatus(
        id=peer.id,
        address=peer.address,
        connected=peer.connected,
        match_index=peer.match_index,
        progress=peer.progress,
        heard=peer.heard_ms_ago is not None,
        heard_ms_ago=peer.heard_ms_ago or 0,
        isolated=peer.isolated,
    )


def _check_name(name: str) -> str:
    if len(name) > NAME_SIZE_MAX:
        raise ApiError(ReceiptCode.MALFORMED, f"an id has at most {NAME_SIZE_MAX} characters")
    return name


def _fit(items: Any) -> list[messages.EvidenceItem]:
    """As many from the first on as one answer holds, at least one."""
    chosen: list[messages.EvidenceItem] = []
    size_bytes = 0
    item: EvidenceItem
    for item in items:
        size_bytes += len(item.evidence) + 64
        if chosen and size_bytes > EVIDENCE_ANSWER_SIZE_MAX:
            break
        chosen.append(
            messages.EvidenceItem(
                evidence=item.evidence, weight=item.weight, repeats_count=item.repeats_count
            )
        )
    return chosen
