# SPDX-License-Identifier: Apache-2.0
"""A validator on the network: a `NodeCore` behind gRPC with TLS. Started, waited for, stopped.

Stopping gracefully: take no new transactions, certify the block in flight and the queue, let calls
end, close the stores. Whatever ends the driver ends the node; corruption is never survived.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Final

from ledger.api.admin import SOCKET_FILE, AdminServer, AdminSocketError
from ledger.api.server import ApiServer, ServerLimits
from ledger.model.block import Validator
from ledger.model.genesis import Genesis
from ledger.model.records import ValidatorStatus
from ledger.node.admin import NodeAdmin
from ledger.node.clock import SystemClock
from ledger.node.config import NodeConfig, split_address
from ledger.node.core import Environment, NodeCore, find_validator
from ledger.node.errors import NodeError, usage_error
from ledger.node.failpoints import FAILPOINTS_BY_NAME, FailpointHook, kill_at, pass_by
from ledger.node.keys import load_validator_keys
from ledger.node.membership import Membership
from ledger.node.peers import NO_LINKS
from ledger.node.stores import get_opener, load_genesis
from ledger.node.tls import LeafIssuer
from ledger.node.transport.transport import PeerTransport

_log = logging.getLogger(__name__)

REMOVED_BLOCKS_COUNT: Final = 16
"""Blocks for which a removed validator is still heard."""
TRANSPORT_GRACE_MS: Final = 500
"""How long what is queued for other validators may take to leave when the node stops."""


def system_environment(config: NodeConfig) -> Environment:
    """The machine's clock, the configured storage; a failpoint only if a test configured one."""
    failpoint: FailpointHook = pass_by
    if config.testing.crash_at:
        failpoint = kill_at(
            FAILPOINTS_BY_NAME[config.testing.crash_at], config.testing.crash_height
        )
        _log.warning("test option set crash_at=%s", config.testing.crash_at)
    return Environment(SystemClock(), get_opener(config.storage.engine), failpoint)


