# SPDX-License-Identifier: Apache-2.0
"""What a driver drives with, and what its parts may ask of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NoReturn, Protocol, TypeVar

from consensus import RawNode
from ledger.model.private_key import PrivateKey
from ledger.model.transaction_check import CheckedTransaction
from ledger.node.catch_up import CatchUp
from ledger.node.clock import Clock
from ledger.node.config import BlockOptions, ConsensusOptions
from ledger.node.evidence import EvidenceKeeper
from ledger.node.failpoints import FailpointHook, pass_by
from ledger.node.finality import DivergenceError, Finality, OtherBlockError, Provisional
from ledger.node.forwarding import Forwarding
from ledger.node.membership import Membership
from ledger.node.peers import BlocksRequest, ForwardMessage, PeerLinks
from ledger.node.pool import TransactionPool
from ledger.node.proposals import CheckedBlock
from ledger.node.tip import Tip
from ledger.node.validators import NetworkRules
from ledger.storage.chain import ChainStore

_T = TypeVar("_T")

Accuse = Callable[[Callable[[EvidenceKeeper], object]], None]
"""Keep evidence, somewhere else and a little later."""
Serve = Callable[[str, ForwardMessage | BlocksRequest], None]
"""Answer what needs more than the driver; must not wait."""


@dataclass(frozen=True, slots=True)
class Flight:
    """Where in the log a block above the tip is."""

    index: int
    term: int
    height: int


@dataclass(frozen=True, slots=True)
class DriverParts:
    """What a driver drives with."""

    validator_id: str
    peer_key: PrivateKey
    rules: NetworkRules
    chain: ChainStore
    tip: Tip
    make_ordering: Callable[[Membership], RawNode]
    """From what is in the chain store; asked again when the log was wrong."""
    finality: Finality
    no_vote_reason: str
    """Why this validator's key does not vote, or an empty string."""
    pledge: Callable[[OtherBlockError], None]
    """Never vote again at the height of a certificate against the own block; in the worker."""
    on_membership: Callable[[Membership], None]
    """Told when the state has other members than before."""
    pool: TransactionPool
    links: PeerLinks
    serve: Serve
    examine: Callable[[CheckedTransaction], None]
    """What a transaction must be to come into a block that is seen for the first time."""
    accuse: Accuse
    report_divergence: Callable[[DivergenceError], None]
    """Write down what differs, in the worker."""
    report_halt: Callable[[Tip, RawNode], None]
    """Say durably that nothing is certified any more; begins, and does not wait."""
    blocks: BlockOptions
    consensus: ConsensusOptions
    clock: Clock
    draw_bytes: Callable[[int], bytes]
    worker: Executor
    failpoint: FailpointHook = pass_by


class Driving(Protocol):
    """A driver as its parts see it. One thread: the event loop's."""

    tip: Tip
    provisional: Provisional | None
    """The block in flight, executed here."""
    flight: Flight | None
    """The newest block above the tip that is in the log, or was."""
    checked: CheckedBlock | None
    """The last block that passed its first sight here, or was made here."""
    catch_up: CatchUp
    forwarding: Forwarding

    @property
    def ordering(self) -> RawNode: ...
    @property
    def others(self) -> tuple[str, ...]: ...
    @property
    def leader(self) -> str: ...
    @property
    def is_leader(self) -> bool: ...
    @property
    def is_observer(self) -> bool: ...
    @property
    def no_vote_reason(self) -> str: ...
    @property
    def clock_reason(self) -> str: ...
    @property
    def is_stopping(self) -> bool: ...
    @property
    def is_draining(self) -> bool: ...
    @property
    def progress(self) -> tuple[int, int]: ...

    def is_in_flight(self) -> bool:
        """Whether the log holds a block that is not certified."""
        ...

    def read_membership(self, height: int) -> Membership:
        """Who the members were after a certified block."""
        ...

    def note_progress(self) -> None:
        """The block in flight came a step further."""
        ...

    def go_on(self, provisional: Provisional, tip: Tip, proofs: dict[bytes, bytes]) -> None:
        """A block is certified and durable."""
        ...

    def begin_anew(self) -> NoReturn:
        """Replace the ordering by one on what is in the chain store."""
        ...

    def in_worker(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """Run something in the writer thread."""
        ...
