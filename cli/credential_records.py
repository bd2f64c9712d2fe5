# SPDX-License-Identifier: Apache-2.0
"""Input records and the templates they are for.

A record is a JSON object: one learner's values. Errors name the field and the rule, never the value:
they end up in logs and on screens.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from cli.errors import CommandError

if TYPE_CHECKING:
    from cli.context import CliContext
    from sdk.client import LedgerClient
    from sdk.credentials.template import CredentialTemplate
    from sdk.results import Proven, Resource

RECORD_SIZE_MAX: Final = 1024 * 1024
"""Bytes of one input record."""
STANDARD_INPUT: Final = Path("-")
EXAMPLE_KIND: Final = "CredentialExample"
"""Of the JSON object that holds an example; its `data` is a valid record."""

TEMPLATE_TYPE: Final = "CredentialTemplate"


@dataclass(frozen=True, slots=True)
class FoundTemplate:
    """A template, and where it was found."""

    template: CredentialTemplate
    url: str | None
    """DID URL on the ledger; None: as it comes with the software."""
    version: str | None
    proven: Proven[Resource] | None
    """How it is known to be on the ledger."""


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file, or in standard input for ``-``.

    Raises:
        CommandError: RECORD_UNREADABLE, RECORD_MALFORMED.
    """
    from sdk.credentials.jcs import parse_object
    from sdk.credentials.problems import CredentialError

    name = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        if path == STANDARD_INPUT:
            data = sys.stdin.buffer.read(RECORD_SIZE_MAX + 1)
        else:
            with path.open("rb") as file:
                data = file.read(RECORD_SIZE_MAX + 1)
    except OSError as error:
        raise CommandError(
            f"cannot read {name}: {error.strerror}",
            code="RECORD_UNREADABLE",
            remedy="Give the path of a JSON file, or - for standard input.",
        ) from error
    try:
        record = parse_object(data, size_max=RECORD_SIZE_MAX)
    except CredentialError as error:
        raise CommandError(
            f"{name} is no input record: {error.text}",
            code="RECORD_MALFORMED",
            remedy="Give one JSON object; see `pset credential template show NAME --example`.",
        ) from error
    if record.get("kind") == EXAMPLE_KIND and isinstance(record.get("data"), dict):
        return cast("dict[str, Any]", record["data"])
    return cast("dict[str, Any]", record)


def read_template(client: LedgerClient, name: str) -> FoundTemplate:
    """The template called NAME or NAME@VERSION on the ledger.

    Raises:
        CommandError: TEMPLATE_UNKNOWN, TEMPLATE_MALFORMED.
        PsetError: as `LedgerClient.resource`.
    """
    from sdk.credentials.problems import CredentialError
    from sdk.credentials.template_reader import parse_template

    proven = client.resource(name)
    resource = proven.value
    if resource.type != TEMPLATE_TYPE:
        raise CommandError(
            f"{name} is a {resource.type}, not a template",
            code="TEMPLATE_UNKNOWN",
            remedy="See `pset credential template list`.",
        )
    try:
        template = parse_template(resource.content)
    except CredentialError as error:
        raise CommandError(
            f"this release cannot read the template {name}: {error.path}: {error.text}",
            code="TEMPLATE_MALFORMED",
            remedy="Install a newer psetledger, or use an earlier version of the template.",
        ) from error
    return FoundTemplate(template, resource.url, resource.version, proven)


def find_template(context: CliContext, name: str) -> FoundTemplate:
    """The template on the ledger; without any network configured, as it comes with the software.

    Raises:
        CommandError: as `read_template`.
        PsetError: as connecting and reading.
    """
    from sdk.errors import PsetError

    try:
        with context.client() as client:
            return read_template(client, name)
    except PsetError as error:
        found = _bundled(name) if is_unconfigured(context, error) else None
        if found is None:
            raise
        context.output.hint(
            f"No network is configured: this is {name} as it comes with this release."
        )
        return found


def is_unconfigured(context: CliContext, error: Mapping[str, Any] | Exception) -> bool:
    """Whether the error says that no network was named and none is configured."""
    return context.settings.network is None and getattr(error, "code", "") == "NO_TRUST_ROOT"


def _bundled(name: str) -> FoundTemplate | None:
    from sdk.credentials.template import bundled_template, bundled_template_names
    from sdk.credentials.template_reader import parse_template

    if name not in bundled_template_names():
        return None
    return FoundTemplate(parse_template(bundled_template(name)), None, None, None)
