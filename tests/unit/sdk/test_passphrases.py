# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdk.errors import KeyAccessError
from sdk.passphrases import PASSPHRASE_FILE_SIZE_MAX, find_passphrase


def test_what_is_given_wins_over_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text("from the file\n")
    path.chmod(0o600)
    environment = {"PSET_PASSPHRASE_FILE": str(path)}
    given = find_passphrase(lambda: "given", environment)
    assert given is not None
    assert given() == "given"
    named = find_passphrase(None, environment)
    assert named is not None
    assert named() == "from the file"


def test_without_either_there_is_none() -> None:
    assert find_passphrase(None, {}) is None
    assert find_passphrase(None, {"PSET_PASSPHRASE_FILE": ""}) is None


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * (PASSPHRASE_FILE_SIZE_MAX + 1)])
def test_a_file_that_cannot_be_read_is_said_when_it_is_needed(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "passphrase"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    named = find_passphrase(None, {"PSET_PASSPHRASE_FILE": str(path)})
    assert named is not None
    with pytest.raises(KeyAccessError) as caught:
        named()
    assert caught.value.code == "PASSPHRASE_FILE_UNREADABLE"


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "passphrase"
    path.write_text("secret words")
    path.chmod(mode)
    named = find_passphrase(None, {"PSET_PASSPHRASE_FILE": str(path)})
    assert named is not None
    with pytest.raises(KeyAccessError) as caught:
        named()
    assert caught.value.code == "PASSPHRASE_FILE_PERMISSIONS"
    assert caught.value.remedy == f"chmod 600 {path}"
    assert "secret words" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="a named pipe")
def test_a_pipe_may_hold_the_passphrase() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe\n")
    os.close(writer)
    named = find_passphrase(None, {"PSET_PASSPHRASE_FILE": f"/dev/fd/{reader}"})
    assert named is not None
    assert named() == "from a pipe"
    os.close(reader)
