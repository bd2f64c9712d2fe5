# SPDX-License-Identifier: Apache-2.0
"""Issue this morning's results from the student-record system, then correct one. Safe to run twice.

On the network of `pset demo --dir demo --keep`:

    $ python examples/issuer.py ./demo gaa examples/results.jsonl out
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psetledger import (
    CallerError,
    Draft,
    IssuedCredential,
    Issuer,
    LedgerClient,
    RefusedError,
    UnavailableError,
)

TEMPLATE = "statement-of-results"  # a template published on the ledger; @1 pins its version
POWER = "issue-statement-of-results"


def results_of(export: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yours: record id and values. Here: one JSON object a line."""
    for line in export.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row.pop("student_no") + "/2026-1", row


def is_revoked(client: LedgerClient, credential: IssuedCredential) -> bool:
    """Whether the ledger says so now."""
    return bool(client.status_list(credential.status_url).value[credential.status_index])


def main(network: str, org: str, export: Path, out: Path) -> None:
    """Issue a file for each record of an export."""
    out.mkdir(exist_ok=True)
    with (
        LedgerClient.connect(network, org=org) as client,
        Issuer(client, store=out / "issuer.db") as issuer,  # private: docs/issuer-store.md
    ):
        allowed = issuer.may_issue("za:saqa:q:91761", power=POWER, site="2")
        if not allowed:
            raise SystemExit(f"{allowed.code}: {allowed.text}")

        try:
            for record_id, values in results_of(export):
                known = issuer.find(record_id)
                try:
                    credential = issuer.issue(
                        Draft.from_template(TEMPLATE, values), record_id=record_id
                    )
                except CallerError as error:  # this row only; field and rule, never the value
                    print("refused ", record_id, error.code, error.text)
                    continue
                if known and is_revoked(client, known):  # never to be handed out again
                    print("already there (revoked)", record_id, credential.credential_id)
                    continue
                name = record_id.replace("/", "_")
                (out / f"{name}.vc.json").write_bytes(credential.document)
                word = "already there" if known else "issued  "
                print(word, record_id, credential.credential_id)
        except UnavailableError as error:  # power cut, thin line: nothing is lost
            raise SystemExit(
                f"run me again in {error.retry_after or 'a while'}: I continue where I stopped"
            ) from None

        # The mark of one student was captured wrongly: revoke, and issue the correction anew.
        record_id, values = next(results_of(export))
        values["modules"][0]["mark"] += 3
        try:
            issuer.revoke(record_id, reason="correction")
            corrected = issuer.issue(
                Draft.from_template(TEMPLATE, values), record_id=f"{record_id}/corrected"
            )
        except RefusedError as error:
            raise SystemExit(f"{error.code}: {error.text} {error.remedy}") from None
        (out / "corrected.vc.json").write_bytes(corrected.document)
        print("replaced", record_id, corrected.credential_id)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
