# SPDX-License-Identifier: Apache-2.0
"""The error codes that the source names, found by reading it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
RAISERS = {
    "NodeError",
    "usage_error",
    "StorageError",
    "CorruptionError",
    "GenesisError",
    "ProofError",
    "CertificateError",
}


def codes_raised(*packages: str) -> set[str]:
    """Codes given as ``code=…`` or as the first argument of an error that takes it there, constants resolved."""
    found: set[str] = set()
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_bytes())
            constants = dict(_constants(tree))
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    found |= {
                        code
                        for value in _code_arguments(node)
                        if (code := _text(value, constants)) and CODE.fullmatch(code)
                    }
    return found


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        target: ast.expr | None = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if (
            isinstance(target, ast.Name)
            and isinstance(value, ast.Constant)
            and isinstance(value.value, str)
        ):
            yield target.id, value.value


def _code_arguments(call: ast.Call) -> Iterator[ast.expr]:
    for keyword in call.keywords:
        if keyword.arg == "code":
            yield keyword.value
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name in RAISERS and call.args:
        yield call.args[0]


def _text(value: ast.expr, constants: dict[str, str]) -> str | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.Name):
        return constants.get(value.id)
    return None
