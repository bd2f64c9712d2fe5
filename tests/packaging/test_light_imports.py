# SPDX-License-Identifier: Apache-2.0
"""What a start costs: importing one part must not pull in the others, nor slow libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE_PARTS = {"consensus", "ledger.api", "ledger.node", "ledger.state", "ledger.storage"}
SLOW = {"jsonschema", "plyvel", "plyvel_next", "py_ecc", "uvloop"}


def modules_after(program: str) -> set[str]:
    """The names in `sys.modules` after a program has run in a process of its own."""
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{program}\nimport sys, json; print(json.dumps(list(sys.modules)))",
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "proto")))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    loaded: list[str] = json.loads(result.stdout.splitlines()[-1])
    return set(loaded)


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        ("import ledger", NODE_PARTS | SLOW | {"ledger.model", "click", "grpc", "google", "sdk"}),
        ("import ledger.model", NODE_PARTS | SLOW | {"click", "grpc", "sdk"}),
        ("import psetledger", NODE_PARTS | SLOW | {"click", "rich", "cli", "grpc", "google"}),
        (
            "import psetledger\nfor name in psetledger.__all__: getattr(psetledger, name)",
            NODE_PARTS | SLOW | {"click", "rich", "cli"},
        ),
        ("import psetledger.aio", NODE_PARTS | SLOW | {"click", "rich", "cli"}),
        ("import cli.main", NODE_PARTS | SLOW | {"grpc"}),
    ],
)
def test_import_stays_light(program: str, unwanted: set[str]) -> None:
    assert modules_after(program) & unwanted == set()


def test_the_public_face_is_lazy_and_complete() -> None:
    """Every promised name is listed for `dir` and resolves; an unknown one is an AttributeError."""
    modules_after(
        "import psetledger, psetledger.aio\n"
        "for face in (psetledger, psetledger.aio):\n"
        "    assert set(face.__all__) <= set(dir(face)), face\n"
        "    for name in face.__all__: getattr(face, name)\n"
        "    try: getattr(face, 'no_such_name')\n"
        "    except AttributeError: pass\n"
        "    else: raise SystemExit('unknown names must be refused')\n"
    )
