# SPDX-License-Identifier: Apache-2.0
"""Where figures come from: commit, machine, versions of what does the work."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]

LIBRARIES: Final = (
    "grpcio",
    "protobuf",
    "pynacl",
    "cryptography",
    "py-arkworks-bls12381",
    "plyvel",
    "plyvel-next",
    "uvloop",
    "orjson",
)
"""Distributions whose speed decides."""


def describe_commit() -> str:
    """The commit of the checkout, with `-dirty` when files differ from it; `unknown` outside git."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    return f"{head}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else head


def describe_machine(directory: Path) -> dict[str, Any]:
    """Processor, memory, system, file system of the measured directory, versions."""
    return {
        "processor": _first_value(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": usable_cores_count(),
        "memory_bytes": _memory_bytes(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "file_system": _file_system(directory),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def usable_cores_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _first_value(path: Path, name: str) -> str | None:
    """The value of the first line `name: value` of a file of the kernel."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _memory_bytes() -> int | None:
    total = _first_value(Path("/proc/meminfo"), "MemTotal")
    return int(total.split()[0]) * 1024 if total else None


def _file_system(directory: Path) -> str | None:
    """Type of the file system that holds a directory: its mount is the longest prefix."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    resolved = directory.resolve()
    best: tuple[int, str] | None = None
    for line in mounts:
        _, point, kind, *_ = line.split()
        if resolved.is_relative_to(point) and (best is None or len(point) >= best[0]):
            best = (len(point), kind)
    return best[1] if best else None
