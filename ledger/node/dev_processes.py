# SPDX-License-Identifier: Apache-2.0
"""The processes of a development network: started side by side, asked how they are, stopped."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Final

from ledger.api.ports import NodeStatus
from ledger.api.probe import NodeProbe, ProbeError
from ledger.model.block import Validator
from ledger.model.certificate import quorum_size
from ledger.node.config import load_config
from ledger.node.dev_membership import read_members
from ledger.node.dev_network import NODES_COUNT_MAX
from ledger.node.errors import NodeError
from ledger.node.keys import is_vote_key_fresh
from ledger.node.node_state import PROBE_SECONDS, NodeState, get_node_state
from ledger.node.process import (
    POLL_SECONDS,
    NodeProcess,
    find_process,
    read_output,
    spawn_node,
    stop_process,
)

START_SECONDS_MAX: Final = 60.0
"""How long a network may take until a block is certified,"""
START_SECONDS_EACH: Final = 6.0
"""and how much longer for each validator: they share this machine's processors."""
LEADER_SECONDS_MAX: Final = 10.0
"""How long a validator that answers may take to know a leader; without one it is shown as it is."""
STOP_SECONDS_MAX: Final = 30.0
PROBES_COUNT_MAX: Final = 8
"""Nodes asked at once how they are."""

_REASON: Final = re.compile(r"^[A-Z][A-Z0-9_]+: .*\n.*(?:\nexit code \d+$)?", re.MULTILINE)
"""What `ledger.node.main` says at the end; other lines may stand around it."""

OnReady = Callable[[str, int, int], None]
"""Told which validator is ready, how many are, and how many are waited for."""


def start_network(
    directory: Path, *, only: Collection[str] = (), on_ready: OnReady | None = None
) -> Sequence[NodeState]:
    """Start what does not run, and wait until each validator knows a certified block and a leader.

    Args:
        directory: of the network.
        only: ids of the validators to start and to wait for; none: all.
        on_ready: told of each that is.

    Where fewer run than a quorum needs, an answer is all that is waited for.

    Raises NodeError: NETWORK_NOT_FOUND, MEMORY_NETWORK_ENDED, or NODE_NOT_STARTED with what the node
    said; then what was started here is stopped again.
    """
    members = read_members(directory)
    everybody = members.current
    wanted = [held for held in everybody if not only or held.id in only]
    for validator in wanted:
        _check_memory(directory, validator, len(everybody))
    started: dict[str, NodeProcess] = {}
    try:
        for validator in wanted:
            home = directory / validator.id
            if find_process(home) is None:
                started[validator.id] = spawn_node(home)
        running = [
            held.id in started or find_process(directory / held.id) is not None
            for held in members.active
        ]
        has_quorum = sum(running) >= quorum_size(len(running), members.genesis.fault_model)
        _wait_until_ready(
            directory, wanted, started, has_quorum=has_quorum, on_ready=on_ready or _nobody_cares
        )
    except BaseException:
        _stop([directory / validator_id for validator_id in started])
        raise
    return network_status(directory)


def stop_network(directory: Path) -> Sequence[str]:
    """Stop what runs, all at once; the ids of the validators that did.

    Raises NodeError: NETWORK_NOT_FOUND, NODE_NOT_STOPPING.
    """
    # A removed one that was paused, or has not read of it, may run still.
    ids = read_members(directory).homes
    stopped = _stop([directory / validator_id for validator_id in ids])
    return [validator_id for validator_id, ran in zip(ids, stopped, strict=True) if ran]


def network_status(directory: Path) -> Sequence[NodeState]:
    """Ask every current validator and learner how it is. Raises NodeError (NETWORK_NOT_FOUND)."""
    members = read_members(directory)

    def ask(validator: Validator) -> NodeState:
        state = get_node_state(directory / validator.id, validator.tls_certificate)
        return replace(state, is_learner=validator.id in members.learners)

    with ThreadPoolExecutor(PROBES_COUNT_MAX, "probe") as pool:
        return list(pool.map(ask, members.current))


