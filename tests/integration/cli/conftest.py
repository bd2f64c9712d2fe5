# SPDX-License-Identifier: Apache-2.0
"""A running network with the sample organisations, and `pset` on it; one for each module."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from psetcloud.demo_network import set_up_demo
from psetledger.testing import LocalNetwork, running_network
from tests.support.pset_runs import Pset


@pytest.fixture(scope="module")
def demo_network(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalNetwork]:
    with running_network(tmp_path_factory.mktemp("network")) as network:
        set_up_demo(network.directory)
        yield network


@pytest.fixture(scope="module")
def pset(demo_network: LocalNetwork) -> Pset:
    return Pset(demo_network.directory, demo_network.home)
