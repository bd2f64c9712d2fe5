# SPDX-License-Identifier: Apache-2.0
"""`pset credential show` of a file that somebody else made."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.pset_runs import run


def test_a_hostile_file_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    document = {"\x1b]0;owned\x07": "a\x9b2J\u202eb", "note": "first\nVALID   forged"}
    file = tmp_path / "evil\x1b[2J.vc.json"
    file.write_text(json.dumps(document))
    for name in (file, tmp_path / "missing\x1b[2J.vc.json"):
        ended = run("credential", "show", str(name))
        text = ended.stdout + ended.stderr
        assert not set(text) & set("\x1b\x07\x9b\u202e")
        assert "\nVALID" not in text
        assert r"\x1b[2J.vc.json" in text
    shown = run("credential", "show", str(file), "-o", "json")
    assert shown.data["document"] == document


def test_verify_escapes_names_and_reports(tmp_path: Path) -> None:
    file = tmp_path / "evil\x1b[2J\nVALID.vc.json"
    file.write_text('{"a": "\\u001b[2J"}')
    for sources in ((str(file),), (str(file), str(file))):
        ended = run("verify", "--offline", "--explain", *sources)
        assert "\x1b" not in ended.stdout + ended.stderr
        assert "\nVALID" not in ended.stdout
