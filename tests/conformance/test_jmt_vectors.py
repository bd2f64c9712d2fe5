# SPDX-License-Identifier: Apache-2.0
"""Roots of penumbra-zone/jmt with SHA-256."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.model.state_proof import key_hash, value_hash, verify_inclusion, verify_non_inclusion
from ledger.state.tree import get_proof, root_hash
from tests.support.naive_tree import NodeStore, naive_root
from tests.support.vectors import vector_path

FILE = json.loads(vector_path("jmt", "sha2_256_vectors.json").read_text("utf-8"))
CASES: list[Any] = FILE["vectors"]


def _entries(case: Any) -> list[tuple[bytes, bytes]]:
    return [(bytes.fromhex(e["key"]), bytes.fromhex(e["value"])) for e in case["data"]]


def test_the_file_is_the_one_we_know() -> None:
    assert FILE["hash_function"] == "sha2"
    assert [len(case["data"]) for case in CASES] == [0, 1, 2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['data'])}-keys")
def test_root(case: Any) -> None:
    expected = bytes.fromhex(case["expected_root"])
    entries = _entries(case)
    changes = [(key_hash(key), value_hash(value)) for key, value in entries]

    at_once = NodeStore()
    assert at_once.update(None, 1, changes) == expected
    assert root_hash(at_once, 1) == expected

    one_by_one = NodeStore()
    one_by_one.update(None, 0, [])
    for version, change in enumerate(changes, 1):
        one_by_one.update(version - 1, version, [change])
    assert root_hash(one_by_one, len(changes)) == expected

    assert naive_root(dict(changes)) == expected

    for key, value in entries:
        verify_inclusion(expected, key, value, get_proof(at_once, 1, key_hash(key)))
    absent = b"no such key"
    verify_non_inclusion(expected, absent, get_proof(at_once, 1, key_hash(absent)))
