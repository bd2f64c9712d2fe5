# SPDX-License-Identifier: Apache-2.0
"""Inclusion and consistency proofs of transparency-dev/merkle, good and bad."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.model.merkle_log import MerkleProofError, verify_consistency, verify_inclusion
from tests.support.vectors import vector_path


def _cases(kind: str) -> list[Any]:
    root = vector_path("rfc6962", kind)
    paths = sorted(root.rglob("*.json"))
    return [pytest.param(path, id=str(path.relative_to(root))) for path in paths]


def _load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    for name in ("root", "root1", "root2", "leafHash"):
        if name in case:
            case[name] = base64.b64decode(case[name], validate=True)
    case["proof"] = [base64.b64decode(held, validate=True) for held in case["proof"] or ()]
    return case


@pytest.mark.parametrize("path", _cases("inclusion"))
def test_inclusion(path: Path) -> None:
    case = _load(path)

    def verify() -> None:
        verify_inclusion(
            case["root"], case["treeSize"], case["leafIdx"], case["leafHash"], case["proof"]
        )

    if case["wantErr"]:
        with pytest.raises(MerkleProofError):
            verify()
    else:
        verify()


@pytest.mark.parametrize("path", _cases("consistency"))
def test_consistency(path: Path) -> None:
    case = _load(path)

    def verify() -> None:
        verify_consistency(
            case["size1"], case["size2"], case["root1"], case["root2"], case["proof"]
        )

    if case["wantErr"]:
        with pytest.raises(MerkleProofError):
            verify()
    else:
        verify()


def test_all_vectors_are_here() -> None:
    assert len(_cases("inclusion")) == 98
    assert len(_cases("consistency")) == 98
