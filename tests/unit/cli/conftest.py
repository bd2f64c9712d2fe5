# SPDX-License-Identifier: Apache-2.0
"""A network's directory without a running node, and a home of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.node.dev_network import create_network

VARIABLES = ("PSET_HOME", "PSET_NETWORK", "PSET_AS", "PSET_PASSPHRASE_FILE", "NO_COLOR")


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing of whoever runs the tests: no variables, an empty home, an empty directory."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PSET_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="session")
def network_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; tests leave it as it is."""
    directory = tmp_path_factory.mktemp("networks") / "dev"
    create_network(directory, storage="memory")
    return directory


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of eleven validators; tests leave it as it is."""
    directory = tmp_path_factory.mktemp("networks") / "cluster"
    create_network(directory, nodes=11, storage="memory", certificate_scheme="ed25519")
    return directory
