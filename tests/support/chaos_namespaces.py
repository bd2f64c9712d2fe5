# SPDX-License-Identifier: Apache-2.0
"""Validators in network namespaces of their own, so that packets between two of them can be lost in one
direction or both, without either being told.

    this namespace --veth-- bridge in a namespace of its own --veth-- one namespace for each validator

Packets are lost by giving the sender a neighbour's address that nobody has: no firewall is needed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from ledger.node.config import encode_config, load_config
from ledger.node.process import OUTPUT_FILE, NodeProcess
from tests.support.chaos import ChaosNetwork, running

API_PORT = 7000
PEER_PORT = 7001
NOBODY = "02:00:00:00:00:fe"
COMMAND_SECONDS_MAX = 20


class NamespaceNetwork(ChaosNetwork):
    """Clients are in this namespace and reach everybody; what is lost is between validators."""

    def __init__(self, directory: Path, *, nodes: int = 3, fault_model: str = "crash") -> None:
        super().__init__(directory, nodes=nodes, fault_model=fault_model)
        # The range for benchmarks of networks (RFC 2544): routed nowhere.
        self._net = f"198.18.{os.getpid() % 250}"
        self._name = f"pset{os.getpid() % 100_000}"
        self._lost: set[tuple[str, str]] = set()
        endpoints: list[dict[str, str]] = []
        for validator in self.ids:
            self._move(validator)
            endpoints.append(
                {"validator": validator, "address": f"{self.address(validator)}:{API_PORT}"}
            )
        path = directory / "network.json"
        document = json.loads(path.read_text())
        document["endpoints"] = endpoints
        path.write_text(json.dumps(document))

    def address(self, validator: str) -> str:
        return f"{self._net}.{self.ids.index(validator) + 1}"

    def _move(self, validator: str) -> None:
        """Let a validator listen at its own address, and know those of the others."""
        config = load_config(self.home(validator))
        own = self.address(validator)
        others = tuple(
            f"{other}={self.address(other)}:{PEER_PORT}" for other in self.ids if other != validator
        )
        text = encode_config(
            config.node,
            api=dataclasses.replace(config.api, listen=f"{own}:{API_PORT}"),
            peers=dataclasses.replace(config.peers, listen=f"{own}:{PEER_PORT}", addresses=others),
            storage=config.storage,
            blocks=config.blocks,
            testing=config.testing,
        )
        (self.home(validator) / "config.toml").write_text(text)

    def spawn(self, validator: str) -> NodeProcess:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        home = self.home(validator)
        (home / "logs").mkdir(mode=0o700, exist_ok=True)
        node = (sys.executable, "-m", "ledger.node.main", "--dir", str(home))
        with (home / "logs" / OUTPUT_FILE).open("wb") as output:
            return NodeProcess(
                ["ip", "netns", "exec", self._space(validator), *node],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def _space(self, validator: str) -> str:
        return f"{self._name}-{validator}"

    @contextmanager
    def spaces(self) -> Generator[None]:
        """The namespaces and what connects them, for as long as the block lasts."""
        hub, own = f"{self._name}-hub", f"v{self._name}"
        made: list[str] = []
        try:
            _ip("netns", "add", hub)
            made.append(hub)
            _ip("-n", hub, "link", "add", "name", "bridge0", "type", "bridge")
            _ip("-n", hub, "link", "set", "bridge0", "up")
            _ip("link", "add", "name", own, "type", "veth", "peer", "name", "root", "netns", hub)
            _ip("-n", hub, "link", "set", "root", "master", "bridge0", "up")
            _ip("address", "add", f"{self._net}.254/24", "dev", own)
            _ip("link", "set", own, "up")
            for validator in self.ids:
                space = self._space(validator)
                _ip("netns", "add", space)
                made.append(space)
                veth = ("type", "veth", "peer", "name", validator, "netns", hub)
                _ip("-n", space, "link", "add", "name", "eth0", *veth)
                _ip("-n", hub, "link", "set", validator, "master", "bridge0", "up")
                _ip("-n", space, "address", "add", f"{self.address(validator)}/24", "dev", "eth0")
                _ip("-n", space, "link", "set", "eth0", "up")
                _ip("-n", space, "link", "set", "lo", "up")
            yield
        finally:
            for space in made:
                _ip("netns", "delete", space)

    def lose(self, sender: str, receiver: str) -> None:
        """From now on nothing that one sends reaches the other."""
        if (sender, receiver) not in self._lost:
            self._lost.add((sender, receiver))
            where = (self.address(receiver), "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
            _ip("-n", self._space(sender), "neighbour", "replace", *where)

    def split(self, *groups: tuple[str, ...]) -> None:
        """Nothing passes between validators of different groups."""
        for group in groups:
            for sender in group:
                for other in groups:
                    for receiver in other if other is not group else ():
                        self.lose(sender, receiver)

    def join(self) -> None:
        """Nothing is lost any more."""
        for sender, receiver in sorted(self._lost):
            where = (self.address(receiver), "dev", "eth0")
            _ip("-n", self._space(sender), "neighbour", "delete", *where)
        self._lost.clear()


def _ip(*arguments: str) -> None:
    subprocess.run(
        ["ip", *arguments], check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX
    )


@cache
def why_not() -> str:
    """Why no namespace can be made here, or an empty string; tried, not guessed."""
    hub = f"pset{os.getpid() % 100_000}-probe"
    try:
        _ip("netns", "add", hub)
    except FileNotFoundError:
        return "there is no `ip` command"
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted: {error.stderr.strip()}"
    try:
        _ip("-n", hub, "link", "add", "name", "bridge0", "type", "bridge")
        _ip("-n", hub, "link", "add", "name", "one", "type", "veth", "peer", "name", "two")
    except subprocess.CalledProcessError as error:
        return f"this kernel makes no bridge or veth: {error.stderr.strip()}"
    finally:
        _ip("netns", "delete", hub)
    return ""


@contextmanager
def namespace_network(
    directory: Path, *, nodes: int = 3, fault_model: str = "crash"
) -> Generator[NamespaceNetwork]:
    """A running network of which all vote; skips the test where namespaces cannot be."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    network = NamespaceNetwork(directory / "net", nodes=nodes, fault_model=fault_model)
    with network.spaces(), running(network):
        yield network
