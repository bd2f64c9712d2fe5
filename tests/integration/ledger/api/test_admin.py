# SPDX-License-Identifier: Apache-2.0
"""The operator's socket, over real gRPC: who can use it, what it takes, what it refuses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ledger.api.admin import (
    EVIDENCE_ANSWER_COUNT_MAX,
    SOCKET_PATH_SIZE_MAX,
    AdminServer,
    AdminSocketError,
)
from ledger.api.admin_client import AdminClient, AdminClientError
from ledger.api.ports import AdminStatus, ApiError, EvidenceItem, PeerStatus
from ledger.model.receipts import ApiReason

_T = TypeVar("_T")

PEERS = (
    PeerStatus(
        "n2", "127.0.0.1:9701", connected=True, match_index=8, progress="replicate", heard_ms_ago=0
    ),
    PeerStatus("n3", isolated=True),
)
STATUS = AdminStatus(
    chain_id="test:00",
    node_id="n1",
    role="follower",
    term=3,
    leader="n2",
    height=7,
    behind=2,
    voting=False,
    voting_reason="the clock is wrong",
    last_index=12,
    committed_index=11,
    peers=PEERS,
    alarms=("evidence against n4",),
    evidence_count=1,
    software_version="0.1",
    time=99,
)


class Operated:
    """A node that notes what its operator asks."""

    def __init__(self, *, isolation: bool = True) -> None:
        self.asked: list[Any] = []
        self.isolation = isolation
        self.items: Sequence[EvidenceItem] = (EvidenceItem(b"piece", "proof", 4),)

    def get_status(self) -> AdminStatus:
        return STATUS

    def list_peers(self) -> Sequence[PeerStatus]:
        return PEERS

    async def transfer_leadership(self, to: str) -> None:
        if to == "n9":
            raise ApiError(ApiReason.PEER_UNKNOWN, "no validator n9")
        self.asked.append(("transfer", to))

    def isolate(self, validators: Sequence[str]) -> None:
        if not self.isolation:
            raise ApiError(ApiReason.NOT_PERMITTED, "testing.isolation is not set")
        self.asked.append(("isolate", *validators))

    def heal(self) -> None:
        self.asked.append("heal")

    def set_log_level(self, level: str) -> None:
        self.asked.append(level)

    async def list_evidence(self, validator: str, limit: int) -> tuple[Sequence[EvidenceItem], int]:
        self.asked.append((validator, limit))
        return self.items, 17

    async def get_halt_report(self) -> bytes:
        return b"a signed report"

    def stop(self) -> None:
        self.asked.append("stop")


def serve(home: Path, port: Operated, use: Callable[[AdminClient], _T]) -> _T:
    """What a client of the socket gets."""

    async def main() -> _T:
        path = home / "admin.sock"
        server = AdminServer(path, port)
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o600, "nobody else's from the first moment"
        await server.start()
        try:
            return await asyncio.to_thread(ask, path)
        finally:
            await server.stop(1_000)
            assert not path.exists()

    def ask(path: Path) -> _T:
        with AdminClient(path, timeout_seconds=20) as client:
            return use(client)

    return asyncio.run(main())


def refuse(home: Path, port: Operated, use: Callable[[AdminClient], Any]) -> AdminClientError:
    def fail(client: AdminClient) -> AdminClientError:
        with pytest.raises(AdminClientError) as caught:
            use(client)
        return caught.value

    return serve(home, port, fail)


def test_everything_that_an_operator_asks(tmp_path: Path) -> None:
    port = Operated()

    def use(client: AdminClient) -> None:
        assert client.get_status() == STATUS
        assert client.list_peers() == PEERS
        client.transfer_leadership("n2")
        client.transfer_leadership()
        client.isolate(["n2", "n3"])
        client.heal()
        client.set_log_level("debug")
        assert client.list_evidence() == (tuple(port.items), 17)
        client.list_evidence("n4", 3)
        assert client.get_halt_report() == b"a signed report"
        client.stop()

    serve(tmp_path, port, use)
    assert port.asked == [
        ("transfer", "n2"),
        ("transfer", ""),
        ("isolate", "n2", "n3"),
        "heal",
        "debug",
        ("", EVIDENCE_ANSWER_COUNT_MAX),
        ("n4", 3),
        "stop",
    ]


def test_isolation_is_refused_with_the_reason(tmp_path: Path) -> None:
    port = Operated(isolation=False)
    error = refuse(tmp_path, port, lambda client: client.isolate(["n2"]))
    assert (error.code, error.text) == ("NOT_PERMITTED", "testing.isolation is not set")
    assert error.remedy
    assert port.asked == []


WRONG: list[tuple[Callable[[AdminClient], Any], str]] = [
    (lambda client: client.transfer_leadership("n9"), "PEER_UNKNOWN"),
    (lambda client: client.transfer_leadership("n" * 65), "MALFORMED"),
    (lambda client: client.isolate([]), "MALFORMED"),
    (lambda client: client.isolate(["n"] * 129), "MALFORMED"),
    (lambda client: client.isolate(["n" * 65]), "MALFORMED"),
    (lambda client: client.set_log_level("loud"), "MALFORMED"),
    (lambda client: client.list_evidence("n" * 65), "MALFORMED"),
]


@pytest.mark.parametrize(("use", "code"), WRONG)
def test_what_cannot_be_is_refused(
    tmp_path: Path, use: Callable[[AdminClient], Any], code: str
) -> None:
    port = Operated()
    assert refuse(tmp_path, port, use).code == code
    assert port.asked == []


def test_evidence_fits_into_one_answer(tmp_path: Path) -> None:
    port = Operated()
    port.items = [EvidenceItem(bytes(900_000), "proof", 0)] * 6
    items, count = serve(tmp_path, port, lambda client: client.list_evidence())
    assert (len(items), count) == (4, 17)


def test_nobody_there_is_told(tmp_path: Path) -> None:
    client = AdminClient(tmp_path / "admin.sock", timeout_seconds=5)
    with client, pytest.raises(AdminClientError) as caught:
        client.get_status()
    assert caught.value.code == "NODE_NOT_ANSWERING"
    assert str(tmp_path) in caught.value.text


# The socket --------------------------------------------------------------------------------------


def refuse_socket(path: Path) -> AdminSocketError:
    async def main() -> AdminSocketError:
        with pytest.raises(AdminSocketError) as caught:
            AdminServer(path, Operated())
        return caught.value

    error = asyncio.run(main())
    assert error.code == "ADMIN_SOCKET"
    assert error.remedy
    return error


def test_a_dead_nodes_socket_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "admin.sock"))
    assert (tmp_path / "admin.sock").is_socket()
    assert serve(tmp_path, Operated(), lambda client: client.get_status().node_id) == "n1"


def test_a_living_nodes_socket_is_not(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        before = path.lstat().st_ino
        assert "another process answers" in refuse_socket(path).text
        assert path.lstat().st_ino == before


def test_a_file_in_the_way_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    path.write_bytes(b"somebody's")
    assert "no socket" in refuse_socket(path).text
    assert path.read_bytes() == b"somebody's"
    path.unlink()
    target = tmp_path / "elsewhere"
    target.write_bytes(b"somebody's")
    path.symlink_to(target)
    assert "no socket" in refuse_socket(path).text
    assert target.read_bytes() == b"somebody's"


def test_a_long_path_is_refused_with_its_length(tmp_path: Path) -> None:
    home = tmp_path / ("h" * SOCKET_PATH_SIZE_MAX)
    home.mkdir()
    error = refuse_socket(home / "admin.sock")
    assert f"the system allows {SOCKET_PATH_SIZE_MAX}" in error.text
    assert "shorter" in error.remedy
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_directory_that_others_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    assert "chmod 700" in refuse_socket(home / "admin.sock").remedy
    assert home.stat().st_mode & 0o7777 == mode
    assert list(home.iterdir()) == []


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refuse_socket(tmp_path / "none" / "admin.sock").text
