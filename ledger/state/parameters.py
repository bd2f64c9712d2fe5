# SPDX-License-Identifier: Apache-2.0
"""Parameters of the state: the charter and what else genesis fixed, as RFC 8785 JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from ledger.model.canonical_json import JsonObject, decode_json, encode_json
from ledger.model.charter_document import CHARTER_MEMBERS, Charter, decode_charter, encode_charter
from ledger.model.genesis import Genesis
from ledger.model.limits import STATE_VALUE_SIZE_MAX
from ledger.model.schema import parameter_key

NETWORK = "network"
"""Name of the parameter that tells networks apart: chain id, fingerprint, fault model …"""
RECOVERY_POLICY = "recovery_policy"

_CHARTERS_REMEMBERED_COUNT_MAX = 4


def encode_parameters(genesis: Genesis) -> list[tuple[bytes, bytes]]:
    """Keys and values of all parameters at height 0."""
    values: JsonObject = {
        **encode_charter(genesis.charter),
        NETWORK: {
            "network": genesis.network,
            "chain_id": genesis.chain_id,
            "genesis_hash": genesis.genesis_hash.hex(),
            "created": genesis.created,
            "protocol_version": genesis.protocol_version,
            "fault_model": genesis.fault_model,
            "certificate_scheme": genesis.certificate_scheme,
        },
        RECOVERY_POLICY: {
            "organisations": list(genesis.recovery_policy.organisations),
            "threshold": genesis.recovery_policy.threshold,
        },
    }
    return [(parameter_key(name), encode_json(values[name])) for name in sorted(values)]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the validators of a network agree; fixed by genesis."""

    fault_model: str
    """One of `ledger.model.genesis.FAULT_MODELS`."""
    certificate_scheme: str
    """A key of `ledger.model.genesis.CERTIFICATE_SCHEMES`."""


def read_agreement(get: Callable[[bytes], bytes | None]) -> Agreement:
    """How the validators agree, from the state.

    Args:
        get: the value under a state key.

    Raises:
        ValueError: the state does not begin with a genesis.
    """
    value = get(parameter_key(NETWORK))
    if value is None:
        raise ValueError("the state does not name its network")
    held = decode_json(value, size_max=STATE_VALUE_SIZE_MAX)
    assert isinstance(held, dict), "written by `encode_parameters`"
    return Agreement(str(held["fault_model"]), str(held["certificate_scheme"]))


def read_charter(get: Callable[[bytes], bytes | None]) -> Charter:
    """The charter in the state; decoded once for the same bytes.

    Args:
        get: the value under a state key.

    Raises:
        ValueError: the state has no charter: it does not begin with a genesis.
    """
    values = tuple(get(parameter_key(name)) for name in CHARTER_MEMBERS)
    if any(value is None for value in values):
        raise ValueError("the state has no charter")
    return _decode(values)


@lru_cache(maxsize=_CHARTERS_REMEMBERED_COUNT_MAX)
def _decode(values: tuple[bytes | None, ...]) -> Charter:
    return decode_charter(
        {
            name: decode_json(value or b"", size_max=STATE_VALUE_SIZE_MAX)
            for name, value in zip(CHARTER_MEMBERS, values, strict=True)
        }
    )
