# SPDX-License-Identifier: Apache-2.0
"""The packages that every validator must execute alike: what they may import, and what they may say.

Import contracts (.importlinter) forbid named modules; here the pure packages have an allow-list, so
that a module nobody thought of is refused as well. Expressions whose result depends on the machine,
the clock, the locale or the hash seed are refused by their syntax.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

VALUES_ONLY = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "copy",
    "dataclasses",
    "enum",
    "functools",
    "heapq",
    "itertools",
    "operator",
    "types",
    "typing",
}
MODEL = VALUES_ONLY | {
    "base64",
    "binascii",
    "contextlib",
    "cryptography",
    "datetime",  # civil dates; reading the clock is refused below
    "eth_typing",  # the types of py_ecc's values
    "hashlib",
    "hmac",
    "json",  # reading only; canonical JSON is RFC 8785
    "jsonschema",
    "ledger.model",
    "nacl",
    "orjson",
    "py_arkworks_bls12381",
    "py_ecc",
    "re",
    "rfc8785",
    "string",
    "struct",
    "sys",  # the recursion limit, which importing py_ecc lifts
    "unicodedata",
    "urllib.parse",
}
ALLOWED = {
    "consensus": VALUES_ONLY | {"consensus", "contextlib", "struct"},
    "ledger/model": MODEL,
    "ledger/state": MODEL | {"ledger.state"},
}
# The one file of the model that may know the wire library and the generated messages.
CODEC = ROOT / "ledger" / "model" / "codec.py"
CODEC_MAY_ADD = {"google.protobuf", "psetledger.v1"}

CLOCK_READERS = {"now", "utcnow", "today", "fromtimestamp", "utcfromtimestamp"}
REFUSED_CALLS = {
    "__import__": "import by name",
    "eval": "evaluation of text",
    "exec": "evaluation of text",
    "float": "a float",
    "hash": "the hash seed",
    "id": "an address in memory",
    "input": "the terminal",
    "open": "the disk",
    "print": "the terminal",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def is_under(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}"


def foreign_imports(tree: ast.AST, allowed: set[str]) -> list[str]:
    return [f"line {line}: {name}" for line, name in imports(tree) if not is_under(name, allowed)]


def is_set_display(node: ast.expr) -> bool:
    """An expression that is plainly a set, whose order depends on the hash seed."""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"set", "frozenset"}
    )


def reason_to_refuse(node: ast.AST) -> str | None:
    """What an expression depends on that differs between validators, or None."""
    match node:
        case ast.Constant(value=float() | complex()):
            return "a float"
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            return "a float (`/`; use `//`)"
        case ast.Call(func=ast.Name(id=name)) if name in REFUSED_CALLS:
            return REFUSED_CALLS[name]
        case ast.Attribute(attr=name) if name in CLOCK_READERS:
            return "the clock or its time zone"
        case ast.For(iter=source) | ast.comprehension(iter=source) if is_set_display(source):
            return "the order of a set"
        case _:
            return None


def refused_expressions(tree: ast.AST) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        reason = reason_to_refuse(node)
        if reason is not None:
            line = getattr(node, "lineno", 0)
            found.append(f"line {line}: depends on {reason}")
    return found


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_imports_are_on_the_list(package: str) -> None:
    assert modules(package), "the package is gone: adapt the list"
    for path in modules(package):
        allowed = ALLOWED[package] | CODEC_MAY_ADD if path == CODEC else ALLOWED[package]
        found = foreign_imports(ast.parse(path.read_bytes()), allowed)
        assert not found, f"{path.relative_to(ROOT)}: {found}"


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_nothing_depends_on_the_machine(package: str) -> None:
    for path in modules(package):
        found = refused_expressions(ast.parse(path.read_bytes()))
        assert not found, f"{path.relative_to(ROOT)}: {found}"


@pytest.mark.parametrize(
    "source",
    [
        "x = 0.5",
        "x = a / b",
        "a /= b",
        "x = hash(y)",
        "x = float(y)",
        "x = datetime.now(UTC)",
        "x = datetime.date.today()",
        "for x in set(y): pass",
        "x = [y for y in {1, 2}]",
        "open('file')",
    ],
)
def test_the_rules_refuse(source: str) -> None:
    assert refused_expressions(ast.parse(source))


@pytest.mark.parametrize(
    "source", ["x = a // b", "for x in sorted(set(y)): pass", "x = y in {1, 2}", "x = 7 % 3"]
)
def test_the_rules_permit(source: str) -> None:
    assert not refused_expressions(ast.parse(source))


def test_the_list_refuses_what_is_not_on_it() -> None:
    source = textwrap.dedent(
        """
        import time
        import collections.abc
        from os import path
        from . import sibling
        from ledger import state
        """
    )
    assert foreign_imports(ast.parse(source), ALLOWED["ledger/model"]) == [
        "line 2: time",
        "line 4: os.path",
        "line 5: ..sibling",
        "line 6: ledger.state",
    ]
