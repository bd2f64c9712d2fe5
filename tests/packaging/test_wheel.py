# SPDX-License-Identifier: Apache-2.0
"""What the wheel holds, and that it works where nothing else of ours is.

The fresh environment borrows the dependencies of the one that runs the tests (an ordinary path
entry, so our own editable install does not come along); that the declared requirements suffice is
shown by test_dependencies_declared.py, and with a full installation by the test marked `long`.
"""

from __future__ import annotations

import email.parser
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Folder in the checkout -> folder in the wheel.
INSTALLED = {
    "cli": "cli",
    "consensus": "consensus",
    "ledger": "ledger",
    "proto/psetledger": "psetledger",
    "psetcloud": "psetcloud",
    "sdk": "sdk",
}
SHIPPED = {".py", ".pyi", ".proto", ".json", ".typed"}
# Environment of the programs started here: nothing of the checkout, no configuration of a user.
CLEAN = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"}

pytestmark = pytest.mark.serial


def run(*command: str | Path, cwd: Path) -> str:
    """The standard output of a program that must succeed in a foreign folder."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=CLEAN | {"HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel in it; its `bin` folder is the value's `bin`."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


def test_the_wheel_holds_the_tree_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        f"{target}/{path.relative_to(ROOT / source).as_posix()}"
        for source, target in INSTALLED.items()
        for path in (ROOT / source).rglob("*")
        if path.suffix in SHIPPED or path.name == "py.typed"
    }
    assert held == expected


def test_no_generic_top_level_name_of_other_projects(wheel: Path) -> None:
    """`proto` belongs to proto-plus, which every google-cloud client brings along."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == set(INSTALLED.values()) | {wheel.name.split("-py3")[0] + ".dist-info"}


def test_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.parser.BytesParser().parsebytes(archive.read(name))
        licences = [n for n in archive.namelist() if n.endswith("/licenses/LICENSE")]
        entry_points = archive.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert metadata["Name"] == "psetledger"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert len(licences) == 1
    assert "pset = cli.main:main" in entry_points
    requirements = metadata.get_all("Requires-Dist") or []
    optional = [r for r in requirements if r.startswith(("plyvel", "uvloop"))]
    assert len(optional) == 3
    assert all('extra == "node"' in requirement for requirement in optional)


def test_the_command_runs_from_a_clean_environment(environment: Path, tmp_path: Path) -> None:
    pset = environment / "bin" / "pset"
    assert "Usage" in run(pset, "--help", cwd=tmp_path)
    assert run(pset, "version", cwd=tmp_path).strip()


def test_the_face_comes_from_the_clean_environment(environment: Path, tmp_path: Path) -> None:
    program = (
        "import psetledger, psetledger.aio, ledger; print(psetledger.__file__, ledger.__file__)"
    )
    places = run(environment / "bin" / "python", "-c", program, cwd=tmp_path).split()
    assert len(places) == 2
    for place in places:
        assert Path(place).is_relative_to(environment)


def test_sdk_and_command_work_without_the_node_extra(environment: Path, tmp_path: Path) -> None:
    """With plyvel and uvloop impossible to import, as where they have no wheel."""
    program = (
        "import sys; sys.modules.update(plyvel=None, plyvel_next=None, uvloop=None);"
        "import psetledger; [getattr(psetledger, name) for name in psetledger.__all__];"
        "import cli.main; cli.main.pset.main(['--help'])"
    )
    assert "Usage" in run(environment / "bin" / "python", "-c", program, cwd=tmp_path)


@pytest.mark.long
def test_declared_requirements_suffice_beside_proto_plus(wheel: Path, tmp_path: Path) -> None:
    """A full installation with the node extra, and proto-plus after it: both stay whole."""
    run(sys.executable, "-m", "venv", tmp_path / "full", cwd=tmp_path)
    python = tmp_path / "full" / "bin" / "python"
    # pip keeps the configuration and the cache of the user: this is an installation as people do it.
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", f"{wheel}[node]", "proto-plus"],
        check=True,
        timeout=600,
    )
    run(python, "-m", "pip", "check", cwd=tmp_path)
    program = "import proto, psetledger.v1.ledger_pb2; assert hasattr(proto, 'Message')"
    run(python, "-c", program, cwd=tmp_path)
    assert "Usage" in run(tmp_path / "full" / "bin" / "pset", "--help", cwd=tmp_path)
