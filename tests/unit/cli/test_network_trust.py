# SPDX-License-Identifier: Apache-2.0
"""`pset network add|use|list|show`: what is pinned, and that a wrong fingerprint stores nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sdk.networks import read_network
from tests.support.pset_runs import Run, run


def pset(*arguments: str) -> Run:
    return run("network", *arguments, "-o", "json")


@pytest.fixture
def fingerprint(network_directory: Path) -> str:
    return read_network(network_directory).fingerprint


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "home" / "networks" / "dev"


def test_add_use_list_and_show(network_directory: Path, fingerprint: str, stored: Path) -> None:
    added = pset("add", str(network_directory), "--fingerprint", fingerprint)
    assert added.exit == 0
    assert added.data["fingerprint"] == fingerprint
    assert len(added.data["words"]) == 8
    assert added.data["chain_id"] == f"dev:{fingerprint[:16]}"
    assert {path.name for path in stored.iterdir()} == {"network.json", "genesis.json"}
    assert [item["in_use"] for item in pset("list").data["networks"]] == [False]
    assert pset("show").error["code"] == "NO_TRUST_ROOT"
    assert pset("use", "dev").exit == 0
    assert [item["in_use"] for item in pset("list").data["networks"]] == [True]
    shown = pset("show").data
    assert (shown["fingerprint"], shown["directory"]) == (fingerprint, str(stored))
    assert shown["development"] is False
    words = run("network", "show").stdout
    assert fingerprint in words
    assert " ".join(shown["words"]) in words


def test_under_another_name(network_directory: Path, fingerprint: str, tmp_path: Path) -> None:
    arguments = ("--fingerprint", fingerprint, "--name", "mine")
    assert pset("add", str(network_directory), *arguments).data["name"] == "mine"
    assert (tmp_path / "home" / "networks" / "mine").is_dir()


def test_a_directory_is_shown_without_being_added(network_directory: Path) -> None:
    data = pset("show", "--network", str(network_directory)).data
    assert data["development"] is True


def flipped(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def shortened(text: str) -> str:
    return text[:-2]


def garbled(text: str) -> str:
    return "z" * len(text)


@pytest.mark.parametrize(
    ("change", "code", "exit_code"),
    [
        (flipped, "FINGERPRINT_MISMATCH", 5),
        (shortened, "FINGERPRINT_INVALID", 2),
        (garbled, "FINGERPRINT_INVALID", 2),
    ],
)
def test_a_wrong_fingerprint_stores_nothing(
    network_directory: Path,
    fingerprint: str,
    tmp_path: Path,
    change: Callable[[str], str],
    code: str,
    exit_code: int,
) -> None:
    ended = pset("add", str(network_directory), "--fingerprint", change(fingerprint))
    assert (ended.exit, ended.error["code"]) == (exit_code, code)
    assert not (tmp_path / "home").exists()


def test_a_changed_genesis_stores_nothing(
    network_directory: Path, fingerprint: str, tmp_path: Path
) -> None:
    """Its fingerprint in network.json changed with it: only what the user was told counts."""
    copy = tmp_path / "copy"
    copy.mkdir()
    genesis = (network_directory / "genesis.json").read_bytes()
    (copy / "genesis.json").write_bytes(genesis.replace(b'"crash"', b'"crish"'))
    (copy / "network.json").write_bytes((network_directory / "network.json").read_bytes())
    ended = pset("add", str(copy), "--fingerprint", fingerprint)
    assert (ended.exit, ended.error["code"]) == (5, "FINGERPRINT_MISMATCH")
    assert not (tmp_path / "home").exists()


def test_unknown_names_and_places(tmp_path: Path) -> None:
    assert pset("use", "nothing").error["code"] == "NETWORK_UNKNOWN"
    assert pset("use", "no/name").error["code"] == "NETWORK_UNKNOWN"
    assert pset("add", "nowhere", "--fingerprint", "ab" * 32).error["code"] == "NETWORK_UNKNOWN"
    assert pset("list").data["networks"] == []
    assert not (tmp_path / "home").exists()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def served(directory: Path) -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("end", ["", "/", "/network.json", "/genesis.json"])
def test_from_a_web_server(
    network_directory: Path, fingerprint: str, stored: Path, end: str
) -> None:
    with served(network_directory) as url:
        ended = pset("add", f"{url}{end}", "--fingerprint", fingerprint)
        assert ended.exit == 0
    assert read_network(stored).fingerprint == fingerprint


def test_a_web_server_cannot_choose_the_network(
    network_directory: Path, fingerprint: str, tmp_path: Path
) -> None:
    wrong = fingerprint[::-1]
    with served(network_directory) as url:
        ended = pset("add", url, "--fingerprint", wrong)
    assert (ended.exit, ended.error["code"]) == (5, "FINGERPRINT_MISMATCH")
    assert not (tmp_path / "home").exists()


def test_a_web_server_that_does_not_answer_or_says_too_much(
    fingerprint: str, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    big.mkdir()
    with served(big) as url:
        missing = pset("add", url, "--fingerprint", fingerprint)
        assert (missing.exit, missing.error["code"]) == (4, "NETWORK_SOURCE_UNREACHABLE")
        (big / "network.json").write_bytes(json.dumps({"x": "y" * 100_000}).encode())
        large = pset("add", url, "--fingerprint", fingerprint)
        assert (large.exit, large.error["code"]) == (2, "NETWORK_SOURCE_TOO_LARGE")
    gone = pset("add", url, "--fingerprint", fingerprint)
    assert (gone.exit, gone.error["code"]) == (4, "NETWORK_SOURCE_UNREACHABLE")
    assert not (tmp_path / "home").exists()
