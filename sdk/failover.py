# SPDX-License-Identifier: Apache-2.0
"""The nodes of a network: who is asked first, who is not believed any more, who is said to lead.

One call's way through them is `sdk.node_search`. Which validator leads is only said: whoever says it
falsely costs a detour, as any validator takes what is to be written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from sdk.errors import Phase
from sdk.node_api import Node, NodeCallError
from sdk.node_faults import UnprovenError
from sdk.node_search import ATTEMPTS_COUNT_MAX, NodeSearch, RefusalsNeeded, one_refusal
from sdk.results import NodeStatus

STATUS_SECONDS_MAX: Final = 5.0
"""How long a node may take to say how it is."""

_T = TypeVar("_T")


class Failover:
    """The nodes of one network, for one client in one event loop."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = list(nodes)
        self._given = tuple(nodes)
        self._distrusted: set[Node] = set()
        self._leader = ""

    @property
    def nodes(self) -> Sequence[Node]:
        """All of them; who answered last comes first."""
        return tuple(self._nodes)

    @property
    def leader(self) -> str:
        """Id of the validator that was said to lead; empty when none of the nodes is it."""
        return self._leader

    def learn_leader(self, validator: str) -> None:
        """A node says who leads; empty: it does not know."""
        if any(node.validator == validator for node in self._nodes):
            self._leader = validator

    def forget_leader(self, validator: str) -> None:
        """A validator does not answer as the leader does."""
        if self._leader == validator:
            self._leader = ""

    def candidates(self) -> list[Node]:
        """The nodes that are believed, in the order in which they are asked; a write asks the leader
        first.
        """
        return [node for node in self._nodes if node not in self._distrusted]

    def prefer(self, node: Node) -> None:
        """Ask this one first from now on."""
        if self._nodes[0] is not node:
            self._nodes.remove(node)
            self._nodes.insert(0, node)

    def distrust(self, node: Node) -> None:
        """Do not ask this one again."""
        self._distrusted.add(node)

    def trust_all(self) -> None:
        """The next call may ask everybody again, and keep new evidence."""
        self._distrusted.clear()

    def search(
        self,
        *,
        seconds: float,
        is_write: bool = False,
        transaction_id: str | None = None,
        rounds_count_max: int = ATTEMPTS_COUNT_MAX,
        refusals_needed: RefusalsNeeded = one_refusal,
        phase: Phase = "not-sent",
    ) -> NodeSearch:
        """One call's way through the nodes; arguments as `run`; `phase`: known of the write before."""
        return NodeSearch(
            self,
            seconds=seconds,
            is_write=is_write,
            transaction_id=transaction_id,
            rounds_count_max=rounds_count_max,
            refusals_needed=refusals_needed,
            phase=phase,
        )

    async def run(
        self,
        attempt: Callable[[Node, float], Awaitable[_T]],
        *,
        seconds: float,
        is_write: bool = False,
        transaction_id: str | None = None,
        rounds_count_max: int = ATTEMPTS_COUNT_MAX,
        refusals_needed: RefusalsNeeded = one_refusal,
    ) -> _T:
        """Let one node after the other answer until one does.

        Args:
            attempt: given a node and the seconds left; raises NodeCallError or UnprovenError.
            seconds: until the deadline.
            is_write: whether it matters that a request may have arrived.
            transaction_id: for the error.
            rounds_count_max: give up earlier, after each node was asked so often.
            refusals_needed: how many nodes must refuse for a refusal to end the search; when all
                that answer do, it ends too.

        Raises:
            NodeCallError: REFUSED.
            UnavailableError: nobody answered in time; `phase` says what is known of a write.
            TrustError: nobody proved an answer.
        """
        search = self.search(
            seconds=seconds,
            is_write=is_write,
            transaction_id=transaction_id,
            rounds_count_max=rounds_count_max,
            refusals_needed=refusals_needed,
        )
        return await search.run(attempt)

    async def ask_all(
        self, attempt: Callable[[Node, float], Awaitable[_T]], *, seconds: float
    ) -> Sequence[_T | None]:
        """What each node answers, side by side and once, in the order of `__init__`.

        None: no answer in time, or none that is proven; nobody is asked who is not believed.
        """

        async def ask(node: Node) -> _T | None:
            if node in self._distrusted:
                return None
            try:
                async with asyncio.timeout(seconds):
                    return await attempt(node, seconds)
            except UnprovenError as error:
                if not error.is_lag:
                    self.distrust(node)
            except (NodeCallError, TimeoutError):
                pass
            return None

        return await asyncio.gather(*(ask(node) for node in self._given))

    async def statuses(
        self, *, seconds: float = STATUS_SECONDS_MAX
    ) -> Sequence[tuple[Node, NodeStatus | None]]:
        """How each node sees itself, in the order of `__init__`; None: it does not answer."""
        found = await self.ask_all(
            lambda node, left: node.get_status(seconds=left), seconds=seconds
        )
        return tuple(zip(self._given, found, strict=True))

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        for node in self._nodes:
            await node.close()
