# SPDX-License-Identifier: Apache-2.0
"""Whatever the installed packages import is declared in setup.cfg, in the right extra."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("cli", "consensus", "ledger", "proto/psetledger", "psetcloud", "sdk")
OURS = {"cli", "consensus", "ledger", "psetcloud", "psetledger", "sdk"}
# Imported only when used, so that SDK and CLI work without them.
NODE_ONLY = {"plyvel", "plyvel_next", "uvloop"}

TESTING = Path("proto/psetledger/testing.py")


def normalised(requirement: str) -> str:
    """The distribution's name without version, extra and marker, as PEP 503 spells it."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def declared(section: str, option: str) -> set[str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return {normalised(line) for line in parser[section][option].splitlines() if line.strip()}


def imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def third_party_imports() -> dict[str, Path]:
    """Full dotted names that neither we nor the standard library provide, with one importer."""
    found: dict[str, Path] = {}
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            for name in imported_names(ast.parse(path.read_bytes())):
                top = name.split(".")[0]
                if top not in OURS and top not in sys.stdlib_module_names:
                    found.setdefault(name, path.relative_to(ROOT))
    return found


def providers(name: str) -> set[str]:
    """Distributions that may provide a dotted name.

    Named here are those that share a namespace and one that not every Python installs.
    """
    shared = {
        "plyvel_next": "plyvel-next",
        "google.protobuf": "protobuf",
        "google.rpc": "googleapis-common-protos",
        "grpc_health": "grpcio-health-checking",
        "grpc_status": "grpcio-status",
    }
    for prefix, distribution in shared.items():
        if name == prefix or name.startswith(prefix + "."):
            return {distribution}
    top = name.partition(".")[0]
    return {normalised(owner) for owner in packages_distributions().get(top, [])}


def test_each_import_has_a_declared_distribution() -> None:
    always = declared("options", "install_requires")
    node = declared("options.extras_require", "node")
    testing = declared("options.extras_require", "testing")
    undeclared = {
        name: str(importer)
        for name, importer in third_party_imports().items()
        if not providers(name)
        & (
            always
            | (node if name.split(".")[0] in NODE_ONLY else set())
            | (testing if importer == TESTING else set())
        )
    }
    assert undeclared == {}, "declare these in setup.cfg"


def test_the_node_extra_is_no_ordinary_requirement() -> None:
    optional = {normalised(name) for name in NODE_ONLY}
    assert declared("options", "install_requires") & optional == set()
    assert declared("options.extras_require", "node") == optional


def test_generator_and_run_time_agree() -> None:
    """Generated code refuses an older grpcio than its generator, so the lower bound follows it."""
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    generator = re.search(r"grpcio-tools==([\d.]+)", text)
    runtime = re.search(r"^\s+grpcio>=([\d.]+)$", text, re.MULTILINE)
    assert generator
    assert runtime
    assert generator.group(1) == runtime.group(1)
    gencode = re.search(
        r"# Protobuf Python Version: ([\d.]+)",
        (ROOT / "proto/psetledger/v1/ledger_pb2.py").read_text(encoding="utf-8"),
    )
    bound = re.search(r"^\s+protobuf>=([\d.]+)$", text, re.MULTILINE)
    assert gencode
    assert bound
    assert gencode.group(1) == bound.group(1)
