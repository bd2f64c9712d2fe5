# SPDX-License-Identifier: Apache-2.0
"""The written list of packages in setup.cfg equals the tree: a forgotten one is dropped silently."""

from __future__ import annotations

import configparser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Top-level folders that are installed, by import name; benchmarks and tests run from the checkout.
INSTALLED = {
    "cli": ROOT / "cli",
    "consensus": ROOT / "consensus",
    "ledger": ROOT / "ledger",
    "psetcloud": ROOT / "psetcloud",
    "psetledger": ROOT / "proto" / "psetledger",
    "sdk": ROOT / "sdk",
}
NOT_INSTALLED = {"benchmarks", "build", "dist", "docs", "examples", "proto", "tests"}


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def packages_in_the_tree() -> set[str]:
    """Every folder under an installed one that holds a module, named as it is imported."""
    found: set[str] = set()
    for name, folder in INSTALLED.items():
        for module in folder.rglob("*.py"):
            below = module.parent.relative_to(folder).parts
            found.add(".".join((name, *below)))
    return found


def test_the_list_equals_the_tree() -> None:
    listed = settings()["options"]["packages"].split()
    assert listed == sorted(set(listed)), "keep the list sorted and free of doubles"
    assert set(listed) == packages_in_the_tree()


def test_every_package_has_init_and_marker_of_types() -> None:
    for package in sorted(packages_in_the_tree()):
        head, *below = package.split(".")
        folder = INSTALLED[head].joinpath(*below)
        assert (folder / "__init__.py").is_file(), f"{package} has no __init__.py"
        assert (folder / "py.typed").is_file(), f"{package} has no py.typed"


def test_no_other_folder_at_the_root_holds_modules() -> None:
    with_modules = {
        folder.name
        for folder in ROOT.iterdir()
        if folder.is_dir() and not folder.name.startswith(".") and any(folder.glob("*.py"))
    }
    assert with_modules - set(INSTALLED) - NOT_INSTALLED == set()
    assert not (ROOT / "proto" / "__init__.py").exists(), "a top-level `proto` breaks proto-plus"


def test_packages_of_ours_import_by_their_path() -> None:
    mapping = settings()["options"]["package_dir"].split()
    assert mapping == ["psetledger", "=", "proto/psetledger"]
