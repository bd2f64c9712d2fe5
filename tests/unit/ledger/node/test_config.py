# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ledger.node.config import (
    CONFIG_SIZE_MAX,
    ApiOptions,
    BlockOptions,
    NodeOptions,
    StorageOptions,
    decode_config,
    encode_config,
    load_config,
    split_address,
)
from ledger.node.errors import NodeError
from ledger.storage.errors import EXIT_USAGE

HOME = Path("/srv/n1")
LEAST = '[node]\nid = "n1"\ngenesis = "../genesis.json"\n'


def refusal(text: str) -> NodeError:
    with pytest.raises(NodeError) as caught:
        decode_config(text.encode(), HOME)
    assert caught.value.exit_code == EXIT_USAGE
    assert caught.value.remedy
    return caught.value


def test_everything_but_the_identity_has_a_default() -> None:
    config = decode_config(LEAST.encode(), HOME)
    assert config.node == NodeOptions("n1", "../genesis.json")
    assert config.api == ApiOptions()
    assert config.listen_address == ("127.0.0.1", 9700)
    assert config.data_path == HOME / "data"
    assert config.genesis_path == HOME / "../genesis.json"
    assert config.blocks.freshness_interval_ms == 60_000
    assert config.testing.crash_at == ""


def test_what_is_written_is_read_again() -> None:
    node = NodeOptions("n1", 'odd "path"\\name')
    tables = {
        "api": ApiOptions(listen="[::1]:0", names=("a.example", "10.0.0.1")),
        "blocks": BlockOptions(linger_ms=0),
        "storage": StorageOptions(engine="memory"),
    }
    config = decode_config(encode_config(node, **tables).encode(), HOME)
    assert config.node == node
    assert {name: getattr(config, name) for name in tables} == tables


def test_every_default_is_written_as_a_comment() -> None:
    text = encode_config(NodeOptions("n1", "genesis.json"))
    assert tomllib.loads(text) == {
        "node": {"id": "n1", "genesis": "genesis.json"},
        **{
            name: {}
            for name in ("api", "peers", "consensus", "storage", "blocks", "admission", "log")
        },
    }
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line else line for line in text.splitlines()
    )
    config = decode_config(uncommented.encode(), HOME)
    assert config == decode_config(text.encode(), HOME)
    assert "freshness_interval_ms = 60000" in text
    assert "testing" not in text


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "node.id"),
        ('[node]\nid = "n1"\n', "node.genesis"),
        (LEAST.replace("n1", "N 1"), "node.id"),
        (LEAST.replace('"n1"', "7"), "node.id"),
        (LEAST + "[unknown]\n", "unknown"),
        (LEAST + "unknown = 1\n", "node.unknown"),
        (LEAST + "[api]\nlisten = 9700\n", "api.listen"),
        (LEAST + '[api]\nlisten = "nowhere"\n', "api.listen"),
        (LEAST + '[api]\nlisten = "a:70000"\n', "api.listen"),
        (LEAST + '[api]\nnames = ["a", 1]\n', "api.names"),
        (LEAST + '[api]\nnames = "a"\n', "api.names"),
        (LEAST + "[api]\ncalls_count_max = 0\n", "api.calls_count_max"),
        (LEAST + "[api]\ncalls_count_max = true\n", "api.calls_count_max"),
        (LEAST + '[storage]\nengine = "redis"\n', "storage.engine"),
        (LEAST + "[blocks]\ntransactions_count_max = 5001\n", "blocks.transactions_count_max"),
        (LEAST + "[blocks]\nsize_bytes_max = 4000000\n", "blocks.size_bytes_max"),
        (LEAST + "[blocks]\nfreshness_interval_ms = 1\n", "blocks.freshness_interval_ms"),
        (LEAST + "[admission]\nqueue_bytes_max = 1048576\n", "admission.queue_bytes_max"),
        (LEAST + '[log]\nlevel = "loud"\n', "log.level"),
        (LEAST + '[testing]\ncrash_at = "somewhere"\n', "testing.crash_at"),
        (LEAST + "[testing]\nisolation = 1\n", "testing.isolation"),
        (LEAST + '[peers]\nlisten = "nowhere"\n', "peers.listen"),
        (LEAST + '[peers]\naddresses = ["127.0.0.1:1"]\n', "peers.addresses"),
        (LEAST + '[peers]\naddresses = ["n2=nowhere"]\n', "peers.addresses"),
        (LEAST + '[peers]\naddresses = ["n2=a:1", "n2=a:2"]\n', "peers.addresses"),
        (LEAST + "[consensus]\nelection_timeout_ms = 200\n", "consensus.election_timeout_ms"),
        ("node = 3\n", "node"),
    ],
)
def test_a_wrong_option_is_named(text: str, where: str) -> None:
    error = refusal(text)
    assert error.code == "CONFIG_INVALID"
    assert error.text.startswith(f"{where}: ")


@pytest.mark.parametrize("text", ["[node", "a = \x00", "#" * (CONFIG_SIZE_MAX + 1)])
def test_what_is_no_toml_is_refused(text: str) -> None:
    assert refusal(text).code == "CONFIG_MALFORMED"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeError) as caught:
        load_config(tmp_path)
    assert caught.value.code == "CONFIG_NOT_FOUND"
    assert "config.toml" in caught.value.text


def test_the_others_are_known_by_id() -> None:
    text = LEAST + '[peers]\naddresses = ["n2=a.example:1", "n3=[::1]:2"]\n'
    config = decode_config(text.encode(), HOME)
    assert config.peer_addresses == {"n2": ("a.example", 1), "n3": ("::1", 2)}
    assert config.peer_listen_address == ("127.0.0.1", 9701)


def test_addresses() -> None:
    assert split_address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert split_address("[::1]:0") == ("::1", 0)
    assert split_address("host.example:65535") == ("host.example", 65535)
