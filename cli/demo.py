# SPDX-License-Identifier: Apache-2.0
"""`pset demo`: the stories on a throw-away network, each step with the command that does it."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.network_up import NODES_COUNT_MAX
from cli.output import table
from cli.reading import DIRECTORY
from cli.wording import SOUTH_AFRICA

if TYPE_CHECKING:
    from cli.story_telling import Teller
    from psetcloud.stories.steps import Sample

STORIES: Final = ("1",)
KEPT_DIRECTORY: Final = Path("demo")
"""Where a network stays that is kept and not placed elsewhere."""
DAY_LEFT_MIN: Final = timedelta(seconds=20)
"""A story that would begin later than this before midnight (UTC+2) begins after it."""


@click.command(
    "demo",
    cls=PsetCommand,
    examples="""
        $ pset demo                                  # everything, and nothing is left behind
        $ pset demo --dir demo --story 1 --keep      # leave the network running, and demo/samples/
        $ pset --network ./demo verify demo/samples/valid.vc.json
        $ pset network down --dir demo
    """,
)
@click.option(
    "--nodes",
    type=click.IntRange(1, NODES_COUNT_MAX),
    default=1,
    show_default=True,
    help="Validators.",
)
@click.option("--dir", "directory", type=DIRECTORY, metavar="DIR", help="Where the network lies.")
@click.option(
    "--story", default="all", metavar="N|all", help=f"Which; so far: {', '.join(STORIES)}."
)
@click.option("--keep", is_flag=True, help="Leave the network running, with DIR/samples/.")
@pass_context
def demo(
    context: CliContext, nodes: int, directory: Path | None, story: str, keep: bool
) -> ExitCode:
    """Accredit, issue, verify, revoke: on a ledger of your own.

    Real processes, TLS and keys; organisations and learners are samples. Every step prints the command
    that does it. Exit code 1 when a sample is not judged as it should be.
    """
    from cli.story_telling import Teller

    if story not in {*STORIES, "all"}:
        raise CommandError(
            f"there is no story {story} in this release",
            code="STORY_UNKNOWN",
            remedy=f"Choose of: {', '.join(STORIES)}, all.",
        )
    place = _make_place(directory, keep=keep)
    teller = Teller(context.output, network_argument(place), context.settings.home)
    started = time.monotonic()
    finished = False
    try:
        samples, found = _tell(context, teller, place, nodes)
        finished = True
    finally:
        if not (keep and finished):
            _take_down(teller, place, is_ours=directory is None and not keep)
    seconds = time.monotonic() - started
    return _conclude(context, teller, samples, found, place if keep else None, seconds)


def _make_place(directory: Path | None, *, keep: bool) -> Path:
    """The directory of the network: empty or not there yet.

    Raises:
        CommandError: DIRECTORY_NOT_EMPTY.
    """
    if directory is None and not keep:
        return Path(tempfile.mkdtemp(prefix="pset-demo-"))
    place = directory or KEPT_DIRECTORY
    if place.exists() and any(place.iterdir()):
        raise CommandError(
            f"{place} is not empty",
            code="DIRECTORY_NOT_EMPTY",
            remedy=f"Remove an earlier demo with `pset network down --dir {place} --purge`, or"
            " choose another --dir.",
        )
    return place


def network_argument(place: Path) -> str:
    """A directory as it is given to ``--network``: with a / in it."""
    text = str(place)
    return text if "/" in text else f"./{text}"


def _tell(
    context: CliContext, teller: Teller, place: Path, nodes: int
) -> tuple[tuple[Sample, ...], list[Finding]]:
    from psetcloud.stories.accredit_and_verify import AccreditAndVerify
    from psetcloud.stories.steps import Command

    context.output.words("Story 1, on a ledger of its own. Organisations and learners are samples.")
    up = Command(
        f"A network starts: {'a validator' if nodes == 1 else f'{nodes} validators'}, its genesis,"
        " the sample organisations with keys, what SAQA grants the councils, qualification 91761"
        " and the templates.",
        ("network", "up", "--demo", "--nodes", str(nodes), "--dir", str(place)),
    )
    teller.run(up, on_network=False)
    _await_whole_day(context)
    samples = teller.tell(AccreditAndVerify(place).tell())
    return samples, verify_samples(teller.network, samples)


def _await_whole_day(context: CliContext) -> None:
    """Wait for midnight when it is near: the story's days are those of the day on which it began."""
    seconds = seconds_to_wait(datetime.now(SOUTH_AFRICA))
    if seconds:
        context.output.progress("waiting for midnight: the story's days must not change under it …")
        time.sleep(seconds)


