# SPDX-License-Identifier: Apache-2.0
"""Flags, environment and profile; the acting organisation and its keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.context import CliContext
from cli.errors import CommandError
from ledger.model.keys import KeyRole, KeyType
from sdk.errors import PsetError
from sdk.home import Home, Profile
from sdk.signers import KeyStore


@pytest.fixture
def context() -> CliContext:
    return CliContext()


def code_of(caught: pytest.ExceptionInfo[PsetError]) -> str:
    return caught.value.code


def test_a_flag_wins_over_the_environment_and_that_over_the_profile(
    context: CliContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert context.home.directory == tmp_path / "home"
    with pytest.raises(CommandError) as caught:
        context.acting()
    assert code_of(caught) == "NO_ORGANISATION"
    context.home.write_profile(Profile(organisation="che"))
    assert context.acting() == "che"
    monkeypatch.setenv("PSET_AS", "umalusi")
    assert context.acting() == "umalusi"
    context.settings.acting = "qcto"
    assert context.acting() == "qcto"
    context.settings.home = tmp_path / "other"
    assert context.home.directory == tmp_path / "other"


def test_a_command_may_act_for_its_subject_unless_told_otherwise(
    context: CliContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.act_for("gaa")
    assert context.acting() == "gaa"
    context.act_for("nmu")
    assert context.acting() == "gaa"
    other = CliContext()
    monkeypatch.setenv("PSET_AS", "qcto")
    other.act_for("gaa")
    assert other.acting() == "qcto"


@pytest.mark.parametrize("name", ["../../etc", "QCTO", "did:web:x"])
def test_an_organisation_from_the_environment_is_checked_too(
    context: CliContext, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It names a directory."""
    monkeypatch.setenv("PSET_AS", name)
    with pytest.raises(CommandError) as caught:
        context.key_store()
    assert code_of(caught) == "ORGANISATION_MALFORMED"


def test_keys_of_a_development_network_lie_in_it(
    context: CliContext, network_directory: Path
) -> None:
    context.settings.network = str(network_directory)
    assert context.key_store("qcto").directory == network_directory / "keys" / "qcto"


def test_keys_lie_in_the_home_before_any_network_is_configured(
    context: CliContext, tmp_path: Path
) -> None:
    assert context.key_store("ekt").directory == tmp_path / "home" / "keys" / "ekt"
    context.settings.network = "za"
    with pytest.raises(PsetError) as caught:
        context.key_store("ekt")
    assert code_of(caught) == "NO_TRUST_ROOT"


def test_keys_in_the_home_are_used_on_a_development_network_that_has_none(
    context: CliContext, network_directory: Path, tmp_path: Path
) -> None:
    context.settings.network = str(network_directory)
    assert context.key_store("ekt").directory.parent == network_directory / "keys"
    held = tmp_path / "home" / "keys" / "ekt"
    KeyStore(held).generate("ledger", KeyRole.LEDGER, KeyType.ED25519)
    assert context.key_store("ekt").directory == held


def test_the_only_key_of_a_role_needs_no_network(
    context: CliContext, network_directory: Path
) -> None:
    context.settings.network = str(network_directory)
    assert context.signer("admin", "qcto").key_id == "admin"
    with pytest.raises(CommandError) as caught:
        context.signer("recovery", "qcto")
    assert code_of(caught) == "KEY_ROLE_NOT_HELD"


def test_a_passphrase_comes_from_the_file_named(
    context: CliContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask = context.passphrase()
    with pytest.raises(CommandError) as caught:
        ask()
    assert code_of(caught) == "PASSPHRASE_NEEDED"
    file = tmp_path / "passphrase"
    file.write_text("open sesame\n")
    file.chmod(0o600)
    monkeypatch.setenv("PSET_PASSPHRASE_FILE", str(file))
    assert ask() == "open sesame"


def test_nothing_is_confirmed_unasked(context: CliContext) -> None:
    with pytest.raises(CommandError) as caught:
        context.confirm("really?")
    assert code_of(caught) == "NOT_CONFIRMED"
    context.settings.yes = True
    context.confirm("really?")


def test_a_network_lying_here_is_named_but_not_taken(
    context: CliContext, network_directory: Path
) -> None:
    Path("pset-network").symlink_to(network_directory)
    with pytest.raises(PsetError) as caught:
        context.network()
    assert code_of(caught) == "NO_TRUST_ROOT"
    assert "--network ./pset-network" in caught.value.remedy


@pytest.mark.parametrize(("variables", "colour"), [((), True), (("NO_COLOR",), False)])
def test_no_color(
    context: CliContext,
    monkeypatch: pytest.MonkeyPatch,
    variables: Sequence[str],
    colour: bool,
) -> None:
    for variable in variables:
        monkeypatch.setenv(variable, "1")
    assert (context.output.console.no_color is False) is colour


def test_a_profile_that_cannot_be_read_is_an_error(context: CliContext) -> None:
    home = Home.find(None)
    home.directory.mkdir()
    (home.directory / "profile.json").write_text("{")
    with pytest.raises(PsetError) as caught:
        context.acting()
    assert code_of(caught) == "PROFILE_DAMAGED"
