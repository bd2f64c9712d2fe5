# SPDX-License-Identifier: Apache-2.0
"""Story 1: accredit, issue, verify; revoke and suspend; withdraw, and verify in the past.

QCTO accredits a provider for 91761 at two sites. What it issues is valid. A revoked statement is not,
a suspended one not for now. When the accreditation of a site is withdrawn, what was assessed there
before stays good and what is assessed there after does not. An accreditation that was obtained by
fraud is withdrawn from its beginning, by two parties, and nothing issued under it counts.

All days are relative to the day on which the story is told: the ledger's clock is the real one, and
no change may take effect before the day on which it is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from psetcloud.stories.forgeries import (
    Forger,
    PublishedTemplate,
    entries_of,
    forge,
    raise_first_mark,
    write_sample,
)
from psetcloud.stories.steps import Chapter, Command, Deed, Outcome, Sample, Step, Story
from sdk.client import LedgerClient
from sdk.credentials.instants import civil_date_of
from sdk.credentials.jcs import JsonObject, parse_object
from sdk.signers import KeyStore

QUALIFICATION: Final = "91761"
QUALIFICATION_NAME: Final = f"za:saqa:q:{QUALIFICATION}"
STATEMENT: Final = "statement-of-results"
CERTIFICATE: Final = "occupational-certificate"
POWERS: Final = ("train", "assess-internally", STATEMENT_POWER := "issue-statement-of-results")

PROVIDER: Final = "gaa"
OPEN_SITE: Final = "2"
CLOSING_SITE: Final = "1"
FRAUDULENT: Final = "ssc"
FRAUDULENT_NAME: Final = "Sample Skills Campus (sample)"
STRANGER: Final = "unendorsed"
STRANGER_NAME: Final = "Unendorsed Sample College (sample)"

_CONTENT_SIZE_MAX: Final = 256 * 1024


@dataclass(slots=True)
class AccreditAndVerify:
    """The story on one network; `directory` is that of a development network with its keys."""

    directory: Path
    today: date = field(default_factory=lambda: civil_date_of(datetime.now(UTC)))
    samples: list[Sample] = field(default_factory=list[Sample])

    @property
    def samples_directory(self) -> Path:
        return self.directory / "samples"

    @property
    def granted_from(self) -> date:
        """First day of the grants: about two years ago."""
        return self.today - timedelta(days=730)

    @property
    def assessed_before(self) -> date:
        """A day on which everything was in force: about one year ago."""
        return self.today - timedelta(days=365)

    def tell(self) -> Story:
        """The steps. Ends with the samples."""
        yield from self._accredit_and_issue()
        yield from self._revoke_and_suspend()
        yield from self._withdraw()
        yield from self._withdraw_from_the_beginning()
        yield from self._forge()
        return tuple(self.samples)

    # ---- chapters

    def _accredit_and_issue(self) -> Generator[Step, Outcome, None]:
        yield Chapter("Accredit, issue, verify")
        yield from self._grant(
            PROVIDER,
            OPEN_SITE,
            "QCTO accredits gaa, the Gqeberha Artisan Academy, for 91761 at its site 2. The ledger"
            " checks that QCTO's own accreditation by SAQA covers that.",
        )
        yield Command(
            "Anyone asks whether gaa may issue statements of results there: yes, and why.",
            (
                *("accreditation", "check", PROVIDER, "--power", STATEMENT_POWER),
                *("--qualification", QUALIFICATION, "--site", OPEN_SITE),
            ),
            is_shown=True,
        )
        example = self._record_file("valid")
        example.parent.mkdir(parents=True, exist_ok=True)
        yield Command(
            "The template shows what a statement of results contains; its example is a valid input.",
            ("credential", "template", "show", STATEMENT, "--example"),
            saved_to=example,
        )
        yield Deed(
            "A learner is assessed at site 2 today. That accreditation is on record already.",
            f"the day of assessment in {example.name} becomes {self.today.isoformat()}",
        )
        yield from self._issue(
            "valid",
            "gaa issues it. Nothing about the learner reaches the ledger.",
            self._record(assessed=self.today),
        )
        self._keep("valid", "valid", None, "issued while accredited")
        yield self._verify(
            "valid", 0, "A stranger verifies the file: without an account, a key or a call to gaa."
        )

    def _revoke_and_suspend(self) -> Generator[Step, Outcome, None]:
        yield Chapter("Revoke, suspend")
        for name, verb, reason, code, text in (
            ("revoked", "revoke", "correction", "REVOKED", "revoked by its issuer"),
            ("suspended", "suspend", "enquiry", "SUSPENDED", "suspended for an enquiry"),
        ):
            yield from self._issue(name, "gaa issues another one.", self._record())
            yield Command(
                f"gaa {verb}s it: one bit in a status list of 131,072; the reason stays with gaa.",
                (
                    *("credential", verb, "--record-id", self._record_id(name)),
                    *("--reason", reason, "--as", PROVIDER),
                ),
            )
            self._keep(name, "invalid", code, text)
            yield self._verify(name, 1, f"The verdict turns: {code}.")

    def _withdraw(self) -> Generator[Step, Outcome, None]:
        yield Chapter("Withdraw, and verify in the past")
        grant_id = yield from self._grant(
            PROVIDER, CLOSING_SITE, "gaa was accredited at its site 1 as well, two years ago."
        )
        yield from self._issue(
            "since-withdrawn",
            "A year ago a learner was assessed there, and gaa issues the statement.",
            self._record(site=CLOSING_SITE, assessed=self.assessed_before),
        )
        yield Command(
            "gaa closes site 1. QCTO withdraws that accreditation: today is the first day without it.",
            (
                *("accreditation", "withdraw", grant_id, "--effective", self.today.isoformat()),
                *("--reason", "ceased-operations", "--as", "qcto"),
            ),
        )
        self._keep(
            "since-withdrawn",
            "valid",
            None,
            "assessed before the withdrawal",
            is_warned=True,
        )
        yield self._verify(
            "since-withdrawn",
            0,
            "What was assessed while gaa was accredited stays good. The report says what came later:"
            " the issue, and the ledger's record of that accreditation.",
        )
        late = self._record(site=CLOSING_SITE, assessed=self.today)
        yield from self._refused(
            "after-withdrawal",
            "Somebody at gaa assesses a learner at site 1 today all the same. The SDK refuses to issue.",
            STATEMENT,
            late,
        )
        forged = self._forge_as_provider(STATEMENT, late)
        yield from self._leave(
            "after-withdrawal",
            forged,
            "So it is signed with gaa's own key, past the SDK. Nobody can prevent that;"
            " it only does not count.",
            "gaa's issue key signs a document built with sdk.credentials",
            "ACCREDITATION_NOT_VALID_THEN",
            "assessed after the withdrawal",
        )
        yield self._verify(
            "after-withdrawal", 1, "The signature is good; the authority is missing."
        )

    def _withdraw_from_the_beginning(self) -> Generator[Step, Outcome, None]:
        yield Chapter("Withdraw from the beginning: two parties")
        yield from self._request(FRAUDULENT, FRAUDULENT_NAME)
        yield Command(
            "QCTO vouches for its name and type: it now has a DID on the ledger.",
            ("org", "endorse", str(self._request_file(FRAUDULENT)), "--as", "qcto"),
        )
        yield Command(
            "It registers its site.",
            (
                *("org", "add-site", FRAUDULENT, "--code", "1", "--name", "Sample main site"),
                *("--province", "GP", "--as", FRAUDULENT),
            ),
        )
        grant_id = yield from self._grant(
            FRAUDULENT, "1", "QCTO accredits it, on papers that turn out to be forged."
        )
        yield from self._issue(
            "void-ab-initio",
            "It issues a statement of results.",
            self._record(site="1", assessed=self.assessed_before),
            issuer=FRAUDULENT,
        )
        withdrawal = (
            *("accreditation", "withdraw", grant_id, "--ab-initio"),
            *("--effective", self.granted_from.isoformat(), "--reason", "fraud-finding"),
        )
        yield Command(
            "The fraud is found. QCTO opens a withdrawal from the beginning: nothing changes yet.",
            (*withdrawal, "--as", "qcto"),
        )
        yield self._verify(
            "void-ab-initio", 0, "One party alone cannot undo the past: still valid."
        )
        yield Command(
            "SAQA, from whom QCTO has its power, confirms. Now the accreditation never held.",
            (*withdrawal, "--as", "saqa"),
        )
        self._keep(
            "void-ab-initio",
            "invalid",
            "ACCREDITATION_VOID",
            "accredited by fraud",
        )
        yield self._verify("void-ab-initio", 1, "And what was issued under it never counted.")

    def _forge(self) -> Generator[Step, Outcome, None]:
        yield Chapter("Forge")
        certificate = self._certificate()
        yield from self._refused(
            "out-of-scope",
            "gaa tries to issue the certificate itself, which only QCTO may. The SDK refuses.",
            CERTIFICATE,
            certificate,
        )
        yield from self._leave(
            "out-of-scope",
            self._forge_as_provider(CERTIFICATE, certificate),
            "So gaa signs it past the SDK.",
            "gaa's issue key signs a document built with sdk.credentials",
            "ACCREDITATION_OUT_OF_SCOPE",
            "a certificate by a provider",
        )
        did = yield from self._request(STRANGER, STRANGER_NAME)
        yield from self._leave(
            "unknown-issuer",
            self._forge_as_stranger(did),
            "Nobody endorses that request, so the ledger knows no such DID. It signs all the same.",
            "its own issue key signs a document built with sdk.credentials",
            "ISSUER_UNKNOWN",
            "an issuer nobody vouched for",
        )
        yield from self._leave(
            "tampered",
            raise_first_mark(self._sample_file("valid").read_bytes(), 92),
            "Somebody opens the valid file and makes a better mark of it.",
            "as a text editor would do it",
            "SIGNATURE_INVALID",
            "a mark was changed",
        )

    # ---- commands

    def _grant(self, org: str, site: str, text: str) -> Generator[Step, Outcome, str]:
        powers = [word for power in POWERS for word in ("--power", power)]
        outcome = yield Command(
            text,
            (
                *("accreditation", "grant", org, *powers),
                *("--qualification", QUALIFICATION, "--site", site),
                *("--from", self.granted_from.isoformat(), "--as", "qcto"),
            ),
        )
        return str(outcome.data["grant_id"])

    def _issue(
        self,
        name: str,
        text: str,
        values: Mapping[str, Any] | None = None,
        *,
        issuer: str = PROVIDER,
    ) -> Generator[Step, Outcome, None]:
        if values is not None:
            self._write_record(name, values)
        self.samples_directory.mkdir(parents=True, exist_ok=True)
        yield Command(text, self._issue_arguments(name, STATEMENT, issuer))

    def _refused(
        self, name: str, text: str, template: str, values: Mapping[str, Any]
    ) -> Generator[Step, Outcome, None]:
        self._write_record(name, values)
        yield Command(text, self._issue_arguments(name, template, PROVIDER), exit_code=3)

    def _issue_arguments(self, name: str, template: str, issuer: str) -> tuple[str, ...]:
        return (
            *("credential", "issue", str(self._record_file(name)), "--template", template),
            *("--record-id", self._record_id(name)),
            *("--out", str(self._sample_file(name)), "--as", issuer),
        )

    def _verify(
        self, name: str, exit_code: int, text: str, *, lines_max: int | None = None
    ) -> Command:
        return Command(
            text,
            ("verify", str(self._sample_file(name))),
            exit_code=exit_code,
            is_shown=True,
            lines_max=lines_max,
        )

    def _request(self, org: str, name: str) -> Generator[Step, Outcome, str]:
        """Make keys and a signed request; answers the DID that the request would get."""
        keys = (("admin", "admin"), ("ledger", "ledger"), ("issue-1", "issue"))
        text = f"{name.removesuffix(' (sample)')} makes its keys: for its DID, to submit, to issue."
        for key, role in keys:
            yield Command(text, ("key", "generate", key, "--role", role, "--as", org))
            text = ""
        named = [word for key, _ in keys for word in ("--key", key)]
        outcome = yield Command(
            "It signs a request for a place on the ledger, with all its keys.",
            (
                *("org", "request", "--short-name", org, "--name", name, "--type", "provider"),
                *(*named, "--out", str(self._request_file(org)), "--as", org),
            ),
        )
        return str(outcome.data["did"])

    # ---- samples

    def _keep(
        self, name: str, verdict: str, code: str | None, text: str, *, is_warned: bool = False
    ) -> None:
        file = self._sample_file(name)
        self.samples.append(Sample(name, file, verdict, code, text, is_warned))

    def _leave(
        self, name: str, document: bytes, text: str, how: str, code: str, fate: str
    ) -> Generator[Step, Outcome, None]:
        write_sample(self._sample_file(name), document)
        yield Deed(text, how)
        self._keep(name, "invalid", code, fate)

    # ---- forgeries

    def _forge_as_provider(self, template: str, values: Mapping[str, Any]) -> bytes:
        with LedgerClient.connect(self.directory) as client:
            did = client.organisation(PROVIDER).value.did
            return self._sign(client, template, values, did, PROVIDER)

    def _forge_as_stranger(self, did: str) -> bytes:
        with LedgerClient.connect(self.directory) as client:
            return self._sign(client, STATEMENT, self._record(), did, STRANGER)

    def _sign(
        self,
        client: LedgerClient,
        template: str,
        values: Mapping[str, Any],
        did: str,
        org: str,
    ) -> bytes:
        published = client.resource(template).value
        store = KeyStore(self.directory / "keys" / org)
        key = next(held.name for held in store.list() if held.role.label == "issue")
        return forge(
            Forger(did, store.load(key)),
            PublishedTemplate(published.url, published.content),
            values,
            issued_at=datetime.now(UTC),
            # The forger points to a list that exists, at a place where nothing is revoked.
            status_entries=entries_of(self._sample_file("valid").read_bytes()),
            qualification_record=_read_object(client.resource(QUALIFICATION_NAME).value.content),
        )

    # ---- files

    def _record(self, *, site: str = OPEN_SITE, assessed: date | None = None) -> dict[str, Any]:
        """The example of the template, at another site or on another day."""
        values = dict(json.loads(self._record_file("valid").read_bytes()))
        values["site"] = site
        if assessed is not None:
            values["assessed"] = assessed.isoformat()
        return values

    def _certificate(self) -> dict[str, Any]:
        values = self._record()
        del values["site"], values["modules"]
        return {**values, "certificate_number": "SAMPLE-0001"}

    def _write_record(self, name: str, values: Mapping[str, Any]) -> None:
        text = json.dumps(values, ensure_ascii=False, indent=2)
        write_sample(self._record_file(name), text.encode() + b"\n")

    def _record_file(self, name: str) -> Path:
        return self.directory / "records" / f"{name}.json"

    def _request_file(self, org: str) -> Path:
        return self.directory / "records" / f"{org}.request.json"

    def _sample_file(self, name: str) -> Path:
        return self.samples_directory / f"{name}.vc.json"

    @staticmethod
    def _record_id(name: str) -> str:
        return f"SAMPLE/{name}"


def _read_object(content: bytes) -> JsonObject:
    return parse_object(content, size_max=_CONTENT_SIZE_MAX, integers_only=True)
