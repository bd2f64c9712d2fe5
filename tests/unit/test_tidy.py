# SPDX-License-Identifier: Apache-2.0
"""The tree keeps its own rules: headers, names, sizes, nothing that belongs to one machine."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPDX = "SPDX-License-Identifier: Apache-2.0"
LINES_MAX_WITHOUT_REASON = 500
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
NOT_TEXT = {".bin", ".gz", ".ico", ".pdf", ".png", ".zip"}

# Written in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(
    r"(?<![\w./~-])/" + r"(?:work|root|home/\w+|tmp/" + r"pset)(?=[/\s\"'`:;,)\]]|$)"
)
REGISTRY_HOST = re.compile(
    "|".join(
        re.escape(host).replace("@", r"\.")
        for host in (
            "pypi@org",
            "pythonhosted@org",
            "npmjs@org",
            "npmjs@com",
            "crates@io",
            "golang@org",
        )
    )
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|NotImplemented" + r"Error")


def tracked_files() -> list[Path]:
    """Files that git tracks or would track; without git, everything that is not hidden or built."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        names = [name for name in listing.stdout.split("\0") if name]
        return sorted(path for path in (ROOT / name for name in names) if path.is_file())
    built = {"build", "dist", "__pycache__"}
    return sorted(
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(
            part in built or part.startswith(".") or part.endswith(".egg-info")
            for part in path.relative_to(ROOT).parts
        )
    )


FILES = tracked_files()
WRITTEN = [path for path in FILES if not GENERATED.search(path.name)]
MODULES = [path for path in WRITTEN if path.suffix == ".py"]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    found: list[str] = []
    for path in WRITTEN:
        if path.suffix in NOT_TEXT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{shown(path)}:{number}: {line.strip()[:80]}")
    return found


def test_the_listing_is_not_empty() -> None:
    assert Path(__file__).resolve() in MODULES


def test_every_source_file_names_its_licence_first() -> None:
    sources = [path for path in WRITTEN if path.suffix in {".py", ".proto"}]
    bare = [
        shown(path)
        for path in sources
        if SPDX not in path.read_text(encoding="utf-8").partition("\n")[0]
    ]
    assert not bare


def test_no_drawers() -> None:
    """A module is named for what it does; `utils` and its kind are named for nothing."""
    assert not [
        shown(path) for path in FILES if path.stem in DRAWERS or path.parent.name in DRAWERS
    ]


def test_no_registry_hosts() -> None:
    assert not lines_matching(REGISTRY_HOST)


def test_no_paths_of_one_machine() -> None:
    assert not lines_matching(MACHINE_PATH)


def test_nothing_is_left_unfinished() -> None:
    assert not lines_matching(UNFINISHED)


def test_every_module_outside_the_tests_says_what_it_is() -> None:
    silent = [
        shown(path)
        for path in MODULES
        if path.relative_to(ROOT).parts[0] != "tests"
        and not ast.get_docstring(ast.parse(path.read_bytes()))
    ]
    assert not silent


def test_long_files_explain_themselves() -> None:
    """Above 500 lines the module's docstring says so in a sentence with the words "long because"."""
    unexplained = [
        f"{shown(path)}: {count} lines"
        for path in MODULES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX_WITHOUT_REASON
        and "long because" not in (ast.get_docstring(ast.parse(path.read_bytes())) or "").lower()
    ]
    assert not unexplained


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("open('/" + "work/main/x')", True),
        ("see /" + "root/.cache", True),
        ("/" + "tmp/pset/brief.md", True),
        ("work/experience", False),
        ("https://example.org/" + "work/", False),
        ("network/" + "root/x", False),
        ("/" + "workplace", False),
    ],
)
def test_the_pattern_of_machine_paths(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is found
