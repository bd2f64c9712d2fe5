# SPDX-License-Identifier: Apache-2.0
"""Validators in one thread: the real node code over simulated clocks, disks and network.

A node outlives its runs as a home, a disk and a clock; each run is a `Process`. A crash ends a process
between two steps of its code, or at a named failpoint, and takes from the disk what a power cut may
take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from ledger.model.block import Validator
from ledger.model.codec import encode
from ledger.model.genesis import Genesis, encode_genesis
from ledger.node.config import (
    AdmissionOptions,
    BlockOptions,
    ConsensusOptions,
    NodeConfig,
    NodeOptions,
)
from ledger.node.core import Environment, NodeCore
from ledger.node.errors import NodeError
from ledger.node.failpoints import Failpoint
from ledger.node.keys import ValidatorKeys, mark_vote_key_fresh
from ledger.node.setup import VALIDATOR_FILE
from ledger.storage.errors import StorageError
from tests.support.ledger_world import make_genesis, make_validator
from tests.support.node_harness import make_keys
from tests.support.simulation.checkers import Checkers
from tests.support.simulation.clock import SimulatedClock
from tests.support.simulation.disk import SimulatedDisk
from tests.support.simulation.executor import SimulatedExecutor
from tests.support.simulation.loop import Process, make_loop
from tests.support.simulation.member_book import MemberBook
from tests.support.simulation.network import NodeLinks, SimulatedNetwork
from tests.support.simulation.records import Electorate
from tests.support.simulation.trace import Trace

_T = TypeVar("_T")

EPOCH_MS: Final = 1_760_000_000_000
"""Wall time when a run begins."""
ELECTION_MS: Final = 1_000
FRESHNESS_MS: Final = 4_000
CPU_US: Final = (40, 400)
"""How long work in a thread takes beside its disk."""
CALL_US: Final = (100, 3_000)
"""One way between a client and a node."""


class GoneError(Exception):
    """The node that was asked is not there, or ended before it answered."""


class _FailpointError(Exception):
    """The process ended at a failpoint: nothing sees this."""


@lru_cache(maxsize=16)
def get_genesis(count: int, fault_model: str, scheme: str) -> Genesis:
    """Of a network of so many validators."""
    return make_genesis(
        validators=[f"n{number}" for number in range(1, count + 1)],
        fault_model=fault_model,
        certificate_scheme=scheme,
        created=EPOCH_MS - 60_000,
    )


@lru_cache(maxsize=64)
def get_keys(validator_id: str, scheme: str) -> ValidatorKeys:
    """Of a validator of `get_genesis`."""
    return make_keys(validator_id, scheme)


@dataclass(slots=True)
class SimulatedNode:
    """One validator's machine."""

    name: str
    home: Path
    disk: SimulatedDisk
    clock: SimulatedClock
    process: Process | None = None
    """The run that is on, if one is."""
    core: NodeCore | None = None
    crash_at: tuple[Failpoint, int] | None = None
    """A place, and how often it is passed by before the process ends there."""
    refused: list[str] = field(default_factory=list[str])
    """Why a start was refused."""
    is_retired: bool = False
    """Removed from the validators, and ended because of that."""

    @property
    def is_running(self) -> bool:
        return self.core is not None


