# SPDX-License-Identifier: Apache-2.0
"""What `pset` says of a node that lies, and of one that takes a write and never answers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.model.codec import decode, encode
from ledger.model.proofs import ProvenState
from ledger.node.queries import Queries
from ledger.node.tip import Tip
from ledger.node.voting import Voter
from psetledger.testing import LocalNetwork, running_network
from tests.support.pset_runs import Pset

pytestmark = pytest.mark.serial


@pytest.fixture
def network(tmp_path: Path) -> Generator[LocalNetwork]:
    with running_network(tmp_path) as network:
        yield network


def test_a_node_that_alters_a_value_is_caught_and_the_evidence_named(
    network: LocalNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    pset = Pset(network.directory, network.home)
    assert pset("org", "show", "saqa").data["short_name"] == "saqa"
    honest = Queries.prove

    def lie(self: Queries, tip: Tip, keys: Sequence[bytes]) -> bytes:
        proven = decode(ProvenState, honest(self, tip, keys))
        first, *others = proven.entries
        altered = replace(first, value=first.value[:-1] + bytes([first.value[-1] ^ 1]))
        return encode(replace(proven, entries=(altered, *others)))

    monkeypatch.setattr(Queries, "prove", lie)
    caught = pset("org", "show", "saqa")
    assert caught.exit == 5
    assert caught.stdout == ""
    evidence = Path(caught.error["evidence"])
    assert evidence.is_relative_to(network.home)
    assert evidence.stat().st_size > 0
    words = pset.words("org", "show", "saqa")
    assert "evidence" in words.stderr
    assert "Traceback" not in words.stderr

    monkeypatch.undo()
    assert pset("org", "show", "saqa").data["short_name"] == "saqa", "the lie changed nothing"


def abstain(*_: object) -> None:
    """Vote for nothing."""


def test_a_write_that_is_not_answered_in_time_is_pending_and_names_its_transaction(
    network: LocalNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    pset = Pset(network.directory, network.home)
    assert pset("org", "show", "saqa").data["sites"] == {}  # the first block is certified
    monkeypatch.setattr(Voter, "vote", abstain)  # what is ordered is never certified
    site = ("--code", "1", "--name", "Sample site", "--province", "GP")
    waiting = pset("org", "add-site", "saqa", *site, "--as", "saqa", "--timeout", "2s")
    assert waiting.exit == 4, waiting.stderr
    assert waiting.error["phase"] in {"pending", "unknown"}, waiting.stderr
    assert len(waiting.error["transaction_id"]) == 64
    assert "evidence" not in waiting.error
    assert pset("org", "show", "saqa").data["sites"] == {}
