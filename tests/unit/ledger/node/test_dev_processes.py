# SPDX-License-Identifier: Apache-2.0
"""Starting several validators: side by side, all waited for, stopped again when one fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Lock
from typing import Any, Self

import pytest

from ledger.api.ports import NodeStatus
from ledger.api.probe import ProbeError
from ledger.node import dev_processes
from ledger.node.dev_membership import create_newcomer, note_learner, note_removed, read_members
from ledger.node.dev_network import create_network
from ledger.node.dev_processes import read_last_words, start_network, stop_network
from ledger.node.errors import NodeError
from ledger.node.node_state import NodeState


def make_status(validator: str, *, height: int = 1, leader: str = "n2") -> NodeStatus:
    return NodeStatus(
        chain_id="dev:00",
        node_id=validator,
        organisation="",
        role="validator",
        height=height,
        applied_height=height,
        voting=True,
        voting_reason="",
        state_root=bytes(32),
        software_version="1",
        protocol_version=1,
        time=0,
        term=1,
        leader=leader,
    )


class World:
    """Validators without processes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running: set[str] = set()
        self.spawned: list[str] = []
        self.stopped: list[str] = []
        self.ended: set[str] = set()
        """Processes that end by themselves."""
        self.returned = 4
        self.answer: Callable[[str], NodeStatus] = make_status
        world = self

        class Process:
            def __init__(self, home: Path) -> None:
                self._validator = home.name

            def poll(self) -> int | None:
                return world.returned if self._validator in world.ended else None

        class Probe:
            def __init__(self, _address: str, validator: str, _certificate: bytes) -> None:
                self._validator = validator

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_error: object) -> None:
                pass

            def get_status(self, **_options: Any) -> NodeStatus:
                return world.answer(self._validator)

        def spawn(home: Path) -> Process:
            self.spawned.append(home.name)
            self.running.add(home.name)
            return Process(home)

        def stop(home: Path, **_options: Any) -> bool:
            self.stopped.append(home.name)
            return True

        def find(home: Path) -> int | None:
            return 4_000_000 + len(home.name) if home.name in self.running else None

        def state(home: Path, _certificate: bytes) -> NodeState:
            return NodeState(home.name, home, "", find(home), None, "")

        monkeypatch.setattr(dev_processes, "NodeProbe", Probe)
        monkeypatch.setattr(dev_processes, "spawn_node", spawn)
        monkeypatch.setattr(dev_processes, "stop_process", stop)
        monkeypatch.setattr(dev_processes, "find_process", find)
        monkeypatch.setattr(dev_processes, "get_node_state", state)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("networks") / "three"
    create_network(directory, nodes=3, storage="memory", certificate_scheme="ed25519")
    return directory


def test_all_are_started_before_any_is_waited_for(world: World, place: Path) -> None:
    together = Barrier(3, timeout=30)
    guard, asked = Lock(), set[str]()

    def answer(validator: str) -> NodeStatus:
        assert world.spawned == ["n1", "n2", "n3"]
        with guard:
            is_first = validator not in asked
            asked.add(validator)
        if is_first:
            together.wait()  # ends only when all three are asked at one time
        return make_status(validator)

    world.answer = answer
    ready: list[tuple[int, int]] = []
    states = start_network(place, on_ready=lambda _id, number, of: ready.append((number, of)))
    assert [state.validator for state in states] == ["n1", "n2", "n3"]
    assert ready == [(1, 3), (2, 3), (3, 3)]
    assert not world.stopped


def test_each_is_waited_for_until_it_has_a_block_and_a_leader(world: World, place: Path) -> None:
    steps = {name: iter([(0, ""), (0, "n2"), (1, ""), (1, "n2")]) for name in ("n1", "n2", "n3")}
    seen: list[tuple[int, str]] = []

    def answer(validator: str) -> NodeStatus:
        height, leader = next(steps[validator])
        seen.append((height, leader))
        return make_status(validator, height=height, leader=leader)

    world.answer = answer
    start_network(place)
    assert seen.count((1, "n2")) == 3
    assert all(next(rest, None) is None for rest in steps.values())