def seconds_to_wait(now: datetime) -> float:
    """How long until the next day has begun (UTC+2); 0 when it is not near."""
    midnight = datetime.combine(now.date() + timedelta(days=1), clock_time(), now.tzinfo)
    left = midnight - now
    return left.total_seconds() + 1 if left < DAY_LEFT_MIN else 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What `pset verify` says of a sample."""

    verdict: str
    code: str | None
    is_warned: bool

    def is_expected(self, sample: Sample) -> bool:
        """Whether that is what the story says."""
        expected = (sample.verdict, sample.code, sample.is_warned)
        return (self.verdict, self.code, self.is_warned) == expected

    @property
    def words(self) -> str:
        """`INVALID REVOKED`, `VALID, with a warning`."""
        return word_verdict(self.verdict, self.code, is_warned=self.is_warned)


def word_verdict(verdict: str, code: str | None, *, is_warned: bool) -> str:
    """A verdict with its code, or with the remark that there is a warning."""
    from cli.verification_words import WORDS

    words = WORDS.get(verdict, verdict.upper())
    if code is not None:
        return f"{words} {code}"
    return f"{words}, with a warning" if is_warned else words


def verify_samples(network: str, samples: Sequence[Sample]) -> list[Finding]:
    """Verify all samples with one command.

    Raises:
        CommandError: STORY_INTERRUPTED: it did not answer for each of them.
    """
    from cli.story_telling import run_pset

    files = [str(sample.file) for sample in samples]
    ran = run_pset(["--network", network, "verify", *files, "-o", "json"])
    reports = [json.loads(line)["data"] for line in ran.stdout.splitlines() if line]
    if len(reports) != len(samples):
        raise CommandError(
            f"`pset verify` answered for {len(reports)} of {len(samples)} samples:"
            f" {ran.error.get('text', '')}",
            code="STORY_INTERRUPTED",
            remedy=str(ran.error.get("remedy", "Run it by hand to see more.")),
            exit_code=ExitCode.BROKEN,
        )
    return [_finding(report) for report in reports]


def _finding(report: dict[str, Any]) -> Finding:
    warned = any(
        check["name"] == "authority" and check["outcome"] == "warn" for check in report["checks"]
    )
    return Finding(str(report["verdict"]), report["code"], warned)


def _take_down(teller: Teller, place: Path, *, is_ours: bool) -> None:
    """Stop the network and remove what was made; a directory that is ours altogether."""
    from cli.story_telling import run_pset

    ran = run_pset(["network", "down", "--dir", str(place), "--purge", "--yes"])
    if ran.exit_code != ExitCode.DONE and (place / "network.json").exists():
        teller.output.hint(ran.stderr.strip())
    if is_ours:
        shutil.rmtree(place, ignore_errors=True)


def _conclude(
    context: CliContext,
    teller: Teller,
    samples: Sequence[Sample],
    found: Sequence[Finding],
    kept: Path | None,
    seconds: float,
) -> ExitCode:
    judged = [finding.is_expected(sample) for sample, finding in zip(samples, found, strict=True)]
    data = {
        "directory": None if kept is None else str(kept),
        "network": None if kept is None else teller.network,
        "steps": teller.told,
        "samples": [
            {
                "name": sample.name,
                "file": str(sample.file) if kept is not None else None,
                "text": sample.text,
                "expected": {"verdict": sample.verdict, "code": sample.code},
                "verdict": finding.verdict,
                "code": finding.code,
                "ok": ok,
            }
            for sample, finding, ok in zip(samples, found, judged, strict=True)
        ],
        "ok": all(judged),
        "seconds": round(seconds, 1),
    }
    rows = [
        (
            sample.name,
            sample.text,
            finding.words,
            "ok"
            if ok
            else "EXPECTED "
            + word_verdict(sample.verdict, sample.code, is_warned=sample.is_warned),
        )
        for sample, finding, ok in zip(samples, found, judged, strict=True)
    ]
    words: list[Any] = [
        "",
        table(("sample", "what it is", "pset verify says", ""), rows),
        "",
        f"{sum(judged)} of {len(judged)} samples judged as expected, in {seconds:.0f} s.",
    ]
    if kept is not None:
        words += _by_hand(teller.network, kept)
    context.output.result("Demo", data, words)
    return ExitCode.DONE if all(judged) else ExitCode.NO


def _by_hand(network: str, kept: Path) -> list[str]:
    samples = kept / "samples"
    commands = (
        f"pset --network {network} verify {samples / 'valid.vc.json'}",
        f"pset --network {network} verify {samples / 'after-withdrawal.vc.json'}",
        f"pset network down --dir {kept}",
    )
    return ["", "The network is running. By hand:", *(f"   $ {line}" for line in commands)]
