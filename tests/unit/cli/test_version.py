# SPDX-License-Identifier: Apache-2.0
"""`pset version`: what is installed, and from which commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import version
from tests.support.pset_runs import run

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def commit_of(root: Path) -> str | None:
    return version._checkout_commit(root)  # pyright: ignore[reportPrivateUsage]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_software_protocol_and_network(network_directory: Path) -> None:
    data = run("version", "-o", "json").data
    assert (data["protocol"], data["network"], data["chain_id"]) == (1, None, None)
    assert data["software"] == version.software_version()
    assert run("version").stdout.startswith("software  psetledger ")
    chosen = run("version", "-o", "json", "--network", str(network_directory)).data
    assert chosen["network"] == "dev"
    assert chosen["chain_id"].startswith("dev:")


def test_a_network_that_cannot_be_asked_is_exit_4(network_directory: Path) -> None:
    """Nothing listens there."""
    ended = run(
        *("version", "--check", "-o", "json", "--timeout", "1s"),
        *("--network", str(network_directory)),
    )
    assert ended.exit == 4
    assert run("version", "--check", "-o", "json").error["code"] == "NO_TRUST_ROOT"


@pytest.mark.parametrize(
    "files",
    [
        {".git/HEAD": f"{COMMIT}\n"},
        {".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": f"{COMMIT}\n"},
        {
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/packed-refs": f"# pack-refs\n{COMMIT} refs/heads/main\n",
        },
        {
            ".git": "gitdir: elsewhere/worktrees/x\n",
            "elsewhere/worktrees/x/HEAD": "ref: refs/heads/main\n",
            "elsewhere/worktrees/x/commondir": "../..\n",
            "elsewhere/refs/heads/main": f"{COMMIT}\n",
        },
    ],
)
def test_the_commit_of_a_checkout(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    assert commit_of(tmp_path) == COMMIT


@pytest.mark.parametrize("files", [{}, {".git/HEAD": "ref: refs/heads/main\n"}, {".git": "x"}])
def test_no_commit_where_there_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    assert commit_of(tmp_path) is None
