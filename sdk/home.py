# SPDX-License-Identifier: Apache-2.0
"""HOME: the directory with configured networks, keys, profile and evidence of this user.

    HOME/profile.json            default network and organisation
    HOME/networks/NAME/          network.json, genesis.json, trust.json (`sdk.networks`)
    HOME/keys/ORG/NAME.key       private keys (`sdk.signers`)
    HOME/evidence/               answers of nodes that did not prove what they said

The environment is read here and nowhere below: `--home`, else PSET_HOME, else ~/.pset.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from sdk.errors import CallerError

HOME_VARIABLE: Final = "PSET_HOME"
NETWORK_VARIABLE: Final = "PSET_NETWORK"
DEFAULT_NETWORK: Final = "za"
PROFILE_FILE: Final = "profile.json"
PROFILE_FORMAT: Final = "psetledger-profile/1"
SMALL_FILE_SIZE_MAX: Final = 64 * 1024
"""Bytes of a configuration file."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the user has chosen for all calls that do not say otherwise."""

    network: str | None = None
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """One user's directory. Nothing is created before something is stored."""

    directory: Path

    @classmethod
    def find(cls, home: Path | None, environment: Mapping[str, str] | None = None) -> Home:
        """The directory given, that of PSET_HOME, or ~/.pset."""
        environment = os.environ if environment is None else environment
        if home is None:
            named = environment.get(HOME_VARIABLE)
            home = Path(named) if named else Path.home() / ".pset"
        return cls(Path(home))

    @property
    def networks(self) -> Path:
        return self.directory / "networks"

    @property
    def keys(self) -> Path:
        return self.directory / "keys"

    @property
    def evidence(self) -> Path:
        return self.directory / "evidence"

    def read_profile(self) -> Profile:
        """The profile; an empty one when there is none.

        Raises:
            CallerError: PROFILE_DAMAGED.
        """
        path = self.directory / PROFILE_FILE
        try:
            document = read_json_file(path, PROFILE_FORMAT)
        except FileNotFoundError:
            return Profile()
        except ValueError as error:
            raise CallerError(
                f"{path}: {error}",
                code="PROFILE_DAMAGED",
                remedy="Remove it and choose again with `pset network use NAME`.",
            ) from error
        network, organisation = document.get("network"), document.get("organisation")
        return Profile(
            network if isinstance(network, str) else None,
            organisation if isinstance(organisation, str) else None,
        )

    def write_profile(self, profile: Profile) -> None:
        """Replace the profile."""
        document: dict[str, Any] = {"format": PROFILE_FORMAT}
        if profile.network is not None:
            document["network"] = profile.network
        if profile.organisation is not None:
            document["organisation"] = profile.organisation
        write_file(self.directory / PROFILE_FILE, format_json(document))


def read_json_file(
    path: Path, expected_format: str, size_max: int = SMALL_FILE_SIZE_MAX
) -> dict[str, Any]:
    """The JSON object in a file whose `format` is the expected one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is something else, too large or unreadable; the text says which.
    """
    try:
        with path.open("rb") as file:
            data = file.read(size_max + 1)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:  # a file stands where its directory would be
        raise FileNotFoundError(*error.args) from error
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    if len(data) > size_max:
        raise ValueError(f"has more than {size_max} bytes")
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    members = cast(dict[str, Any], document) if isinstance(document, dict) else {}
    if members.get("format") != expected_format:
        raise ValueError(f"is not of the format {expected_format}")
    return members


def format_json(document: Mapping[str, Any]) -> bytes:
    """JSON for files that people read."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def write_file(path: Path, data: bytes) -> None:
    """Put a file in place whole and durable or not at all, mode 0600, directory 0700.

    Raises:
        CallerError: FILE_UNWRITABLE.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CallerError(
            f"cannot write {path}: {error.strerror}",
            code="FILE_UNWRITABLE",
            remedy="Choose a directory that you may write to, with --home or PSET_HOME.",
        ) from error
