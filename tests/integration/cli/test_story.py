# SPDX-License-Identifier: Apache-2.0
"""Story 1 on a validator in this process: every command runs as printed, every sample is judged."""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator, Sequence
from io import StringIO
from pathlib import Path

import pytest

from cli.demo import Finding, network_argument, verify_samples
from cli.errors import CommandError
from cli.output import Output
from cli.story_telling import Ran, Teller
from psetcloud.demo_network import set_up_demo
from psetcloud.stories.accredit_and_verify import AccreditAndVerify
from psetcloud.stories.steps import Command, Outcome, Sample, Step
from psetledger.testing import running_network
from tests.support.pset_runs import run

EXPECTED = {
    "valid": ("valid", None),
    "since-withdrawn": ("valid", None),
    "after-withdrawal": ("invalid", "ACCREDITATION_NOT_VALID_THEN"),
    "void-ab-initio": ("invalid", "ACCREDITATION_VOID"),
    "revoked": ("invalid", "REVOKED"),
    "suspended": ("invalid", "SUSPENDED"),
    "out-of-scope": ("invalid", "ACCREDITATION_OUT_OF_SCOPE"),
    "unknown-issuer": ("invalid", "ISSUER_UNKNOWN"),
    "tampered": ("invalid", "SIGNATURE_INVALID"),
}
"""What the command line promises of DIR/samples, and why."""


class Told:
    """The story as it was told."""

    def __init__(self, directory: Path) -> None:
        self.printed = StringIO()
        self.network = network_argument(directory)
        self.teller = Teller(Output(stdout=self.printed, color=False), self.network)
        self.samples = self.teller.tell(AccreditAndVerify(directory).tell())

    @property
    def text(self) -> str:
        return self.printed.getvalue()

    def sample(self, name: str) -> Sample:
        return next(sample for sample in self.samples if sample.name == name)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Generator[Told]:
    with running_network(tmp_path_factory.mktemp("story")) as network:
        set_up_demo(network.directory)
        yield Told(network.directory)


def test_every_promised_sample_is_there_and_judged_as_promised(told: Told) -> None:
    found = dict(zip(told.samples, verify_samples(told.network, told.samples), strict=True))
    assert {sample.name for sample in found} == set(EXPECTED)
    for sample, finding in found.items():
        assert (finding.verdict, finding.code) == EXPECTED[sample.name], sample.name
        assert finding.is_expected(sample), sample.name
        assert sample.file.name == f"{sample.name}.vc.json"
    warned = {sample.name for sample, finding in found.items() if finding.is_warned}
    assert warned == {"since-withdrawn"}


def test_a_sample_that_is_judged_otherwise_is_noticed(told: Told) -> None:
    valid = told.sample("valid")
    assert Finding("valid", None, is_warned=False).is_expected(valid)
    assert not Finding("valid", None, is_warned=True).is_expected(valid)
    assert not Finding("invalid", "REVOKED", is_warned=False).is_expected(valid)


def test_printed_commands_can_be_typed_and_say_what_was_told(told: Told) -> None:
    """The lines on the screen, joined at their backslashes, are the commands that ran."""
    joined = told.text.replace(" \\\n", " ")
    printed = [
        shlex.split(line.strip()[2:]) for line in joined.splitlines() if line.startswith("   $ ")
    ]
    ran = [shlex.split(step["command"]) for step in told.teller.told if step["command"]]
    assert printed == ran
    assert all(words[:3] == ["pset", "--network", told.network] for words in printed)
    # Verifying and asking again answers the same.
    for step in told.teller.told:
        words = shlex.split(step["command"] or "")
        if "verify" in words and "void-ab-initio" not in words[-1]:
            assert run(*words[1:]).exit == step["exit"]


def test_the_ledger_refused_nothing_that_the_story_did_not_expect(told: Told) -> None:
    refused = [step["outcome"] for step in told.teller.told if step["exit"] == 3]
    assert [outcome.split(": ")[1] for outcome in refused] == [
        "ACCREDITATION_NOT_VALID_THEN",
        "ACCREDITATION_OUT_OF_SCOPE",
    ]


def test_what_no_command_does_is_told_as_such(told: Told) -> None:
    deeds = [step for step in told.teller.told if step["command"] is None]
    assert len(deeds) == 5
    assert told.text.count("(no command: ") == 5


def test_samples_are_clearly_samples(told: Told) -> None:
    for sample in told.samples:
        subject = json.loads(sample.file.read_bytes())["credentialSubject"]
        assert (subject["given_name"], subject["family_name"]) == ("Sample", "Learner")
        assert subject["qualification"] == "za:saqa:q:91761"


def test_forged_signatures_are_good_so_that_something_else_must_refuse_them(told: Told) -> None:
    for name in ("after-withdrawal", "out-of-scope"):
        ended = run("--network", told.network, "verify", str(told.sample(name).file), "-o", "json")
        outcomes = {check["name"]: check["outcome"] for check in ended.data["checks"]}
        assert outcomes["signature"] == "pass"
        assert [check for check, outcome in outcomes.items() if outcome == "fail"] == ["authority"]


def test_a_command_that_ends_otherwise_stops_the_story(told: Told) -> None:
    def story() -> Generator[Step, Outcome, tuple[Sample, ...]]:
        yield Command("Ask for what is not there.", ("accreditation", "show", "g0"))
        raise AssertionError("the story went on")

    with pytest.raises(CommandError) as caught:
        Teller(Output(stdout=StringIO()), told.network).tell(story())
    assert caught.value.code == "GRANT_UNKNOWN"
    assert caught.value.exit_code == 2
    assert "accreditation show g0" in caught.value.text


def test_a_user_who_stops_a_command_stops_the_story(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story() -> Generator[Step, Outcome, tuple[Sample, ...]]:
        yield Command("Wait for ever.", ("ledger", "head"))
        raise AssertionError("the story went on")

    def stopped(_arguments: Sequence[str]) -> Ran:
        return Ran(130, "", "")

    monkeypatch.setattr("cli.story_telling.run_pset", stopped)
    with pytest.raises(KeyboardInterrupt):
        Teller(Output(stdout=StringIO()), told.network).tell(story())