def test_one_that_ends_ends_the_start_and_what_was_started(world: World, place: Path) -> None:
    world.running = {"n1"}
    world.ended = {"n3"}

    def answer(_validator: str) -> NodeStatus:
        raise ProbeError("not yet")

    world.answer = answer
    (place / "n3" / "logs").mkdir(exist_ok=True)
    (place / "n3" / "logs" / "node.out").write_text(
        "a warning\nLISTEN_FAILED: the port is taken\nFree it.\nException ignored in: x\n"
    )
    began = time.monotonic()
    with pytest.raises(NodeError) as caught:
        start_network(place)
    assert time.monotonic() - began < 10, "the others are not waited for"
    assert caught.value.code == "NODE_NOT_STARTED"
    assert caught.value.text == "n3 ended: LISTEN_FAILED: the port is taken\nFree it."
    assert sorted(world.stopped) == ["n2", "n3"], "what ran before goes on"


def test_one_that_was_killed_says_nothing_and_is_told_by_its_signal(
    world: World, place: Path
) -> None:
    world.ended, world.returned = {"n2"}, -9
    world.answer = lambda validator: make_status(validator, height=0)
    (place / "n2" / "logs").mkdir(exist_ok=True)
    (place / "n2" / "logs" / "node.out").write_text("")
    with pytest.raises(NodeError) as caught:
        start_network(place)
    assert caught.value.text == "n2 ended: killed by signal 9; is there memory for so many?"


def test_only_those_named_are_started(world: World, place: Path) -> None:
    world.running = {"n1"}
    start_network(place, only={"n3"})
    assert world.spawned == ["n3"]


def test_without_a_quorum_an_answer_is_enough(world: World, place: Path) -> None:
    def answer(validator: str) -> NodeStatus:
        return make_status(validator, height=0, leader="")

    world.answer = answer
    start_network(place, only={"n1"})
    assert world.spawned == ["n1"]


def test_without_a_leader_it_is_shown_as_it_is(
    world: World, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_processes, "LEADER_SECONDS_MAX", 0.0)
    world.answer = lambda validator: make_status(validator, leader="")
    start_network(place)
    assert not world.stopped


def test_who_is_never_ready_is_named_with_the_reason(
    world: World, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_processes, "START_SECONDS_MAX", 0.2)
    monkeypatch.setattr(dev_processes, "START_SECONDS_EACH", 0.0)
    world.answer = lambda validator: make_status(validator, height=int(validator != "n2"))
    with pytest.raises(NodeError) as caught:
        start_network(place)
    assert "n2 was not ready in time: nothing is certified" in caught.value.text
    assert sorted(world.stopped) == ["n1", "n2", "n3"]


def test_what_was_in_memory_and_voted_does_not_come_back(world: World, tmp_path: Path) -> None:
    place = tmp_path / "two"
    create_network(place, nodes=2, storage="memory", certificate_scheme="ed25519")
    (place / "n2" / "keys" / "vote.fresh").unlink()
    with pytest.raises(NodeError) as caught:
        start_network(place)
    assert caught.value.code == "MEMORY_NETWORK_ENDED"
    assert "n2 was kept in memory" in caught.value.text
    assert not world.spawned


# Networks whose validators came and went -------------------------------------------------------------


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """n1 was removed, n4 is a learner."""
    place = tmp_path / "changed"
    create_network(place, nodes=3, storage="memory", certificate_scheme="ed25519")
    create_newcomer(place, "n4", read_members(place).current[0].organisation)
    note_learner(place, "n4")
    note_removed(place, "n1", 7)
    return place


def test_who_is_a_member_now_is_started_and_asked(world: World, changed: Path) -> None:
    states = start_network(changed)
    assert sorted(world.spawned) == ["n2", "n3", "n4"]
    assert [(state.validator, state.is_learner) for state in states] == [
        ("n2", False),
        ("n3", False),
        ("n4", True),
    ]


def test_a_learner_is_no_part_of_the_quorum_that_is_waited_for(world: World, changed: Path) -> None:
    # n2 and the learner run: not the two of two that a quorum needs, so an answer is enough.
    world.answer = lambda validator: make_status(validator, height=0, leader="")
    start_network(changed, only={"n2", "n4"})
    assert sorted(world.spawned) == ["n2", "n4"]


def test_a_removed_one_that_still_runs_is_stopped(world: World, changed: Path) -> None:
    assert stop_network(changed) == ["n1", "n2", "n3", "n4"]
    assert sorted(world.stopped) == ["n1", "n2", "n3", "n4"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("x\nVALIDATOR_REMOVED: by 7\nKeep it.\nexit code 4\ny\n", "Keep it.\nexit code 4"),
        ("VALIDATOR_REMOVED: by 7\nKeep it.\n", "Keep it."),
        ("", "it said nothing"),
    ],
)
def test_the_last_words_of_one_that_ended_by_itself(tmp_path: Path, said: str, words: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "node.out").write_text(said)
    assert read_last_words(tmp_path).endswith(words)