def find_leader(states: Sequence[NodeState]) -> str:
    """Who leads, or an empty string when nobody who answers knows.

    The word of the highest term counts: who was cut off may believe for a while that it leads.
    """
    knowing = [state.status for state in states if state.status and state.status.leader]
    return max(knowing, key=lambda status: status.term).leader if knowing else ""


def _check_memory(directory: Path, validator: Validator, validators_count: int) -> None:
    """Refuse what was in memory and ended: its key has voted and the record of that is gone."""
    home = directory / validator.id
    if (
        load_config(home).storage.engine != "memory"
        or find_process(home) is not None
        or is_vote_key_fresh(home, validator.vote_key)
    ):
        return
    text = "this network was kept in memory and ended when it stopped"
    if validators_count > 1:
        text = f"{validator.id} was kept in memory, which ended with it; its key may not vote again"
    raise NodeError(
        "MEMORY_NETWORK_ENDED",
        text,
        f"Remove the network with `pset network down --purge --dir {directory}`, then `up` again.",
    )


def _stop(homes: Sequence[Path]) -> list[bool]:
    """Stop what runs on these homes side by side; whether it ran."""
    for home in homes:
        pid = find_process(home)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)  # one that is paused hears of nothing else
    with ThreadPoolExecutor(NODES_COUNT_MAX, "stop") as pool:
        stopping = [
            pool.submit(stop_process, home, grace_seconds=STOP_SECONDS_MAX) for home in homes
        ]
    return [future.result() for future in stopping]


def _wait_until_ready(
    directory: Path,
    validators: Sequence[Validator],
    started: dict[str, NodeProcess],
    *,
    has_quorum: bool,
    on_ready: OnReady,
) -> None:
    count = len(validators)
    deadline = time.monotonic() + START_SECONDS_MAX + START_SECONDS_EACH * count
    giving_up = threading.Event()

    def wait(validator: Validator) -> str:
        home = directory / validator.id
        address = load_config(home).api.listen
        process = started.get(validator.id)
        problem, answered = "", 0.0
        with NodeProbe(address, validator.id, validator.tls_certificate) as probe:
            while time.monotonic() < deadline:
                if process is not None and process.poll() is not None:
                    raise _not_started(
                        home, f"{validator.id} ended: {read_last_words(home, process.poll())}"
                    )
                status, problem = _ask(probe)
                if status is not None:
                    answered = answered or time.monotonic()
                    is_patient = time.monotonic() < answered + LEADER_SECONDS_MAX
                    if not has_quorum or _is_ready(status, is_leader_needed=is_patient):
                        return validator.id
                    problem = status.voting_reason or "nothing is certified"
                # They are many to ask and few processors to answer.
                if giving_up.wait(POLL_SECONDS * count):
                    break
        raise _not_started(home, f"{validator.id} was not ready in time: {problem}")

    with ThreadPoolExecutor(NODES_COUNT_MAX, "start") as pool:
        waiting = [pool.submit(wait, validator) for validator in validators]
        try:
            for number, future in enumerate(as_completed(waiting), 1):
                on_ready(future.result(), number, count)
        finally:
            giving_up.set()


def _ask(probe: NodeProbe) -> tuple[NodeStatus | None, str]:
    try:
        return probe.get_status(timeout_seconds=PROBE_SECONDS), ""
    except ProbeError as error:
        return None, str(error)


def _is_ready(status: NodeStatus, *, is_leader_needed: bool) -> bool:
    return status.height > 0 and (bool(status.leader) or not is_leader_needed)


def read_last_words(home: Path, returned: int | None = None) -> str:
    """Why a node ended: its code, text and remedy, or whatever else it said, or its exit status where
    that is known.
    """
    said = read_output(home)
    match = _REASON.search(said)
    if match or said:
        return match[0] if match else said
    if returned is not None and returned < 0:
        return f"killed by signal {-returned}; is there memory for so many?"
    return "it said nothing" + ("" if returned is None else f" and returned {returned}")


def _not_started(home: Path, text: str) -> NodeError:
    return NodeError("NODE_NOT_STARTED", text, f"See {home / 'logs'}.")


def _nobody_cares(_validator: str, _ready: int, _of: int) -> None:
    pass
