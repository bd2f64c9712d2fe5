# SPDX-License-Identifier: Apache-2.0
"""`pset schema`: publish and read schemas, credential templates, display labels, qualifications."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.output import details, table
from cli.parameters import ParamType
from cli.reading import FILE_TO_READ, at_option, proof_option
from cli.records import lines
from cli.wording import plural
from cli.writing import WriteOptions, find_first_receipt, show_receipt, submit, write_options
from ledger.model.limits import CONTENT_SIZE_MAX

if TYPE_CHECKING:
    from sdk.client import LedgerClient
    from sdk.results import Proven, Receipt, Resource, When

TYPES: Final = ("JsonSchema", "CredentialTemplate", "DisplayBundle", "Qualification")
"""Those that this release publishes."""
_SCHEMA_MEDIA_TYPE: Final = "application/schema+json"
_MEDIA_TYPE: Final = "application/json"


class ResourceTypeType(ParamType[str]):
    """A type of resource, however it is spelt: ``CredentialTemplate``, ``credential-template``."""

    name = "type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        wanted = str(value).replace("-", "").replace("_", "").lower()
        for known in TYPES:
            if known.lower() == wanted:
                return known
        return self.fail(f"{value!r} is none of {', '.join(TYPES)}", param, ctx)


RESOURCE_TYPE: Final = ResourceTypeType()


@click.group(
    "schema",
    cls=PsetGroup,
    examples="""
        $ pset schema list
        $ pset schema show statement-of-results
        $ pset schema publish template.json --name my-template --type CredentialTemplate --as qcto
    """,
)
def schema() -> None:
    """Published documents: schemas, credential templates, display labels, qualifications.

    A name belongs to its first publisher; a new version supersedes the old one, nothing is deleted.
    """


@schema.command(
    "publish",
    examples="""
        $ pset schema publish labels.json --name qcto-labels --type DisplayBundle --as qcto
        $ pset schema publish q.json --name za:saqa:q:91761 --type Qualification --as saqa --dry-run
    """,
)
@click.argument("file", metavar="FILE", type=FILE_TO_READ)
@click.option("--name", required=True, metavar="NAME", help="Or za:saqa:q:<SAQA id>.")
@click.option(
    "--type", "resource_type", type=RESOURCE_TYPE, required=True, help=f"{', '.join(TYPES)}."
)
@write_options
@pass_context
def publish(
    context: CliContext, file: Path, name: str, resource_type: str, write: WriteOptions
) -> ExitCode:
    """Publish the JSON in FILE under a name, or the next version of it."""
    from sdk.operations import PublishResource

    content = _read_content(file)
    media_type = _SCHEMA_MEDIA_TYPE if resource_type == "JsonSchema" else _MEDIA_TYPE
    with context.client(write) as client:
        first = _find_first(client, write, name, resource_type, content)
        if first is not None:
            data = {
                "resource": name,
                "type": resource_type,
                "version": first.result["version"],
            }
            show_receipt(context, first, done=_published, data=data)
            return ExitCode.DONE
        versions = _count_versions(client, name)
        operation = PublishResource(
            name, resource_type, content, expected_version=versions, media_type=media_type
        )
        return submit(
            context,
            client,
            operation,
            write,
            done=_published,
            data={"resource": name, "type": resource_type, "version": str(versions + 1)},
        )


def _published(receipt: Receipt) -> str:
    results = receipt.result
    if "url" not in results:
        return "publication"
    return f"{results['name']}@{results['version']}\n          {results['url']}"


def _read_content(file: Path) -> bytes:
    from sdk.credentials.jcs import parse_object
    from sdk.credentials.problems import CredentialError

    with file.open("rb") as stream:
        content = stream.read(CONTENT_SIZE_MAX + 1)
    if len(content) > CONTENT_SIZE_MAX:
        raise CommandError(
            f"{file} has more than {CONTENT_SIZE_MAX:,} bytes",
            code="CONTENT_MALFORMED",
            remedy="Split the document.",
        )
    try:
        parse_object(content, size_max=CONTENT_SIZE_MAX)
    except CredentialError as error:
        raise CommandError(
            f"{file}: {error.text}",
            code="CONTENT_MALFORMED",
            remedy="Give one JSON object, {…}, and mend what the error names.",
        ) from None
    return content


def _find_first(
    client: LedgerClient, write: WriteOptions, name: str, resource_type: str, content: bytes
) -> Receipt | None:
    """The receipt of this very publication under the same idempotency key.

    Asked for first: the ledger's own comparison would see another version and another id.
    """
    first = find_first_receipt(client, write)
    if first is None or first.result.get("name") != name:
        return None
    held = client.resource(f"{name}@{first.result['version']}").value
    return first if (held.type, held.content) == (resource_type, content) else None


def _count_versions(client: LedgerClient, name: str) -> int:
    from sdk.errors import CallerError

    try:
        return int(client.resource(name).value.version)
    except CallerError as error:
        if error.code in {"RESOURCE_UNKNOWN", "RESOURCE_NAME_MALFORMED"}:
            return 0  # a malformed name is the ledger's to refuse
        raise


@schema.command(
    "show",
    examples="""
        $ pset schema show za:saqa:q:91761
        $ pset schema show statement-of-results@1 -o json
        $ pset schema show statement-of-results --at 2026-05-14 --proof template.proof
    """,
)
@click.argument("name", metavar="NAME[@VERSION]")
@at_option
@proof_option
@pass_context
def show(context: CliContext, name: str, at: When, proof: Path | None) -> None:
    """One published document: its newest version, or the one named. Also by URL."""
    with context.client() as client:
        proven = client.resource(name, at=at)
    held = proven.value
    content = _content(held)
    rows = [
        ("name", f"{held.name}@{held.version}"),
        ("type", held.type),
        ("URL", held.url),
        ("checksum", held.checksum),
        ("superseded by", held.superseded_by),
    ]
    context.output.read(
        "Resource",
        {**held.to_dict(), "content": content},
        proven,
        [details(rows), "", *lines(content, "  ")],
    )
    context.save_proof(proof, proven)


def _content(held: Resource) -> Any:
    try:
        return json.loads(held.content)
    except ValueError:
        return held.content.hex()


@schema.command(
    "list",
    examples="""
        $ pset schema list
        $ pset schema list --type CredentialTemplate -o json
    """,
)
@click.option("--type", "resource_type", type=RESOURCE_TYPE, help="Only of this type.")
@proof_option
@pass_context
def list_resources(context: CliContext, resource_type: str | None, proof: Path | None) -> None:
    """The newest version of every published document: the list is proven to be complete."""
    types = TYPES if resource_type is None else (resource_type,)
    with context.client() as client:
        proven = _ask_resources(client, types)
        owners = {
            did: client.organisation(did).value.short_name
            for did in {_owner(held) for held in proven.value}
        }
    rows = [
        (held.name, held.type, held.version, owners[_owner(held)], len(held.content))
        for held in proven.value
    ]
    text: list[Any] = [plural(len(rows), "document")]
    if rows:
        text.insert(0, table(("name", "type", "version", "publisher", "bytes"), rows))
    data = [
        {
            "name": held.name,
            "type": held.type,
            "version": held.version,
            "url": held.url,
            "checksum": held.checksum,
            "publisher": owners[_owner(held)],
        }
        for held in proven.value
    ]
    context.output.read("ResourceList", {"resources": data}, proven, text)
    context.save_proof(proof, proven)


def _owner(held: Resource) -> str:
    return held.url.partition("/resources/")[0]


def _ask_resources(client: LedgerClient, types: Sequence[str]) -> Proven[Sequence[Resource]]:
    """All types in one question, so that one proof covers them."""
    from sdk.reader import StateView
    from sdk.resources import list_resources, parse_resource_type

    wanted = [parse_resource_type(name) for name in types]

    def question(view: StateView) -> Sequence[Resource]:
        return [held for item in wanted for held in list_resources(view, item)]

    return client.ask(question)
