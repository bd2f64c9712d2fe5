# SPDX-License-Identifier: Apache-2.0
"""Credentials: issued by an accredited provider, verified against a real node, cold and warm.

A network of one validator with the sample organisations; QCTO accredits the provider for
qualification 91761, the provider issues statements of results, each with other values.

`verify` is one call of `Verifier.verify` for a statement that is valid, never the same one twice in
a row:

- `start=cold`: a new client: connection, TLS, trust from genesis, certificate, all facts with their
  proofs, then the credential. Wall time, and processor time of the verifier as `verify-cpu`.
- `start=warm-asking`: the same client and issuer; the client asks the node each time whether its
  state is still the same. Wall time, and processor time as `verify-cpu`.
- `start=warm`: the same client and issuer, with a `max_age` within which facts serve again unasked:
  reading, canonicalisation, hashes, signature, every check, the report. Processor time.

`issue`: one call of `Issuer.issue`, store included; wall time.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from benchmarks.limits import ED25519_SIGN, ED25519_VERIFY
from benchmarks.node_under_test import run_node
from benchmarks.results import Figure, Parameter
from benchmarks.samples import WORDS
from benchmarks.timing import Clock, measure, measure_each
from benchmarks.workload import Context
from psetcloud.demo_network import set_up_demo
from sdk.accreditor import Accreditor
from sdk.client import LedgerClient
from sdk.credentials.instants import civil_date_of
from sdk.credentials.template import bundled_template
from sdk.credentials.template_reader import parse_template
from sdk.credentials.values import example_values
from sdk.drafts import Draft
from sdk.issuer import Issuer
from sdk.networks import read_network
from sdk.signers import KeyStore
from sdk.verifier import Verifier

NAME = "credential"
TEMPLATE: Final = "statement-of-results"
QUALIFICATION: Final = "za:saqa:q:91761"
POWERS: Final = ("train", "assess-internally", "issue-statement-of-results")
SITE: Final = "2"
PROVIDER: Final = "gaa"
COUNCIL: Final = "qcto"
WARM_MAX_AGE: Final = timedelta(hours=1)


def run(context: Context) -> Iterator[Figure]:
    """Measure issuing and verification."""
    with run_node(context.directory) as node:
        context.note("credential: the sample organisations")
        set_up_demo(node.directory)
        _accredit(node.directory)
        context.note("credential: issue")
        documents: list[bytes] = []
        yield _measure_issuing(context, node.directory, documents)
        context.note("credential: verify")
        yield from _measure_verification(context, node.directory, documents)


def _accredit(directory: Path) -> None:
    today = civil_date_of(datetime.now(UTC))
    with _acting(directory, COUNCIL) as client:
        Accreditor(client).grant(
            PROVIDER,
            powers=POWERS,
            qualifications=(QUALIFICATION,),
            sites=(SITE,),
            valid=(today - timedelta(days=730), None),
        )


def _acting(directory: Path, short_name: str) -> LedgerClient:
    store = KeyStore(read_network(directory).key_directory / short_name)
    return LedgerClient.connect(directory, org=short_name, signer=store.load("ledger"))


class DraftMaker:
    """Drafts of the template's example with a name and marks of their own."""

    def __init__(self, seed: int, today: date) -> None:
        self._generator = random.Random(seed)
        self._template = parse_template(bundled_template(TEMPLATE))
        self._today = today
        self._numbers = itertools.count()

    def make(self, count: int) -> list[tuple[str, Draft]]:
        """Record ids and drafts; never one twice."""
        return [(f"SAMPLE/{next(self._numbers)}", self._make_draft()) for _ in range(count)]

    def _make_draft(self) -> Draft:
        values = cast("dict[str, Any]", example_values(self._template, self._today))
        values["site"] = SITE
        for name in self._template.identity:
            values[name] = " ".join(self._generator.choices(WORDS, k=2)).title()
        return Draft.from_template(TEMPLATE, values)


def _measure_issuing(context: Context, directory: Path, documents: list[bytes]) -> Figure:
    """Also collects what is issued."""
    store = KeyStore(read_network(directory).key_directory / PROVIDER)
    drafts = DraftMaker(context.seed, civil_date_of(datetime.now(UTC)))
    with (
        _acting(directory, PROVIDER) as client,
        Issuer(client, store=directory / "issuer.db", key=store.load("issue")) as issuer,
    ):

        def issue(row: tuple[str, Draft]) -> None:
            record_id, draft = row
            documents.append(issuer.issue(draft, record_id=record_id).document)

        measured = measure_each(issue, drafts.make, context.effort, Clock.WALL)
    return Figure(NAME, "issue", measured.scaled(1e6), "µs", {}, ED25519_SIGN)


def _measure_verification(
    context: Context, directory: Path, documents: list[bytes]
) -> Iterator[Figure]:
    endless = itertools.cycle(documents)

    def verify(verifier: Verifier, document: bytes) -> None:
        report = verifier.verify(document)
        if not report:
            raise AssertionError(f"a sample is not valid: {report.code} {report.summary}")

    def verify_cold() -> None:
        with LedgerClient.connect(directory) as client:
            verify(Verifier(client), next(endless))

    size = sorted(len(document) for document in documents)[len(documents) // 2]
    parameters: dict[str, Parameter] = {"size_bytes": size}
    cold: dict[str, Parameter] = {"start": "cold"}
    asking: dict[str, Parameter] = {"start": "warm-asking"}
    warm: dict[str, Parameter] = {"start": "warm"}
    for metric, clock in (("verify", Clock.WALL), ("verify-cpu", Clock.CPU)):
        measured = measure(verify_cold, context.effort, clock).scaled(1e6)
        yield Figure(NAME, metric, measured, "µs", cold | parameters, ED25519_VERIFY)
    with LedgerClient.connect(directory) as client:
        verifier = Verifier(client)
        for metric, clock in (("verify", Clock.WALL), ("verify-cpu", Clock.CPU)):
            measured = measure_each(
                partial(verify, verifier), partial(_take, endless), context.effort, clock
            ).scaled(1e6)
            yield Figure(NAME, metric, measured, "µs", asking | parameters, ED25519_VERIFY)
    with LedgerClient.connect(directory, max_age=WARM_MAX_AGE) as client:
        measured = measure_each(
            partial(verify, Verifier(client)), partial(_take, endless), context.effort
        ).scaled(1e6)
        yield Figure(NAME, "verify", measured, "µs", warm | parameters, ED25519_VERIFY)


def _take(endless: Iterator[bytes], count: int) -> list[bytes]:
    return list(itertools.islice(endless, count))
