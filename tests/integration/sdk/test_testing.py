# SPDX-License-Identifier: Apache-2.0
"""The fixture for users' own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from psetledger.testing import LocalNetwork, ledger_network, running_network

__all__ = ["ledger_network"]


def test_the_fixture_runs_a_network_of_its_own(ledger_network: LocalNetwork) -> None:
    did = ledger_network.add_organisation("nmu", type="university", codes={"che": "H-07"})
    with ledger_network.connect("nmu") as client:
        assert client.acting_did() == did
        assert client.organisation("che:H-07").value.name == "nmu (sample)"
    assert ledger_network.signer("nmu", "issue").key_id == "issue"
    assert ledger_network.home.is_relative_to(ledger_network.directory.parent)


def test_a_network_ends_with_its_block(tmp_path: Path) -> None:
    with running_network(tmp_path) as network:
        client = network.connect()
        assert client.head().height > 0
    with pytest.raises(Exception, match="no connection"):
        network.connect()
    client.close()


def test_a_network_that_cannot_start_says_why(tmp_path: Path) -> None:
    network = LocalNetwork(tmp_path)
    for key in (network.directory / "n1" / "keys").iterdir():
        key.unlink()
    with pytest.raises(Exception, match="key"):
        network.start()
    network.stop()
