# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from sdk.errors import KeyAccessError
from sdk.passphrases import PASSPHRASE_FILE_SIZE_MAX, find_passphrase


def test_what_is_given_wins_over_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text("from the file\n")
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
    named = find_passphrase(None, {"PSET_PASSPHRASE_FILE": str(path)})
    assert named is not None
    with pytest.raises(KeyAccessError) as caught:
        named()
    assert caught.value.code == "PASSPHRASE_FILE_UNREADABLE"