class NodeRuntime:
    """A running node. Belongs to one event loop."""

    def __init__(
        self,
        config: NodeConfig,
        core: NodeCore,
        server: ApiServer,
        transport: PeerTransport | None,
        admin: AdminServer | None,
        driving: asyncio.Task[None],
        stop_asked: asyncio.Event,
    ) -> None:
        """Use `start`."""
        self._config = config
        self._core = core
        self._server = server
        self._transport = transport
        self._admin = admin
        self._driving = driving
        self._stop_asked = stop_asked
        self._is_stopped = False

    @classmethod
    async def start(cls, config: NodeConfig, environment: Environment | None = None) -> NodeRuntime:
        """Open, check, listen, and begin to drive.

        Raises NodeError, StorageError (CorruptionError among them): nothing runs or is open then.
        """
        environment = environment or system_environment(config)
        encoded, genesis = load_genesis(config.genesis_path)
        keys = load_validator_keys(config.home, certificate_scheme=genesis.certificate_scheme)
        validator = find_validator(genesis, config, keys)
        issuer = LeafIssuer(
            keys.tls,
            validator.tls_certificate,
            validator.id,
            time_ms=environment.clock.time_ms,
            names=config.api.names,
        )
        peers = _Peers(config, genesis, validator)
        transport = _make_transport(config, genesis.chain_id, issuer, peers)
        core: NodeCore | None = None
        stop_asked = asyncio.Event()
        try:
            core = NodeCore(config, genesis, encoded, keys, environment, transport or NO_LINKS)
            server = _make_server(config, core, issuer)
            admin = _make_admin(config, core, transport, stop_asked.set)
        except BaseException:
            if core is not None:
                await core.stop()
            if transport is not None:
                await transport.stop(0)
            raise
        if transport is not None:
            peers.take(core.membership)
            transport.set_addresses(peers.addresses)
            transport.attach(core.listener)
            core.on_membership = functools.partial(_follow_membership, peers, transport)
            await transport.start()
        driving = core.start()
        await server.start()
        if admin is not None:
            await admin.start()
        _log.info(
            "started node=%s chain=%s height=%d port=%d voting=%s",
            core.validator.id,
            genesis.chain_id,
            core.tip_at_start.height,
            server.port,
            core.driver.no_vote_reason or "yes",
        )
        return cls(config, core, server, transport, admin, driving, stop_asked)

    @property
    def port(self) -> int:
        """Of the listener for clients."""
        return self._server.port

    @property
    def core(self) -> NodeCore:
        """What runs behind the listener."""
        return self._core

    async def wait(self) -> None:
        """Return when the driver has ended, or the operator asks for the end: `stop` then.

        Raises what ended the driver, but for a stop.
        """
        asked = asyncio.ensure_future(self._stop_asked.wait())
        try:
            await asyncio.wait({asked, self._driving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
        if self._driving.done():
            self._driving.result()

    async def stop(self) -> None:
        """Stop gracefully. Idempotent."""
        if self._is_stopped:
            return
        self._is_stopped = True
        _log.info("stopping height=%d", self._core.driver.tip.height)
        self._server.set_serving(serving=False)
        await self._core.stop_driving()
        if self._transport is not None:
            # The last votes and answers still leave.
            await self._transport.stop(TRANSPORT_GRACE_MS)
        await self._server.stop(self._config.api.stop_grace_ms)
        if self._admin is not None:
            await self._admin.stop(TRANSPORT_GRACE_MS)
        self._core.close()
        _log.info("stopped height=%d", self._core.driver.tip.height)


class _Peers:
    """Who the other validators are and where they listen, as the chain and the configuration say."""

    def __init__(self, config: NodeConfig, genesis: Genesis, own: Validator) -> None:
        self._config = config
        self._own = own
        self.validators: Sequence[Validator] = ()
        """Who may connect, this one included; replaced as a whole."""
        self.addresses: dict[str, tuple[str, int]] = {}
        self.missing: tuple[str, ...] = ()
        """Others whose address is not known."""
        self.take(Membership.of_genesis(genesis.validators))

    def take(self, membership: Membership) -> None:
        """The chain names these. Who was removed stays connected for a while: it needs to hear so."""
        own_id = self._own.id
        members = [
            m
            for m in membership.members
            if m.status is not ValidatorStatus.REMOVED
            or m.removed_height + REMOVED_BLOCKS_COUNT > membership.height
        ]
        others = [m for m in members if m.validator.id != own_id]
        self.validators = (self._own, *(m.validator for m in others))
        configured = self._config.peer_addresses
        self.addresses = {}
        for member in others:
            peer = member.validator.id
            if peer in configured:
                self.addresses[peer] = configured[peer]
            elif member.peer_address:
                self.addresses[peer] = split_address(member.peer_address, "the ledger")
        self.missing = tuple(m.validator.id for m in others if m.validator.id not in self.addresses)


def _follow_membership(peers: _Peers, transport: PeerTransport, membership: Membership) -> None:
    """Connect to those who are members now."""
    peers.take(membership)
    for peer in peers.missing:
        _log.error("no address is known peer=%s: add it to peers.addresses in config.toml", peer)
    transport.set_addresses(peers.addresses)


def _make_transport(
    config: NodeConfig, chain_id: str, issuer: LeafIssuer, peers: _Peers
) -> PeerTransport | None:
    """Links to the other validators; None in a network of one that has no other address.

    Raises NodeError.
    """
    if len(peers.validators) == 1 and not config.peers.addresses:
        return None
    if peers.missing:
        raise usage_error(
            "PEER_ADDRESS_MISSING",
            f"peers.addresses in config.toml names no address for {', '.join(peers.missing)}",
            'Add "id=host:port" for each of them.',
        )
    try:
        return PeerTransport(
            config.node.id,
            chain_id,
            lambda: peers.validators,
            peers.addresses,
            config.peer_listen_address,
            issuer,
            config.peers,
            keepalive_ms=config.consensus.election_timeout_ms,
            is_isolation_allowed=config.testing.isolation,
        )
    except OSError as error:
        raise NodeError(
            "LISTEN_FAILED", str(error), "Choose another address in peers.listen, or free this one."
        ) from None


def _make_admin(
    config: NodeConfig,
    core: NodeCore,
    transport: PeerTransport | None,
    on_stop: Callable[[], None],
) -> AdminServer | None:
    """The operator's socket in the home; None where it cannot be: the node runs without."""
    admin = NodeAdmin(core, transport, addresses=config.peer_addresses, on_stop=on_stop)
    try:
        return AdminServer(config.home / SOCKET_FILE, admin)
    except AdminSocketError as error:
        _log.warning("no socket for the operator reason=%s remedy=%s", error.text, error.remedy)
        return None


def _make_server(config: NodeConfig, core: NodeCore, issuer: LeafIssuer) -> ApiServer:
    def key_pair() -> tuple[bytes, bytes]:
        leaf = issuer.current()
        return leaf.private_key, leaf.certificate_chain

    try:
        return ApiServer(
            core.node,
            config.listen_address,
            limits=ServerLimits(
                connections_count_max=config.api.connections_count_max,
                calls_count_max=config.api.calls_count_max,
                calls_per_host_max=config.api.calls_per_host_max,
                streams_count_max=config.api.streams_count_max,
            ),
            key_pair=key_pair,
            reflection=config.api.reflection,
        )
    except OSError as error:
        raise NodeError(
            "LISTEN_FAILED", str(error), "Choose another address in api.listen, or free this one."
        ) from None
