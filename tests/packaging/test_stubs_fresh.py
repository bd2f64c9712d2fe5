# SPDX-License-Identifier: Apache-2.0
"""The committed stubs are what the pinned generator makes of the committed protocol files."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = Path("psetledger") / "v1"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generated_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for glob in GENERATED for path in folder.glob(glob)}


def test_regeneration_changes_nothing(tmp_path: Path) -> None:
    result = subprocess.run(
        ["make", "proto", f"PROTO_OUT={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    fresh = generated_files(tmp_path / PROTOCOL)
    committed = generated_files(ROOT / "proto" / PROTOCOL)
    assert fresh, "the generator wrote nothing"
    assert sorted(committed) == sorted(fresh), "run `make proto`; remove stubs without a source"
    stale = sorted(name for name in fresh if fresh[name] != committed[name])
    assert not stale, f"run `make proto`: {stale} differ from their source"
