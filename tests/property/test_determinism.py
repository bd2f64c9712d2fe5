# SPDX-License-Identifier: Apache-2.0
"""One chain, many Pythons: every root and receipt is the same.

Processes with different hash seeds always run. Other versions of Python run where they are found
(on PATH, or installed by pyenv); they need no packages, see `tests/support/ledger_chain.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from ledger.model.keys import KeyRole
from ledger.model.receipts import ReceiptCode
from tests.support import pure_ed25519
from tests.support.ledger_chain import execute_chain, make_chain
from tests.support.ledger_world import make_key

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13")


@lru_cache(maxsize=1)
def chain() -> dict[str, Any]:
    return make_chain()


@lru_cache(maxsize=1)
def expected() -> list[list[str]]:
    return execute_chain(chain())


def run(python: str, *arguments: str, **environment: str) -> list[list[str]]:
    finished = subprocess.run(
        [python, "-m", "tests.support.ledger_chain", *arguments],
        input=json.dumps(chain()),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    found: list[list[str]] = json.loads(finished.stdout)
    return found


def find_python(version: str) -> str | None:
    """An interpreter of this version that really starts (a shim on PATH may not)."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(name), f"/usr/bin/{name}", f"/usr/local/bin/{name}"]
    candidates += [str(path) for path in sorted(pyenv.glob(f"versions/{version}*/bin/{name}"))]
    for candidate in candidates:
        if candidate is None or not Path(candidate).exists():
            continue
        answer = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return candidate
    return None


def test_chain_tells_something() -> None:
    """Many blocks, every root another but where nothing was written, codes of both kinds."""
    lines = expected()
    assert len(lines) > 30
    assert len({line[0] for line in lines}) > 30
    codes = {int(code) for line in lines for code in line[2].split(",") if code}
    assert codes >= {
        ReceiptCode.APPLIED,
        ReceiptCode.SEPARATION_OF_DUTIES,
        ReceiptCode.GRANT_CYCLE,
        ReceiptCode.TERM_TOO_LONG,
        ReceiptCode.SCOPE_NOT_COVERED,
        ReceiptCode.NO_POWER,
        ReceiptCode.REVOCATION_IS_FINAL,
        ReceiptCode.SITE_EXISTS,
    }


@pytest.mark.parametrize("seed", ["0", "1", "20001"])
def test_hash_seed_does_not_matter(seed: str) -> None:
    assert run(sys.executable, PYTHONHASHSEED=seed) == expected()


def test_strict_codec_and_reference_arithmetic_do_not_matter() -> None:
    assert run(sys.executable, "--pure") == expected()


@pytest.mark.parametrize("version", VERSIONS)
def test_version_of_python_does_not_matter(version: str) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    assert run(python, "--pure") == expected()


def test_reference_arithmetic_verifies() -> None:
    """The stand-in is no stand-in for checking: it accepts good signatures and no others."""
    key = make_key("sample", KeyRole.ISSUE)
    message = b"message"
    signed = key.sign(message) + message
    assert pure_ed25519.open_signed(signed, key.public_key) == message
    assert pure_ed25519.is_valid_point(key.public_key)
    assert not pure_ed25519.is_valid_point(b"\x01" + bytes(31))
    assert not pure_ed25519.is_valid_point(bytes(32))
    for position in (0, 31, 32, 63, 64):
        changed = bytearray(signed)
        changed[position] ^= 1
        with pytest.raises(pure_ed25519.BadSignatureError):
            pure_ed25519.open_signed(bytes(changed), key.public_key)
