# SPDX-License-Identifier: Apache-2.0
"""The node as its operator sees it, over the socket in its home (`ledger.api.ports.AdminPort`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from consensus.tracker import Progress
from ledger.api.ports import AdminStatus, ApiError, EvidenceItem, PeerStatus
from ledger.model.codec import encode
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.node.core import NodeCore
from ledger.node.errors import NodeError
from ledger.node.logs import ROOTS
from ledger.node.transport.transport import PeerTransport

BEHIND_ALARM_BLOCKS: Final = 100
"""Blocks behind from which it is an alarm."""


class NodeAdmin:
    """One running node, for its operator."""

    def __init__(
        self,
        core: NodeCore,
        transport: PeerTransport | None,
        *,
        addresses: dict[str, tuple[str, int]],
        on_stop: Callable[[], None],
    ) -> None:
        """`on_stop` begins to stop the node."""
        self._core = core
        self._transport = transport
        self._addresses = addresses
        self._on_stop = on_stop

    def get_status(self) -> AdminStatus:
        core, driver = self._core, self._core.driver
        status = core.node.get_status()
        ordering = driver.ordering.status()
        behind = driver.behind
        return AdminStatus(
            chain_id=status.chain_id,
            node_id=status.node_id,
            role=driver.role,
            term=status.term,
            leader=status.leader,
            height=status.height,
            behind=behind,
            voting=status.voting,
            voting_reason=status.voting_reason,
            last_index=ordering.last_index,
            committed_index=ordering.hard_state.commit,
            peers=self.list_peers(),
            alarms=self._find_alarms(behind),
            evidence_count=core.evidence.store.count,
            software_version=status.software_version,
            time=status.time,
        )

    def _find_alarms(self, behind: int) -> list[str]:
        core = self._core
        alarms = [reason for reason in (core.get_no_vote_reason(),) if reason]
        if behind >= BEHIND_ALARM_BLOCKS:
            alarms.append(f"{behind} blocks behind what another validator has certified")
        if core.evidence.store.count:
            alarms.append(f"{core.evidence.store.count} pieces of evidence are kept")
        return alarms

    def list_peers(self) -> Sequence[PeerStatus]:
        if self._transport is None:
            return ()
        driver = self._core.driver
        progress: Mapping[int, Progress] = (
            driver.ordering.get_progress() if driver.is_leader else {}
        )
        found: list[PeerStatus] = []
        for peer in driver.others:
            host, port = self._addresses.get(peer, ("", 0))
            seen = progress.get(driver.get_number(peer))
            found.append(
                PeerStatus(
                    id=peer,
                    address=f"{host}:{port}" if host else "",
                    connected=self._transport.is_connected(peer),
                    match_index=seen.match_index if seen else 0,
                    progress=seen.state.name.lower() if seen else "",
                    heard_ms_ago=driver.find_silence(peer),
                    isolated=self._transport.is_isolated(peer),
                )
            )
        return found

    async def transfer_leadership(self, to: str) -> None:
        driver = self._core.driver
        if not driver.is_leader:
            raise ApiError(
                ApiReason.NOT_LEADER, f"{driver.leader or 'nobody'} leads, as far as is known here"
            )
        if to and to not in driver.others:
            raise ApiError(ApiReason.PEER_UNKNOWN, f"{to} is no other validator")
        if not driver.begin_transfer(to):
            raise ApiError(ReceiptCode.NOT_READY, "no other validator can lead now")

    def isolate(self, validators: Sequence[str]) -> None:
        unknown = sorted(set(validators) - set(self._core.driver.others))
        if unknown:
            raise ApiError(ApiReason.PEER_UNKNOWN, f"{unknown[0]} is no other validator")
        wanted = set(validators) or set(self._core.driver.others)
        self._set_isolated({p for p in self._core.driver.others if self._is_cut(p)} | wanted)

    def heal(self) -> None:
        self._set_isolated(())

    def _is_cut(self, peer: str) -> bool:
        return self._transport is not None and self._transport.is_isolated(peer)

    def _set_isolated(self, peers: Collection[str]) -> None:
        if self._transport is None:
            raise ApiError(ApiReason.PEER_UNKNOWN, "there are no other validators")
        try:
            self._transport.set_isolated(peers)
        except NodeError as error:
            raise ApiError(ApiReason.NOT_PERMITTED, error.text) from None

    def set_log_level(self, level: str) -> None:
        for root in ROOTS:
            logging.getLogger(root).setLevel(level.upper())

    async def list_evidence(self, validator: str, limit: int) -> tuple[Sequence[EvidenceItem], int]:
        store = self._core.evidence.store

        def read() -> tuple[list[EvidenceItem], int]:
            found = store.list(validator or None, limit=limit)
            items = [
                EvidenceItem(encode(k.evidence), k.weight.value, k.repeats_count) for k in found
            ]
            return items, store.count

        return await asyncio.get_running_loop().run_in_executor(None, read)

    async def get_halt_report(self) -> bytes:
        return await self._core.node.get_halt_report()

    def stop(self) -> None:
        self._on_stop()
