# SPDX-License-Identifier: Apache-2.0
"""A validator without a network: stores, ordering, driver, admission and queries, wired.

What the runtime serves over gRPC, and what tests and simulations drive directly.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from consensus import RawNode
from consensus.config import Config, Draw
from consensus.types import NODE_MAX
from ledger.model.block import Validator
from ledger.model.genesis import Genesis
from ledger.model.transaction_check import CheckedTransaction
from ledger.node.admission import Admission
from ledger.node.admission_checks import make_admissible, make_authenticator
from ledger.node.clock import Clock
from ledger.node.config import NodeConfig
from ledger.node.divergence import report_divergence
from ledger.node.driver import Driver
from ledger.node.driving import DriverParts
from ledger.node.errors import NodeError, usage_error
from ledger.node.evidence import EvidenceKeeper
from ledger.node.failpoints import FailpointHook, pass_by
from ledger.node.finality import Finality
from ledger.node.halt import build_halt_report, publish_halt_report, read_halt_report
from ledger.node.keys import ValidatorKeys
from ledger.node.membership import Membership, get_quorum_rule
from ledger.node.node import Node
from ledger.node.operation_check import check_operation
from ledger.node.peer_service import PeerService
from ledger.node.peers import NO_LINKS, BlocksRequest, ForwardMessage, PeerLinks, PeerListener
from ledger.node.pool import TransactionPool
from ledger.node.queries import Queries
from ledger.node.setup import read_validator
from ledger.node.stores import OpenedStores, OpenStore, make_rules, open_stores
from ledger.node.tip import Tip
from ledger.node.validators import NetworkRules
from ledger.node.voting import Voter
from ledger.storage.errors import CorruptionError, StorageError
from ledger.storage.evidence import EvidenceStore
from ledger.storage.log import chain_digest

_log = logging.getLogger(__name__)

READER_THREADS: Final = 2
LARGE_READER_THREADS: Final = 1
"""The interpreter runs one at a time: another would only take time from all others."""
APPEND_SIZE_MAX: Final = 1024 * 1024
"""Bytes of log entries in one message, unless one entry is larger."""
APPENDS_COUNT_MAX: Final = 64
"""Messages with entries under way to one validator."""
COMMITTED_SIZE_MAX: Final = 16 * 1024 * 1024
"""Bytes of log entries that are executed in one go."""
UNCOMMITTED_SIZE_MAX: Final = 16 * 1024 * 1024
"""Bytes of a leader's proposals that are not ordered yet; there is one block in flight."""


def draw_number(low: int, high: int) -> int:
    """A number between two bounds, both included."""
    return low + secrets.randbelow(high - low + 1)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a node takes from the world; tests bring their own."""

    clock: Clock
    open_store: OpenStore
    failpoint: FailpointHook = pass_by
    make_executor: Callable[[int, str], Executor] = ThreadPoolExecutor
    """An executor with so many threads, and their name."""
    draw: Draw = draw_number
    """For the ordering's election times."""
    draw_bytes: Callable[[int], bytes] = secrets.token_bytes
    """So many bytes that nobody else draws: what tells one question to a quorum from another."""


