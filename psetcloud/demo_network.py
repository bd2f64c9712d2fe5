# SPDX-License-Identifier: Apache-2.0
"""Sample organisations on a development network, through real transactions over the SDK.

What `pset network up --demo` adds to the four organisations of every development network: a SETA, a
provider with two sites, a trade-test centre, a university and an employer, each with keys and a
self-signed request; the councils' grants; the qualification 91761, display labels and the two
credential templates. No provider is accredited: that is what the stories show.

The organisations are samples: real councils' short names, marked "(sample)" in every name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from ledger.model.keys import KeyRole, KeyType
from psetcloud.catalogue import load_catalogue
from sdk.client import LedgerClient
from sdk.credentials.template import bundled_template, bundled_template_names
from sdk.errors import CallerError, RefusedError
from sdk.networks import Network, read_network
from sdk.operations import (
    AddSite,
    EndorseOrganisation,
    GrantAccreditation,
    Operation,
    PublishResource,
)
from sdk.organisation_requests import OrganisationRequestFile, create_request
from sdk.results import Result
from sdk.signers import KeyStore

QUALIFICATION: Final = 91761
LABELS_NAME: Final = "za-labels"
COUNCIL_GRANTS_FROM: Final = date(2010, 4, 1)
"""When the QCTO began its work."""
COUNCIL_POWERS: Final = ("recommend-qualification", "accredit-provider", "delegate")
SUB_FRAMEWORKS: Final = {"che": "HEQSF", "umalusi": "GFETQSF", "qcto": "OQSF"}
KEY_ROLES: Final = (KeyRole.ADMIN, KeyRole.LEDGER, KeyRole.ISSUE)
TIMEOUT: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SampleOrganisation:
    """An organisation that is requested and endorsed."""

    short_name: str
    name: str
    type: str
    endorser: str
    codes: Mapping[str, str] = field(default_factory=dict[str, str])
    sites: Sequence[tuple[str, str, str]] = ()
    """Code, name, province."""


SAMPLES: Final = (
    SampleOrganisation(
        "merseta",
        "Manufacturing, Engineering and Related Services SETA (sample)",
        "seta",
        "qcto",
    ),
    SampleOrganisation(
        "gaa",
        "Gqeberha Artisan Academy (sample)",
        "provider",
        "qcto",
        {"qcto": "SDP-0142"},
        (("1", "Korsten workshop (sample)", "EC"), ("2", "Struandale workshop (sample)", "EC")),
    ),
    SampleOrganisation(
        "ttc",
        "Ekurhuleni Trade Test Centre (sample)",
        "trade-test-centre",
        "qcto",
        {"qcto": "TTC-0007"},
    ),
    SampleOrganisation("bontle", "Bontle Metal (Pty) Ltd (sample)", "employer", "qcto"),
    SampleOrganisation("nmu", "Nelson Mandela University (sample)", "university", "che"),
)


@dataclass(frozen=True, slots=True)
class DemoSetUp(Result):
    """What a set-up made, or found made already."""

    organisations: Sequence[str]
    """Short names, those of genesis included."""
    grants: Mapping[str, str]
    """Ids of the councils' grants, by council and power."""
    resources: Sequence[str]
    """Names of what was published."""
    height: int


def set_up_demo(directory: Path) -> DemoSetUp:
    """Put the samples on the development network in `directory`, which runs.

    Takes a handful of blocks: what does not depend on each other is submitted together. May be run
    again, also after an interruption: what is there already is left as it is.

    Raises:
        RefusedError: the ledger says no for another reason than that something is there already.
        PsetError: as connecting and submitting.
    """
    network = read_network(directory)
    catalogue = load_catalogue()
    qualification, content = catalogue.qualification(QUALIFICATION)
    with _acting(network, "saqa") as saqa:
        councils = {name: saqa.organisation(name).value.did for name in SUB_FRAMEWORKS}
        _publish(
            saqa,
            [
                PublishResource(qualification, "Qualification", content),
                PublishResource(LABELS_NAME, "DisplayBundle", catalogue.display_bundle()),
            ],
        )
        _submit(saqa, _missing_council_grants(saqa, councils))
        grants = _find_grants(saqa, councils)
    for endorser in ("qcto", "che"):
        with _acting(network, endorser) as client:
            wanted = [sample for sample in SAMPLES if sample.endorser == endorser]
            _submit(
                client,
                [
                    EndorseOrganisation(make_request(network, sample), sample.codes)
                    for sample in wanted
                    if not _exists(partial(client.organisation, sample.short_name))
                ],
            )
            if endorser == "qcto":
                _publish(
                    client,
                    [
                        PublishResource(name, "CredentialTemplate", bundled_template(name))
                        for name in bundled_template_names()
                    ],
                )
    for sample in SAMPLES:
        if sample.sites:
            _add_sites(network, sample)
    with LedgerClient.connect(directory.absolute(), timeout=TIMEOUT) as client:
        height = client.head().height
    return DemoSetUp(
        organisations=["saqa", *SUB_FRAMEWORKS, *(sample.short_name for sample in SAMPLES)],
        grants=grants,
        resources=[qualification, LABELS_NAME, *bundled_template_names()],
        height=height,
    )


