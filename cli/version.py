# SPDX-License-Identifier: Apache-2.0
"""`pset version`: software, protocol, network, commit; with ``--check`` against a running node."""

from __future__ import annotations

import json
import platform
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.output import details
from ledger.model.verification import PROTOCOL_VERSION
from sdk.errors import PsetError

if TYPE_CHECKING:
    from sdk.networks import Network

DISTRIBUTION: Final = "psetledger"

_COMMIT: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)


@click.command(
    "version",
    cls=PsetCommand,
    examples="""
        $ pset version
        $ pset version --check --network za      # may this release talk to that network?
    """,
)
@click.option("--check", is_flag=True, help="Ask a node of the network whether we fit together.")
@pass_context
def version(context: CliContext, check: bool) -> ExitCode:
    """Software, protocol, network, commit.

    With --check: exit 0 when the network speaks our protocol, 1 when it does not, 4 when nobody answers.
    """
    network = None
    try:
        network = context.network()
    except PsetError:
        if check or context.settings.network is not None:
            raise
    data: dict[str, Any] = {
        "software": software_version(),
        "protocol": PROTOCOL_VERSION,
        "commit": source_commit(),
        "python": platform.python_version(),
        "network": None if network is None else network.name,
        "chain_id": None if network is None else network.chain_id,
    }
    rows: list[tuple[str, Any]] = [
        ("software", f"psetledger {data['software']}"),
        ("commit", data["commit"] or "not known"),
        ("protocol", PROTOCOL_VERSION),
        ("python", data["python"]),
        ("network", "none chosen" if network is None else f"{network.name} ({network.chain_id})"),
    ]
    exit_code = ExitCode.DONE
    if check and network is not None:
        exit_code = _check(context, network, data, rows)
    context.output.result("Version", data, details(rows))
    return exit_code


def _check(
    context: CliContext, network: Network, data: dict[str, Any], rows: list[tuple[str, Any]]
) -> ExitCode:
    with context.client() as client:
        statuses = client.node_statuses()
    answered = [status for _, status in statuses if status is not None]
    if not answered:
        raise CommandError(
            f"no node of {network.name} answers",
            code="NO_CONNECTION",
            remedy="Check the connection; on a development network: `pset network status`.",
            exit_code=ExitCode.CANNOT_TELL,
        )
    nodes = [
        {
            "id": status.node_id,
            "software": status.software_version,
            "protocol": status.protocol_version,
        }
        for status in answered
    ]
    fits = all(node["protocol"] == PROTOCOL_VERSION for node in nodes)
    data |= {"nodes": nodes, "compatible": fits}
    rows += [
        (str(node["id"]), f"psetledger {node['software']}, protocol {node['protocol']}")
        for node in nodes
    ]
    rows.append(
        ("check", "ok: the same protocol" if fits else "FAIL: another protocol; install the newer")
    )
    return ExitCode.DONE if fits else ExitCode.NO


def software_version() -> str:
    """The version of the installed distribution."""
    try:
        return distribution(DISTRIBUTION).version
    except PackageNotFoundError:
        return "0 (not installed)"


def source_commit() -> str | None:
    """The commit this software is from: of its git checkout, or as the installer recorded it."""
    return _checkout_commit(Path(__file__).resolve().parents[1]) or _installed_commit()


def _installed_commit() -> str | None:
    try:
        text = distribution(DISTRIBUTION).read_text("direct_url.json")
        found = json.loads(text or "{}").get("vcs_info", {}).get("commit_id")
    except (PackageNotFoundError, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) and _COMMIT.fullmatch(found) else None


def _checkout_commit(root: Path) -> str | None:
    """HEAD of the checkout at `root`, read from its files: git need not be installed."""
    try:
        git = root / ".git"
        if git.is_file():  # a worktree names its directory
            git = root / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if _COMMIT.fullmatch(head):
            return head
        reference = head.removeprefix("ref:").strip()
        shared = git / "commondir"
        common = git / shared.read_text(encoding="utf-8").strip() if shared.is_file() else git
        for place in (git, common):
            if (place / reference).is_file():
                return (place / reference).read_text(encoding="utf-8").strip()
        for line in (common / "packed-refs").read_text(encoding="utf-8").splitlines():
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    except (OSError, UnicodeDecodeError):
        pass
    return None