class NodeCore:
    """A validator's inside, from start to stop. Belongs to one event loop; not started twice."""

    def __init__(
        self,
        config: NodeConfig,
        genesis: Genesis,
        encoded_genesis: bytes,
        keys: ValidatorKeys,
        environment: Environment,
        links: PeerLinks = NO_LINKS,
    ) -> None:
        """Open, check and wire everything. `links` lead to the other validators.

        Raises NodeError, StorageError (CorruptionError among them); nothing stays open then.
        """
        self._config = config
        self._environment = environment
        self._links = links
        self.validator = find_validator(genesis, config, keys)
        self.on_membership: Callable[[Membership], None] | None = None
        """Called on the event loop when the state has other members than before."""
        self._damage: CorruptionError | None = None
        self._is_stopping = False
        self._end = ""
        """Why the driver ended, when it was not asked to."""
        self._driving: asyncio.Task[None] | None = None
        with contextlib.ExitStack() as stack:
            self._wire(stack, genesis, encoded_genesis, keys)
            self._stack = stack.pop_all()

    def _wire(
        self,
        stack: contextlib.ExitStack,
        genesis: Genesis,
        encoded_genesis: bytes,
        keys: ValidatorKeys,
    ) -> None:
        config, environment = self._config, self._environment
        rules = make_rules(genesis)
        stores = stack.enter_context(
            open_stores(config, genesis, rules, keys, environment.open_store, environment.failpoint)
        )
        threads = config.admission.threads
        make_executor = environment.make_executor
        worker = stack.enter_context(make_executor(1, "writer"))
        self._rules, self._peer_key, self._worker = rules, keys.peer, worker
        self._votes = stores.votes
        self.evidence = EvidenceKeeper(
            EvidenceStore(stores.evidence, chain_id=rules.chain_id),
            chain_id=rules.chain_id,
            fault_model=rules.fault_model,
            witness=self.validator.id,
            time_ms=environment.clock.time_ms,
        )
        readers = stack.enter_context(make_executor(READER_THREADS, "reader"))
        large_readers = stack.enter_context(make_executor(LARGE_READER_THREADS, "large-reader"))
        checkers = stack.enter_context(make_executor(threads, "checker"))
        self.tip_at_start = stores.tip
        self.pool = TransactionPool(
            count_max=config.admission.queue_count_max,
            size_bytes_max=config.admission.queue_bytes_max,
            author_count_max=config.admission.author_count_max,
            author_bytes_max=config.admission.author_bytes_max,
        )
        self.driver = self._make_driver(genesis, rules, keys, stores, worker)
        queries = Queries(stores.chain, rules.chain_id)
        self.admission = Admission(
            chain_id=rules.chain_id,
            pool=self.pool,
            certified=queries,
            authenticator=make_authenticator(genesis, stores, self.driver, environment.clock),
            admissible=make_admissible(
                genesis, rules, self.validator.id, self.driver, self._links, environment.clock
            ),
            closed_reason=self._closed_reason,
            delay_reason=lambda: self.driver.network_reason,
            notify=self.driver.notify,
            is_leading=lambda: self.driver.is_leader,
            leader=lambda: self.driver.leader,
            readers=readers,
            checkers=checkers,
            checkers_count=threads,
            checks_count_max=config.admission.checks_count_max,
        )
        self.node = Node(
            validator=self.validator,
            rules=rules,
            genesis=encoded_genesis,
            chain=stores.chain,
            driver=self.driver,
            admission=self.admission,
            queries=queries,
            clock=environment.clock,
            readers=readers,
            large_readers=large_readers,
            software_version=get_software_version(),
            no_vote_reason=self.get_no_vote_reason,
            on_corruption=self._fail,
            read_halt_report=lambda: read_halt_report(config.home),
        )
        self._peer_service = PeerService(
            stores.chain, self.admission, self.driver, self._links, large_readers, self._fail
        )

    def _make_driver(
        self,
        genesis: Genesis,
        rules: NetworkRules,
        keys: ValidatorKeys,
        stores: OpenedStores,
        worker: Executor,
    ) -> Driver:
        environment = self._environment
        voter = Voter(
            stores.votes,
            keys.vote,
            self.validator.id,
            no_vote_reason=stores.no_vote_reason,
            failpoint=environment.failpoint,
        )
        finality = Finality(
            rules=rules,
            chain=stores.chain,
            voter=voter,
            failpoint=environment.failpoint,
        )

        def examine(transaction: CheckedTransaction) -> None:
            operation = transaction.body.operation
            assert operation is not None, "the transaction was checked"
            check_operation(operation, network=genesis.network, charter=genesis.charter)

        return Driver(
            DriverParts(
                validator_id=self.validator.id,
                peer_key=keys.peer,
                rules=rules,
                chain=stores.chain,
                tip=stores.tip,
                make_ordering=lambda membership: self._make_ordering(rules, membership, stores),
                on_membership=self._take_membership,
                finality=finality,
                no_vote_reason=stores.no_vote_reason,
                pledge=lambda error: voter.pledge(error.vote),
                pool=self.pool,
                links=self._links,
                serve=self._serve,
                examine=examine,
                accuse=self._accuse,
                report_divergence=lambda error: report_divergence(self._config.home, error),
                report_halt=self._report_halt,
                blocks=self._config.blocks,
                consensus=self._config.consensus,
                clock=environment.clock,
                draw_bytes=environment.draw_bytes,
                worker=worker,
                failpoint=environment.failpoint,
            )
        )

    def _make_ordering(
        self, rules: NetworkRules, membership: Membership, stores: OpenedStores
    ) -> RawNode:
        """The Raft core on what is in the chain store."""
        options, log = self._config.consensus, stores.chain.log
        applied = max(stores.chain.head.applied_index, log.conf_index)
        ordering = RawNode(
            Config(
                # Who is not admitted yet takes no part, under any number.
                node_id=membership.get_number(self.validator.id) or NODE_MAX,
                election_ticks=options.election_timeout_ms // options.heartbeat_interval_ms,
                heartbeat_ticks=1,
                applied=applied,
                quorum_rule=get_quorum_rule(rules.fault_model),
                digest_chain=chain_digest,
                message_size_max=APPEND_SIZE_MAX,
                committed_size_max=COMMITTED_SIZE_MAX,
                uncommitted_size_max=UNCOMMITTED_SIZE_MAX,
                inflight_count_max=APPENDS_COUNT_MAX,
                check_quorum=True,
                pre_vote=True,
                is_proposal_forwarded=False,
                is_step_down_on_removal=True,
            ),
            log,
            self._environment.draw,
        )
        if applied < stores.voted_index <= log.last_index():
            # This key has voted for it, so it was ordered, known or not.
            ordering.commit_known(stores.voted_index)
        return ordering

    @property
    def listener(self) -> PeerListener:
        """Whom the links tell what comes from other validators."""
        return self.driver

    @property
    def membership(self) -> Membership:
        """Who the other validators are, as of the newest certified block."""
        return self.driver.tip.membership

    def _take_membership(self, membership: Membership) -> None:
        if self.on_membership is not None:
            self.on_membership(membership)

    def _serve(self, peer: str, message: ForwardMessage | BlocksRequest) -> None:
        self._peer_service.serve(peer, message)

    def _accuse(self, keep: Callable[[EvidenceKeeper], object]) -> None:
        """Keep evidence in the writer thread, after what it is at."""
        self._in_background(lambda: keep(self.evidence))

    def _report_halt(self, tip: Tip, ordering: RawNode) -> None:
        last_index = ordering.status().last_index
        last_term, digest = ordering.describe_entry(last_index)
        report = build_halt_report(
            chain_id=self._rules.chain_id,
            validator=self.validator.id,
            key=self._peer_key,
            epoch=tip.header.epoch,
            height=tip.height,
            head=tip.head,
            vote=self._votes.latest,
            last_index=last_index,
            last_term=last_term,
            log_digest=digest,
            time_ms=self._environment.clock.time_ms(),
        )
        self._in_background(lambda: publish_halt_report(self._config.home, tip.height, report))

    def _in_background(self, work: Callable[[], object]) -> None:
        """In the writer thread; what fails stands in the log and ends nothing."""

        def guarded() -> None:
            try:
                work()
            except (NodeError, StorageError) as error:
                _log.error("not written: %s", error)

        self._worker.submit(guarded)

    def start(self) -> asyncio.Task[None]:
        """Begin to drive; the task ends when the node stops, with the error that stopped it."""
        self._driving = asyncio.create_task(self._drive(), name="driver")
        return self._driving

    async def stop_driving(self) -> None:
        """Take nothing more, certify what is queued within the grace, answer who waits."""
        self._is_stopping = True
        if self._driving is not None and not self._driving.done():
            self.driver.stop(drain=True)
            await asyncio.wait({self._driving}, timeout=self._config.api.stop_grace_ms / 1000)
            self.driver.stop(drain=False)
            await asyncio.wait({self._driving})
        self.pool.close()
        await self._peer_service.stop()

    def close(self) -> None:
        """End threads and close the stores, after `stop_driving`. Idempotent."""
        self._stack.close()

    async def stop(self) -> None:
        """`stop_driving` and `close`."""
        await self.stop_driving()
        self.close()

    async def _drive(self) -> None:
        try:
            await self.driver.run()
        except Exception as error:
            is_known = isinstance(error, StorageError)
            self._end = f"the node ended: {error if is_known else type(error).__name__}"
            raise
        finally:
            # Nobody will be answered any more, whatever the reason.
            self._is_stopping = True
            self.pool.close()
        if self._damage is not None:
            raise self._damage

    def _closed_reason(self) -> str:
        """Why no transaction is taken, or an empty string."""
        if self._damage is not None or self._is_stopping:
            return self.get_no_vote_reason()
        # Where only the network is in the way a transaction waits here, and is certified later.
        reason = self.driver.no_vote_reason or self.driver.clock_reason
        return f"this validator does not vote: {reason}" if reason else ""

    def get_no_vote_reason(self) -> str:
        """Why this validator does not vote now, or an empty string."""
        if self._damage is not None:
            return f"the node ended: {self._damage}"
        if self._is_stopping:
            return self._end or "the node is stopping"
        driver = self.driver
        return driver.no_vote_reason or driver.clock_reason or driver.network_reason

    def _fail(self, damage: CorruptionError) -> None:
        """A read found the store damaged: finish nothing, stop."""
        _log.critical("store damaged code=%s text=%s", damage.code, damage.text)
        self._damage = self._damage or damage
        self.driver.stop(drain=False)


def find_validator(genesis: Genesis, config: NodeConfig, keys: ValidatorKeys) -> Validator:
    """This node's record: that of genesis, or the one in its home with which it was admitted later.

    Raises NodeError when there is none or the keys differ.
    """
    validator_id = config.node.id
    found = [v for v in genesis.validators if v.id == validator_id]
    if not found:
        found = [
            v for v in (read_validator(config.home),) if v is not None and v.id == validator_id
        ]
    if not found:
        raise usage_error(
            "VALIDATOR_UNKNOWN",
            f"{validator_id} is no validator of this genesis document, and the home holds no record"
            " of one",
            "Set node.id in config.toml to the validator's id.",
        )
    [validator] = found
    if (validator.vote_key, validator.peer_key) != (keys.vote.public_key, keys.peer.public_key):
        raise usage_error(
            "KEY_MISMATCH",
            f"the vote or peer key is not that of {validator_id}'s record",
            "Put the key files of this validator into the node's keys directory.",
        )
    return validator


def get_software_version() -> str:
    """Of the installed distribution, or `unknown` where none is installed."""
    try:
        return importlib.metadata.version("psetledger")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
