# SPDX-License-Identifier: Apache-2.0
"""A validator on the network: a `NodeCore` behind gRPC with TLS. Started, waited for, stopped.

Stopping gracefully: take no new transactions, certify the block in flight and the queue, let calls
end, close the stores. Whatever ends the driver ends the node; corruption is never survived.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ledger.api.admin import SOCKET_FILE, AdminServer, AdminSocketError
from ledger.api.server import ApiServer, ServerLimits
from ledger.model.genesis import Genesis
from ledger.node.admin import NodeAdmin
from ledger.node.clock import SystemClock
from ledger.node.config import NodeConfig
from ledger.node.core import Environment, NodeCore, find_validator
from ledger.node.errors import NodeError, usage_error
from ledger.node.failpoints import FAILPOINTS_BY_NAME, FailpointHook, kill_at, pass_by
from ledger.node.keys import load_validator_keys
from ledger.node.peers import NO_LINKS
from ledger.node.stores import get_opener, load_genesis
from ledger.node.tls import LeafIssuer
from ledger.node.transport.transport import PeerTransport

_log = logging.getLogger(__name__)

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
        validator = find_validator(genesis, config.node.id, keys)
        issuer = LeafIssuer(
            keys.tls,
            validator.tls_certificate,
            validator.id,
            time_ms=environment.clock.time_ms,
            names=config.api.names,
        )
        transport = _make_transport(config, genesis, issuer)
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
            transport.attach(core.listener)
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


def _make_transport(
    config: NodeConfig, genesis: Genesis, issuer: LeafIssuer
) -> PeerTransport | None:
    """Links to the other validators; None in a network of one. Raises NodeError."""
    others = {v.id for v in genesis.validators} - {config.node.id}
    if not others:
        return None
    addresses = config.peer_addresses
    missing = sorted(others - addresses.keys())
    if missing:
        raise usage_error(
            "PEER_ADDRESS_MISSING",
            f"peers.addresses in config.toml names no address for {', '.join(missing)}",
            'Add "id=host:port" for each of them.',
        )
    try:
        return PeerTransport(
            config.node.id,
            genesis.chain_id,
            lambda: genesis.validators,
            {peer: address for peer, address in addresses.items() if peer in others},
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
