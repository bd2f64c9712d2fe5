# SPDX-License-Identifier: Apache-2.0
"""Files are written where the user says, and errors name the option that said so."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.written_files import write_named_file
from sdk.errors import PsetError
from tests.support.pset_runs import run


def test_no_directory_is_made_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(PsetError) as caught:
        write_named_file(tmp_path / "none" / "x.json", b"x", "--out")
    assert caught.value.code == "FILE_UNWRITABLE"
    assert "--out" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(PsetError) as caught:
        write_named_file(tmp_path / "taken", b"x", "--proof")
    assert (caught.value.code, "--proof" in caught.value.remedy) == ("FILE_UNWRITABLE", True)


def test_one_bad_source_does_not_stop_the_others(tmp_path: Path) -> None:
    good = tmp_path / "a.vc.json"
    good.write_text("hello")
    ended = run("verify", "--offline", "-o", "json", "missing.json", str(good), str(tmp_path))
    assert ended.exit == 1
    kinds = [item["kind"] for item in ended.envelopes]
    assert kinds == ["SourceError", "VerificationReport", "SourceError"]
    assert ended.envelopes[0]["data"]["code"] == "SOURCE_NOT_FOUND"
    words = run("verify", "--offline", "missing.json", str(good)).stdout.splitlines()
    assert [line[:8] for line in words] == ["NOT READ", "INVALID "]
    assert run("verify", "--offline", "missing.json", "missing-too.json").exit == 2


def test_a_damaged_network_is_corruption(network_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text("{")
    ended = run("--network", f"{tmp_path}/", "network", "show", "-o", "json")
    assert (ended.exit, ended.error["code"]) == (5, "NETWORK_DAMAGED")


def test_a_height_that_no_ledger_reaches_is_a_wrong_call(network_directory: Path) -> None:
    ended = run("--network", str(network_directory), "ledger", "block", "9" * 23, "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "USAGE")