def make_request(network: Network, sample: SampleOrganisation) -> OrganisationRequestFile:
    """A sample's self-signed request; its keys are made in the network's key directory if missing.

    Raises:
        PsetError: as `KeyStore.generate`.
    """
    store = KeyStore(network.key_directory / sample.short_name)
    held = {key.name for key in store.list()}
    for role in KEY_ROLES:
        if role.label not in held:
            store.generate(role.label, role, KeyType.ED25519)
    return create_request(
        network=network.genesis.network,
        short_name=sample.short_name,
        name=sample.name,
        type=sample.type,
        keys=[(role, store.load(role.label)) for role in KEY_ROLES],
    )


def _acting(network: Network, short_name: str) -> LedgerClient:
    """A client that signs with the organisation's ledger key from the network's directory."""
    store = KeyStore(network.key_directory / short_name)
    return LedgerClient.connect(
        network.directory.absolute(),
        org=short_name,
        signer=store.load(KeyRole.LEDGER.label),
        timeout=TIMEOUT,
    )


def _submit(client: LedgerClient, operations: Sequence[Operation]) -> None:
    """Submit all at once.

    Raises:
        RefusedError: for the first that is refused.
    """
    for receipt in client.submit_many(operations):
        if not receipt.applied:
            raise RefusedError(
                f"the set-up of the demonstration network was refused: {receipt.name}",
                code=receipt.name,
                remedy=receipt.remedy,
                receipt=receipt,
                transaction_id=receipt.transaction_id,
            )


def _publish(client: LedgerClient, wanted: Sequence[PublishResource]) -> None:
    names = {item.name for item in wanted if _exists(partial(client.resource, item.name))}
    _submit(client, [item for item in wanted if item.name not in names])


def _exists(read: Callable[[], object]) -> bool:
    try:
        read()
    except CallerError as error:
        if error.code not in {"ORGANISATION_UNKNOWN", "RESOURCE_UNKNOWN"}:
            raise
        return False
    return True


def _council_grants(councils: Mapping[str, str]) -> list[GrantAccreditation]:
    """What SAQA gives the councils: statutory, without an end."""
    grants = [
        GrantAccreditation(
            did,
            COUNCIL_POWERS,
            COUNCIL_GRANTS_FROM,
            None,
            sub_frameworks=(SUB_FRAMEWORKS[name],),
        )
        for name, did in councils.items()
    ]
    # A power of its own in the charter's table: only the QCTO certifies.
    certify = GrantAccreditation(
        councils["qcto"],
        ("certify",),
        COUNCIL_GRANTS_FROM,
        None,
        sub_frameworks=(SUB_FRAMEWORKS["qcto"],),
    )
    return [*grants, certify]


def _missing_council_grants(
    client: LedgerClient, councils: Mapping[str, str]
) -> list[GrantAccreditation]:
    held = {
        (grant.grantee, grant.powers)
        for did in councils.values()
        for grant in client.accreditations(did).value
    }
    wanted = _council_grants(councils)
    return [grant for grant in wanted if (grant.grantee, frozenset(grant.powers)) not in held]


def _find_grants(client: LedgerClient, councils: Mapping[str, str]) -> dict[str, str]:
    return {
        f"{name}/{' '.join(sorted(grant.powers))}": grant.id
        for name, did in councils.items()
        for grant in client.accreditations(did).value
    }


def _add_sites(network: Network, sample: SampleOrganisation) -> None:
    with _acting(network, sample.short_name) as client:
        held = client.organisation(sample.short_name).value
        _submit(
            client,
            [AddSite(held.did, *site) for site in sample.sites if site[0] not in held.sites],
        )
