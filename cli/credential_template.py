# SPDX-License-Identifier: Apache-2.0
"""`pset credential template`: which kinds of credential there are, and what each contains."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.credential_records import EXAMPLE_KIND, TEMPLATE_TYPE, find_template, is_unconfigured
from cli.errors import CommandError, ExitCode
from cli.output import details, table
from cli.reading import proof_option
from cli.wording import listed
from sdk.errors import PsetError

if TYPE_CHECKING:
    from sdk.credentials.template import CredentialTemplate, Field
    from sdk.results import Resource


@click.group(
    "template",
    cls=PsetGroup,
    examples="""
        $ pset credential template list
        $ pset credential template show statement-of-results --example > learner.json
    """,
)
def template() -> None:
    """Kinds of credential, as data on the ledger: fields, limits, the power an issuer needs."""


@template.command("list", examples="$ pset credential template list -o json")
@proof_option
@pass_context
def list_templates(context: CliContext, proof: Path | None) -> None:
    """The templates on the ledger; without a network those that come with the software."""
    try:
        with context.client() as client:
            proven = client.resources(TEMPLATE_TYPE)
            names = {
                owner: client.organisation(owner).value.short_name
                for owner in {_owner(resource) for resource in proven.value}
            }
    except PsetError as error:
        if not is_unconfigured(context, error):
            raise
        _refuse_proof(proof)
        _list_bundled(context)
        return
    context.save_proof(proof, proven)
    templates = [_listed(resource, names) for resource in proven.value]
    context.output.read("TemplateList", {"templates": templates}, proven, _list_words(templates))


def _owner(resource: Resource) -> str:
    return resource.url.partition("/")[0]


def _listed(resource: Resource, names: dict[str, str]) -> dict[str, Any]:
    from sdk.credentials.problems import CredentialError
    from sdk.credentials.template_reader import parse_template

    title, power = "", ""
    try:
        held = parse_template(resource.content)
        title, power = held.title, held.power
    except CredentialError:
        title = "(this release cannot read it)"
    return {
        "name": resource.name,
        "version": resource.version,
        "title": title,
        "power": power,
        "published_by": names[_owner(resource)],
        "url": resource.url,
    }


def _list_bundled(context: CliContext) -> None:
    from sdk.credentials.template import bundled_template, bundled_template_names
    from sdk.credentials.template_reader import parse_template

    held = [parse_template(bundled_template(name)) for name in bundled_template_names()]
    templates = [
        {
            "name": item.name,
            "version": None,
            "title": item.title,
            "power": item.power,
            "published_by": None,
            "url": None,
        }
        for item in held
    ]
    context.output.hint("No network is configured: these come with this release.")
    context.output.result("TemplateList", {"templates": templates}, _list_words(templates))


def _list_words(templates: list[dict[str, Any]]) -> Any:
    if not templates:
        return "no templates"
    columns = ("name", "version", "title", "power", "published by")
    keys = ("name", "version", "title", "power", "published_by")
    return table(columns, [[item[key] for key in keys] for item in templates])


@template.command(
    "show",
    examples="""
        $ pset credential template show statement-of-results
        $ pset credential template show statement-of-results --example > learner.json
    """,
)
@click.argument("name")
@click.option("--example", is_flag=True, help="Print a valid input file; its learner is a sample.")
@proof_option
@pass_context
def show(context: CliContext, name: str, example: bool, proof: Path | None) -> None:
    """What a credential of this kind contains. NAME or NAME@VERSION."""
    from sdk.credentials.instants import civil_date_of
    from sdk.credentials.values import example_values

    found = find_template(context, name)
    if found.proven is None:
        _refuse_proof(proof)
    else:
        context.save_proof(proof, found.proven)
    held = found.template
    sample = example_values(held, civil_date_of(datetime.now(UTC)))
    if example:
        text = json.dumps(sample, ensure_ascii=False, indent=2)
        context.output.result(EXAMPLE_KIND, sample, text)
        return
    data = {
        "name": held.name,
        "version": found.version,
        "url": found.url,
        "title": held.title,
        "power": held.power,
        "fields": [_field_data(item) for item in held.fields],
        "computed": [
            {"name": item.name, "label": item.label, "from": item.source} for item in held.computed
        ],
        "example": sample,
    }
    words = _words(held, found.version, found.url)
    if found.proven is None:
        context.output.result("Template", data, words)
    else:
        context.output.read("Template", data, found.proven, words)


def _refuse_proof(proof: Path | None) -> None:
    if proof is not None:
        raise CommandError(
            "there is nothing to prove: no network is configured",
            code="NO_TRUST_ROOT",
            remedy="Name a network with --network, or leave --proof out.",
            exit_code=ExitCode.CANNOT_TELL,
        )


def _words(held: CredentialTemplate, version: str | None, url: str | None) -> list[Any]:
    rows: list[tuple[str, str, str, str]] = []
    for item in held.fields:
        rows.append(_row(item, ""))
        rows += [_row(member, f"{item.name}[].") for member in item.fields]
    rows += [(item.name, item.label, f"computed from {item.source}", "") for item in held.computed]
    return [
        details(
            [
                ("template", held.name if version is None else f"{held.name}@{version}"),
                ("title", held.title),
                ("an issuer needs", f"the power {held.power}"),
                ("url", url),
            ]
        ),
        "",
        table(("field", "meaning", "form", ""), rows),
    ]


def _row(item: Field, prefix: str) -> tuple[str, str, str, str]:
    remarks = [] if item.required else ["optional"]
    if not item.claim:
        remarks.append("not in the credential")
    return (prefix + item.name, item.label, word_form(item), ", ".join(remarks))


def word_form(item: Field) -> str:
    """What a field's value looks like, in words."""
    match item.kind:
        case "date":
            parts = ["a day, YYYY-MM-DD"]
            if item.past:
                parts.append("not in the future")
            if item.after:
                parts.append(f"not before {item.after}")
            return ", ".join(parts)
        case "integer":
            return f"a whole number, {item.minimum} to {item.maximum}"
        case "choice":
            return f"one of {listed([code for code, _ in item.choices], last='or')}"
        case "qualification":
            return "a SAQA number, such as 91761"
        case "list":
            return f"a list of {item.count_min} to {item.count_max}"
        case _:
            return f"{item.pattern.replace('-', ' ')}, up to {item.length_max} characters"


def _field_data(item: Field) -> dict[str, Any]:
    return {
        "name": item.name,
        "label": item.label,
        "kind": item.kind,
        "form": word_form(item),
        "required": item.required,
        "claim": item.claim,
        "fields": [_field_data(member) for member in item.fields],
    }
