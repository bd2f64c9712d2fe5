# SPDX-License-Identifier: Apache-2.0
"""The `pset` command: assembles the sub-commands, nothing else.

A module is imported when its command is used: `pset --help` needs none of them. The attribute of
each module is the click command or group of that name.
"""

from __future__ import annotations

from typing import Final

from cli.command import Entry, RootGroup

SECTIONS: Final = {
    "Everyone": {
        "demo": Entry("cli.demo", "demo", "The stories, on a throw-away network."),
        "verify": Entry("cli.verify", "verify", "Is this credential good?"),
        "explain": Entry("cli.explain", "explain", "What a code, operation or field means."),
        "version": Entry("cli.version", "version", "Software, protocol, network, commit."),
        "completion": Entry("cli.completion", "completion", "Completion for your shell."),
    },
    "Network and node": {
        "network": Entry("cli.network", "network", "Which ledger; a network for development."),
        "node": Entry("cli.node", "node", "Start, stop and look at a validator."),
        "ledger": Entry("cli.ledger", "ledger", "The raw truth, with proofs."),
    },
    "Keys and organisations": {
        "key": Entry("cli.key", "key", "Make and list an organisation's keys."),
        "org": Entry("cli.org", "org", "Request, endorse and look up organisations."),
        "did": Entry("cli.did", "did", "DID documents and the keys in them."),
        "schema": Entry("cli.schema", "schema", "Publish and read schemas, templates, catalogues."),
    },
    "Accreditation and credentials": {
        "accreditation": Entry(
            "cli.accreditation", "accreditation", "Who may do what, where, from when to when."
        ),
        "credential": Entry("cli.credential", "credential", "Issue, revoke, suspend, look up."),
        "status-list": Entry("cli.status_list", "status_list", "Status lists, with proof."),
    },
}

pset = RootGroup(
    SECTIONS,
    help="A shared register that lets anyone check a South African qualification in seconds.",
    examples="""
        $ pset verify certificate.vc.json               # is it good? no account, no key
        $ pset demo                                     # see all of it work, in seconds
        $ pset network up --demo                        # a network of your own, in this directory
        $ pset org list                                 # who is on it, with proof
        $ pset explain SCOPE_NOT_COVERED                # what an answer means and who must act
    """,
)


def main() -> None:
    """Entry point of the console script."""
    pset.main()