class SimulatedCluster:
    """All validators of one run."""

    def __init__(
        self,
        *,
        directory: Path,
        random: Random,
        count: int,
        fault_model: str,
        scheme: str,
        liars: frozenset[str] = frozenset(),
        is_changing: bool = False,
    ) -> None:
        """With `is_changing` validators come and go."""
        self.loop = make_loop()
        self.random = random
        self.log_entries_kept = random.choice((1, 3, 8, 64))
        """With few, who lags for a moment already catches up by certified blocks."""
        self.trace = Trace(self.loop)
        self.genesis = get_genesis(count, fault_model, scheme)
        self.scheme = scheme
        self.names = tuple(validator.id for validator in self.genesis.validators)
        self.liars = liars
        self.network = SimulatedNetwork(self.loop, random, self.names, self.trace)
        electorate = Electorate.make(
            {validator.id: validator.vote_key for validator in self.genesis.validators},
            is_bls=scheme == "bls12381",
            is_byzantine=fault_model == "byzantine",
        )
        self.checkers = Checkers(
            electorate,
            {name: number for number, name in enumerate(self.names, 1)},
            lambda name: self.nodes[name].disk,
            lambda: self.loop.now_us,
            liars=liars,
            members=MemberBook(
                {validator.id: encode(validator) for validator in self.genesis.validators},
                is_bls=scheme == "bls12381",
                is_byzantine=fault_model == "byzantine",
            )
            if is_changing
            else None,
        )
        self.network.watchers.append(self.checkers.watch_send)
        self._directory = directory
        self.nodes = {name: self._make_node(name) for name in self.names}
        self.expected_ends: tuple[str, ...] = ()
        """Codes with which a node may end by itself."""

    def _make_node(self, name: str) -> SimulatedNode:
        node = SimulatedNode(
            name,
            self._directory / name,
            SimulatedDisk(name, self.random, self.checkers),
            SimulatedClock(self.loop, EPOCH_MS),
        )
        (node.home / "keys").mkdir(parents=True)
        mark_vote_key_fresh(node.home, get_keys(name, self.scheme).vote.public_key)
        return node

    def add(self, name: str) -> Validator:
        """A machine for a validator to be; its record."""
        validator = make_validator(
            name, self.genesis.validators[0].organisation, certificate_scheme=self.scheme
        )
        self.nodes[name] = node = self._make_node(name)
        (node.home / VALIDATOR_FILE).write_bytes(encode(validator))
        self.names = (*self.names, name)
        self.network.add(name)
        return validator

    @property
    def honest(self) -> tuple[SimulatedNode, ...]:
        """All but the liars, and but those who were removed and ended."""
        return tuple(
            node
            for name, node in self.nodes.items()
            if name not in self.liars and not node.is_retired
        )

    @property
    def members(self) -> tuple[SimulatedNode, ...]:
        """Those of them who are validators or learners, as of the newest certified block."""
        book = self.checkers.members
        if book is None:
            return self.honest
        return tuple(node for node in self.honest if node.name in book.active | book.learners)

    # Runs of nodes --------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Begin a run, soon."""
        node = self.nodes[name]
        if node.process is not None or node.is_retired:
            return
        process = Process(name)
        node.process = process
        self.trace.note(name, "start")
        self.loop.call_soon(self._boot, node, process, context=process.context)

    def _boot(self, node: SimulatedNode, process: Process) -> None:
        try:
            core = NodeCore(
                self.make_config(node),
                self.genesis,
                encode_genesis(self.genesis),
                get_keys(node.name, self.scheme),
                self.make_environment(node, process),
                NodeLinks(self.network, node.name),
            )
        except (NodeError, StorageError) as error:
            node.process = None
            self._ended(node, error)
            return
        node.core = core
        self.network.attach(node.name, process, core.listener)
        core.start().add_done_callback(lambda task: self._driver_ended(node, process, task))

    def make_config(self, node: SimulatedNode) -> NodeConfig:
        """Short times, so that much happens in a run."""
        return NodeConfig(
            home=node.home,
            node=NodeOptions(node.name, "genesis.json"),
            consensus=ConsensusOptions(
                election_timeout_ms=ELECTION_MS,
                heartbeat_interval_ms=100,
                log_entries_kept=self.log_entries_kept,
            ),
            blocks=BlockOptions(linger_ms=2, freshness_interval_ms=FRESHNESS_MS),
            admission=AdmissionOptions(threads=1),
        )

    def make_environment(self, node: SimulatedNode, process: Process) -> Environment:
        """What one run of a node takes from the world."""
        random = self.random

        def make_executor(threads: int, name: str) -> Executor:
            return SimulatedExecutor(
                self.loop, node.disk, threads, name, lambda: random.randint(*CPU_US)
            )

        return Environment(
            clock=node.clock,
            open_store=node.disk.open_store,
            failpoint=lambda place, height: self._pass(node, process, place, height),
            make_executor=make_executor,
            draw=random.randint,
            draw_bytes=random.randbytes,
        )

    def _pass(self, node: SimulatedNode, process: Process, place: Failpoint, height: int) -> None:
        if node.crash_at is None or node.crash_at[0] is not place or process.is_dead:
            return
        _, count = node.crash_at
        if count > 0:
            node.crash_at = (place, count - 1)
            return
        node.crash_at = None
        self.trace.note(node.name, f"crash {place} at {height}")
        self._end_process(node)
        # The work that is cut here has written all it will.
        self.loop.call_soon(lambda: node.disk.crash(is_cut=False), context=_nowhere())
        raise _FailpointError

    def crash(self, name: str) -> None:
        """`kill -9` and a power cut."""
        node = self.nodes[name]
        if node.process is None:
            return
        self._end_process(node)
        lost = node.disk.crash()
        self.trace.note(name, f"crash, {lost} batches lost")

    def _end_process(self, node: SimulatedNode) -> None:
        assert node.process is not None
        node.process.is_dead = True
        node.process = node.core = None
        self.network.detach(node.name)

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        process = self.nodes[name].process
        if process is not None and not process.is_paused:
            self.trace.note(name, "pause")
            process.is_paused = True

    def resume(self, name: str) -> None:
        """SIGCONT."""
        process = self.nodes[name].process
        if process is not None and process.is_paused:
            self.trace.note(name, "resume")
            self.loop.resume(process)

    def _driver_ended(
        self, node: SimulatedNode, process: Process, task: asyncio.Task[None]
    ) -> None:
        if process.is_dead:
            return
        self._end_process(node)
        node.disk.crash()
        error = None if task.cancelled() else task.exception()
        self._ended(node, error or AssertionError("the driver ended unasked"))

    def _ended(self, node: SimulatedNode, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}"
        self.trace.note(node.name, f"ended {text}")
        node.refused.append(text)
        members = self.checkers.members
        if members is not None and node.name in members.removed:
            node.is_retired = getattr(error, "code", "") == "VALIDATOR_REMOVED"
            if node.is_retired:
                return
        if getattr(error, "code", "") not in self.expected_ends and node.name not in self.liars:
            self.checkers.fail("node-ended", f"{node.name} ended by itself: {text}")

    # Clients' calls -------------------------------------------------------------------------------

    def call(
        self, name: str, ask: Callable[[NodeCore], Coroutine[Any, Any, _T]]
    ) -> asyncio.Future[_T]:
        """Ask a node over a slow line. GoneError when it is not there or ends meanwhile; a node that
        stands still never answers.
        """
        answer: asyncio.Future[_T] = self.loop.create_future()

        def give(error: BaseException | None, result: object = None) -> None:
            def arrive() -> None:
                if answer.done():
                    return
                if error is not None:
                    answer.set_exception(error)
                else:
                    answer.set_result(result)  # type: ignore[arg-type]

            self.loop.call_after_us(self.random.randint(*CALL_US), arrive, context=_nowhere())

        def arrive() -> None:
            node = self.nodes[name]
            core, process = node.core, node.process
            if core is None or process is None:
                give(GoneError(name))
                return

            def begin() -> None:
                task = self.loop.create_task(ask(core), context=process.context)
                task.add_done_callback(
                    lambda done: give(
                        GoneError(name) if done.cancelled() else done.exception(),
                        None if done.cancelled() or done.exception() else done.result(),
                    )
                )

            self.loop.call_soon(begin, context=process.context)

        self.loop.call_after_us(self.random.randint(*CALL_US), arrive, context=_nowhere())
        return answer


def _nowhere() -> Any:
    """A context of no process."""
    return _OUTSIDE.context


class _Outside(Process):
    """The world: nothing ends it."""


_OUTSIDE: Final = _Outside("world")


def fast_disk(node: SimulatedNode) -> None:
    """As good as new."""
    node.disk.speed = replace(node.disk.speed, stall_rate=0.0, stall_us=0, sync_us=400)
