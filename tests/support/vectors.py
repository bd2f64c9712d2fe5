# SPDX-License-Identifier: Apache-2.0
"""Where the external test vectors are, and the one reason for which a test may skip.

The vectors are other people's files: they are read where they lie and never committed. The place is
the directory named by the environment variable ``PSETLEDGER_VECTORS``, otherwise ``shared/vectors``
beside the repository. An absent directory skips the test with the reason ``EXTERNAL_VECTORS_ABSENT``;
``.ci/run`` looks for that word and fails when vectors that are present were skipped. A directory
that is present but lacks the asked-for file is an error, never a skip: a misspelt path must be seen.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
VECTORS_VARIABLE = "PSETLEDGER_VECTORS"
SKIP_WORD = "EXTERNAL_VECTORS_ABSENT"


def vectors_root() -> Path:
    """The directory that should hold the vectors; it need not exist."""
    named = os.environ.get(VECTORS_VARIABLE, "")
    return Path(named) if named else REPOSITORY_ROOT.parent / "shared" / "vectors"


def vector_path(*parts: str) -> Path:
    """The file or directory ``parts`` under the external vectors.

    Skips the calling test (or, at import time, its whole module) when there are no vectors at all.

    Raises:
        FileNotFoundError: the vectors are there but this one is not: a mistake in the test.
    """
    root = vectors_root()
    if not root.is_dir():
        pytest.skip(
            f"{SKIP_WORD}: no directory {root} (set {VECTORS_VARIABLE})", allow_module_level=True
        )
    path = root.joinpath(*parts)
    if not path.exists():
        raise FileNotFoundError(f"no external vector {'/'.join(parts)} under {root}")
    return path
