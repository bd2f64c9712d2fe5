# SPDX-License-Identifier: Apache-2.0
"""Check what a candidate sent. No key, no account, no set-up.

On the network of `pset demo --dir demo --keep`:

    $ python examples/verifier.py ./demo demo/samples/since-withdrawn.vc.json
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from psetledger import LedgerClient, Policy, UnavailableError, Verdict, Verifier


def main(network: str, document: Path) -> int:
    """Print what the ledger proves about a document; 0 valid, 1 invalid, 4 cannot tell."""
    try:
        client = LedgerClient.connect(network, timeout=timedelta(seconds=5))
    except UnavailableError as error:
        print("cannot tell:", error.text, error.remedy)  # neither valid nor invalid
        return 4

    with client:
        verifier = Verifier(client, policy=Policy(max_age=timedelta(days=7)))
        report = verifier.verify(document)

    if report:  # true only for VALID
        print(report.claims["achievement"], "from", " > ".join(link.name for link in report.chain))
    elif report.verdict is Verdict.UNKNOWN:
        print("cannot tell yet:", report.summary, report.next_step)
    else:
        print(report.code, report.summary)  # REVOKED  Revoked on 3 March 2026 by QCTO.
    for check in report.checks:
        print(" ", check.name, check.outcome, check.text)
    print("Not shown by this check:", *report.not_proven)  # that the bearer is the person named

    # To be kept: no claims, since a log of candidates is personal data.
    Path("receipt.json").write_text(report.without_claims().to_json(), encoding="utf-8")
    return {Verdict.VALID: 0, Verdict.INVALID: 1, Verdict.UNKNOWN: 4}[report.verdict]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2])))
