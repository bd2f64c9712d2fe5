# SPDX-License-Identifier: Apache-2.0
"""One node as seen from outside: does its process run, does it answer, what does it say of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.api.ports import NodeStatus
from ledger.api.probe import NodeProbe, ProbeError
from ledger.node.config import load_config
from ledger.node.errors import usage_error
from ledger.node.process import find_process
from ledger.node.setup import read_validator
from ledger.node.stores import load_genesis

PROBE_SECONDS: Final = 2.0
"""How long a node may take to say how it is."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """A validator, as seen from outside."""

    validator: str
    home: Path
    address: str
    pid: int | None
    """None: it does not run."""
    status: NodeStatus | None
    """None: it does not answer."""
    problem: str
    """Why not, or an empty string."""
    is_learner: bool = False
    """Whether it is admitted and not activated, as its network's directory knows."""


def get_node_state(home: Path, tls_certificate: bytes | None = None) -> NodeState:
    """One node of any network, by its home. Raises NodeError for a home that is none."""
    config = load_config(home)
    validator_id = config.node.id
    if tls_certificate is None:
        _, genesis = load_genesis(config.genesis_path)
        found = [v.tls_certificate for v in genesis.validators if v.id == validator_id]
        admitted = read_validator(home)
        if not found and admitted is not None and admitted.id == validator_id:
            found = [admitted.tls_certificate]
        if not found:
            raise usage_error(
                "VALIDATOR_UNKNOWN",
                f"{validator_id} is no validator of this genesis document",
                "Set node.id in config.toml to the validator's id.",
            )
        tls_certificate = found[0]
    pid = find_process(home)
    status, problem = None, "" if pid else "not running"
    if pid:
        try:
            with NodeProbe(config.api.listen, validator_id, tls_certificate) as probe:
                status = probe.get_status(timeout_seconds=PROBE_SECONDS)
        except ProbeError as error:
            problem = str(error)
    return NodeState(validator_id, home, config.api.listen, pid, status, problem)
