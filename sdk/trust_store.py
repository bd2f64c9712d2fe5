# SPDX-License-Identifier: Apache-2.0
"""What a light client keeps between its runs, in trust.json: the highest head it has verified, and the
changes of the validators that lead there from genesis.

Rules of this file:
- Everything is verified again when it is read, from the pinned genesis on: who can write the file can
  make the client refuse, never believe.
- The path begins at genesis and has a limit. Where it has grown too long, what is above its end is
  not kept, nor a head that it does not prove: another run learns that anew.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from ledger.model.codec import encode
from ledger.model.limits import TRUST_PATH_COUNT_MAX, TRUSTED_SETS_COUNT_MAX
from ledger.model.trust_path import decode_trust_step, extend_trust
from ledger.model.verification import (
    ProofError,
    TrustRoot,
    VerifiedHead,
    decode_certified_head,
    verify_head,
)
from sdk.errors import CallerError, TrustError
from sdk.home import format_json, read_json_file, write_file
from sdk.networks import TRUST_FILE, Network

TRUST_FORMAT: Final = "psetledger-trust/1"
TRUST_FILE_SIZE_MAX: Final = 2 * 1024 * 1024
KEPT_STEPS_COUNT_MAX: Final = TRUSTED_SETS_COUNT_MAX - 1
KEPT_STEPS_SIZE_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeptPath:
    """Canonical TrustSteps from genesis on."""

    steps: tuple[bytes, ...] = ()
    end_height: int | None = None
    """The highest height whose head these steps prove; None: none is left out."""

    def extend(self, steps: Sequence[bytes], first_height: int) -> KeptPath:
        """With more steps, all or none; `first_height`: at which the first of them is named.

        Once steps were left out, no more are kept.
        """
        if self.end_height is not None:
            return self
        longer = (*self.steps, *steps)
        is_short = (
            len(longer) <= KEPT_STEPS_COUNT_MAX
            and sum(map(len, longer)) <= KEPT_STEPS_SIZE_BYTES_MAX
        )
        return KeptPath(longer) if is_short else KeptPath(self.steps, first_height)


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of a network beyond its genesis."""

    trust: TrustRoot
    path: KeptPath = KeptPath()
    """What proves `trust`."""
    highest: VerifiedHead | None = None


class TrustStore:
    """What was learned of one network, in a file or only in memory."""

    def __init__(self, path: Path | None) -> None:
        """`path` None: nothing is kept."""
        self._path = path

    def read(self, trust: TrustRoot) -> Learned:
        """What is kept for this network, verified; `trust` follows from its genesis.

        Raises:
            TrustError: TRUST_STATE_DAMAGED.
        """
        if self._path is None:
            return Learned(trust)
        try:
            document = read_json_file(self._path, TRUST_FORMAT, TRUST_FILE_SIZE_MAX)
            if document.get("chain_id") != trust.chain_id:
                return Learned(trust)  # a development network that was built anew
            steps = _read_steps(document)
            for first in range(0, len(steps), TRUST_PATH_COUNT_MAX):
                page = steps[first : first + TRUST_PATH_COUNT_MAX]
                trust = extend_trust(trust, [decode_trust_step(step) for step in page])
            head = decode_certified_head(b64decode(str(document.get("head")), validate=True))
            return Learned(trust, KeptPath(steps), verify_head(head, trust))
        except FileNotFoundError:
            return Learned(trust)
        except (ValueError, ProofError) as error:
            raise TrustError(
                f"{self._path}: {error}",
                code="TRUST_STATE_DAMAGED",
                remedy="Find out who changed this file. Without it this computer no longer notices"
                " when a node serves an older state than before; remove it to begin anew.",
                evidence=self._path,
            ) from error

    def write(self, head: VerifiedHead, trust: TrustRoot, path: KeptPath) -> None:
        """Keep a head, and the path that proves it, unless a higher one is kept. A directory that
        cannot be written to is left, and so is a damaged file, for `read` to complain of.
        """
        if self._path is None or (path.end_height is not None and head.height > path.end_height):
            return
        if self._holds_higher(head.height, trust):
            return
        try:
            document: dict[str, Any] = {
                "format": TRUST_FORMAT,
                "chain_id": trust.chain_id,
                "genesis_hash": trust.genesis_hash.hex(),
                "height": head.height,
                "head": b64encode(encode(head.encoded)).decode(),
            }
            if path.steps:
                document["steps"] = [b64encode(step).decode() for step in path.steps]
            write_file(self._path, format_json(document))
        except CallerError:
            # A network directory on a read-only medium: within this process heights still never
            # go back.
            return

    def _holds_higher(self, height: int, trust: TrustRoot) -> bool:
        assert self._path is not None
        try:
            document = read_json_file(self._path, TRUST_FORMAT, TRUST_FILE_SIZE_MAX)
        except FileNotFoundError:
            return False
        except ValueError:
            return True
        if document.get("chain_id") != trust.chain_id:
            return False
        held = document.get("height")
        return not isinstance(held, int) or held >= height


def read_trust(network: Network) -> TrustRoot:
    """Genesis, and what a client on this computer has learned since; for proofs without a network.

    Raises:
        TrustError: TRUST_STATE_DAMAGED.
    """
    return TrustStore(network.directory / TRUST_FILE).read(network.trust_root).trust


def _read_steps(document: dict[str, Any]) -> tuple[bytes, ...]:
    """Raises ValueError."""
    held = document.get("steps", [])
    items = cast(list[object], held) if isinstance(held, list) else None
    if items is None or len(items) > KEPT_STEPS_COUNT_MAX:
        raise ValueError(f"steps is no list of up to {KEPT_STEPS_COUNT_MAX}")
    return tuple(b64decode(str(item), validate=True) for item in items)
