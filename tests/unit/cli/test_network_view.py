# SPDX-License-Identifier: Apache-2.0
"""Validators' own words as a table, and the quorum as a sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cli.network_view import (
    ValidatorView,
    network_data,
    network_text,
    order_of,
    quorum,
    view_of_statuses,
)
from cli.output import Output
from sdk.networks import Endpoint, read_network


@dataclass
class Status:
    height: int = 7
    voting: bool = True
    voting_reason: str = ""
    state_root: bytes = b"\xab"
    software_version: str = "1"
    role: str = "validator"
    leader: str = ""


def views(voting: int, of: int) -> list[ValidatorView]:
    return [
        ValidatorView(f"n{n}", "saqa", "running", n < voting, "", 1, 0, "ab", "1", "")
        for n in range(of)
    ]


@pytest.mark.parametrize(
    ("voting", "of", "fault_model", "needed", "words"),
    [
        (1, 1, "crash", 1, "none may fail"),
        (4, 4, "byzantine", 3, "1 more may fail before writes stop"),
        (3, 4, "byzantine", 3, "none may fail"),
        (2, 4, "byzantine", 3, "no writes until 1 more vote"),
        (0, 5, "crash", 3, "no writes until 3 more votes"),
    ],
)
def test_the_quorum_in_words(
    voting: int, of: int, fault_model: str, needed: int, words: str
) -> None:
    found = quorum(views(voting, of), fault_model)
    assert (found["voting"], found["of"], found["needed"]) == (voting, of, needed)
    assert found["text"].endswith(words)


def test_one_that_runs(network_directory: Path) -> None:
    network = read_network(network_directory)
    (view,) = view_of_statuses(network, {"n1": Status()})
    assert (view.organisation, view.state, view.behind, view.state_root) == (
        "saqa",
        "running",
        0,
        "ab",
    )
    data = network_data([view], "crash")
    assert set(data["validators"][0]) >= {
        "id",
        "organisation",
        "state",
        "voting",
        "height",
        "behind",
        "state_root",
        "version",
    }
    assert set(data["quorum"]) == {"needed", "of", "voting", "text"}


@pytest.mark.parametrize(("stopped", "state"), [((), "unreachable"), (("n1",), "stopped")])
def test_one_that_does_not_answer(
    network_directory: Path, stopped: tuple[str, ...], state: str
) -> None:
    network = read_network(network_directory)
    (view,) = view_of_statuses(network, {"n1": "refused"}, stopped=stopped)
    assert (view.state, view.voting, view.height, view.problem) == (state, False, None, "refused")


def test_validators_are_counted_as_people_do_and_the_leader_is_named(cluster: Path) -> None:
    network = read_network(cluster)
    ids = [f"n{number}" for number in range(1, 12)]
    statuses = {name: Status(leader="n2") for name in reversed(ids)}
    seen = view_of_statuses(network, statuses)
    assert [view.id for view in seen] == ids
    assert [view.role for view in seen] == ["validator", "leader", *["validator"] * 9]
    assert [view.organisation for view in seen[:5]] == ["saqa", "che", "umalusi", "qcto", "saqa"]
    data = network_data(seen, "crash")
    assert data["validators"][1]["role"] == "leader"
    assert data["quorum"]["text"] == (
        "11 of 11 validators voting, 6 needed: 5 more may fail before writes stop"
    )


@pytest.mark.parametrize(
    ("ids", "ordered"),
    [
        (("n10", "n2", "n1"), ["n1", "n2", "n10"]),
        (("saqa-2", "che-10", "che-9"), ["che-9", "che-10", "saqa-2"]),
        (("b", "a1", "a"), ["a", "a1", "b"]),
    ],
)
def test_the_order_of_ids(ids: tuple[str, ...], ordered: list[str]) -> None:
    assert sorted(ids, key=order_of) == ordered


def test_people_read_why_one_does_not_vote(
    network_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = read_network(network_directory)
    seen = view_of_statuses(network, {"n1": Status(voting=False, voting_reason="diverged")})
    Output().words(network_text(seen, "crash"))
    text = capsys.readouterr().out
    assert "no, diverged" in text
    assert "0 of 1 validator voting" in text


def test_learners_and_removed_ones_are_shown_and_counted_in_no_quorum(cluster: Path) -> None:
    network = read_network(cluster)
    members = {held.id: held.organisation for held in network.genesis.validators[:3]}
    gone = network.genesis.validators[3]
    seen = view_of_statuses(
        network,
        {name: Status() for name in members},
        members={**members, "n40": members["n1"], "n41": "did:pset:dev:unknown"},
        learners={"n40"},
        removed={gone.id: 17},
        stopped={"n40", "n41"},
    )
    rows = {view.id: view for view in seen}
    assert [view.id for view in seen][-1] == gone.id
    assert (rows["n40"].role, rows["n40"].state) == ("learner", "stopped")
    assert rows["n40"].organisation == rows["n1"].organisation
    assert rows[gone.id].state == "removed"
    assert rows[gone.id].voting_reason == "removed by block 17"
    assert rows[gone.id].organisation
    # Three that vote and one that is down: neither the learner nor the removed one.
    assert quorum(seen, "crash") == {
        "needed": 3,
        "of": 4,
        "voting": 3,
        "text": "3 of 4 validators voting, 3 needed: none may fail",
    }
    with_learner = view_of_statuses(
        network,
        {**{name: Status() for name in members}, "n40": Status(role="learner")},
        members={**members, "n40": ""},
    )
    assert quorum(with_learner, "crash")["of"] == 3


def test_of_a_network_of_others_newcomers_are_those_whom_its_file_names(cluster: Path) -> None:
    network = read_network(cluster)
    newcomer = Endpoint("n40", "127.0.0.1:1", b"certificate")
    grown = replace(network, endpoints=(*network.endpoints, newcomer))
    seen = view_of_statuses(grown, {"n40": Status()})
    assert len(seen) == len(network.genesis.validators) + 1
    assert (seen[-1].id, seen[-1].state) == ("n40", "running")
