# SPDX-License-Identifier: Apache-2.0
"""A client of three real validators: over TLS, while they stop and come back."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest

from psetledger.testing import LocalNetwork, running_network
from sdk.errors import UnavailableError
from sdk.operations import AddSite

KEY = bytes(range(16))


@pytest.fixture
def network(tmp_path: Path) -> Generator[LocalNetwork]:
    with running_network(tmp_path, nodes=3, storage="leveldb") as held:
        yield held


@pytest.mark.parametrize("which", ["the one that is asked", "the leader"])
def test_writes_go_on_without_one_validator(network: LocalNetwork, which: str) -> None:
    with network.connect("qcto", timeout=timedelta(seconds=30)) as client:
        did = client.acting_did()
        first = client.submit(AddSite(did, "1", "Sample site", "GP"))
        # A client asks in the order of the network's file, and goes on with who answers.
        stopped = "n1" if which == "the one that is asked" else network.leader
        network.stop_node(stopped)
        second = client.submit(AddSite(did, "2", "Sample site", "GP"))
        assert second.height > first.height
        assert sorted(client.organisation(did).value.sites) == ["1", "2"]
        assert network.leader != stopped


def test_without_a_quorum_a_write_completes_later_and_once(network: LocalNetwork) -> None:
    with network.connect("qcto", timeout=timedelta(seconds=30)) as client:
        did = client.acting_did()
        site = AddSite(did, "1", "Sample site", "GP")
        stopped = [name for name in network.nodes if name != "n1"]
        for name in stopped:
            network.stop_node(name)
        with (
            network.connect("qcto", timeout=timedelta(seconds=3)) as hasty,
            pytest.raises(UnavailableError, match="no quorum: 1 of 3 validators answers") as caught,
        ):
            hasty.submit(site, idempotency_key=KEY)
        assert caught.value.code == "NO_QUORUM"
        network.start_node(stopped[0])
        receipt = client.submit(site, idempotency_key=KEY)
        again = client.submit(site, idempotency_key=KEY)
        assert (again.transaction_id, again.height) == (receipt.transaction_id, receipt.height)
        assert client.organisation(did).value.sites == {"1": "Sample site"}
