# SPDX-License-Identifier: Apache-2.0
"""The node's configuration: `config.toml` in its home, validated whole before anything is opened.

Every option has a default but the validator's id and the genesis file. A file written by
`encode_config` lists the others commented out, with their defaults.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from ledger.model.identifiers import is_validator_id
from ledger.model.limits import BLOCK_TRANSACTIONS_COUNT_MAX
from ledger.node.errors import NodeError, usage_error
from ledger.node.failpoints import FAILPOINTS_BY_NAME

CONFIG_FILE: Final = "config.toml"
CONFIG_SIZE_MAX: Final = 64 * 1024

STORAGE_ENGINES: Final = ("leveldb", "memory")
LOG_FORMATS: Final = ("text", "json")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")

_BLOCK_SIZE_LIMIT: Final = 3 * 1024 * 1024
"""A block with certificate and envelope stays below what one message may have."""


def _option(default: Any, text: str, *, low: int = 0, high: int = 0, choices: Any = ()) -> Any:
    """An option: its default, what it means, and what is allowed."""
    metadata = {"text": text, "low": low, "high": high, "choices": choices}
    if default is None:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Who the node is."""

    id: str = _option(None, "The validator's id in the genesis document.")
    genesis: str = _option(None, "The genesis document; a relative path starts at this file.")


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """The listener for clients."""

    listen: str = _option("127.0.0.1:9700", "Address and port for clients.")
    names: tuple[str, ...] = _option(
        (), "Host names and addresses, besides the id and the local ones, in the TLS certificate."
    )
    connections_count_max: int = _option(
        1000, "Connections at once; more are closed at once.", low=1, high=100_000
    )
    calls_count_max: int = _option(
        2000, "Calls served at once; more are refused.", low=1, high=100_000
    )
    calls_per_host_max: int = _option(
        1000, "Calls served at once from one address; more are refused.", low=1, high=100_000
    )
    streams_count_max: int = _option(
        1000, "Calls at once over one connection; more wait.", low=1, high=100_000
    )
    reflection: bool = _option(
        True, "Tell clients which services there are and what their messages look like."
    )
    stop_grace_ms: int = _option(
        5000, "How long calls may take to end when the node stops.", low=0, high=600_000
    )


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """The listener for other validators, and where they listen."""

    listen: str = _option("127.0.0.1:9701", "Address and port for other validators.")
    addresses: tuple[str, ...] = _option(
        (), 'Where the others listen, as "id=host:port"; not needed for a network of one.'
    )
    queue_count_max: int = _option(
        4096, "Messages that wait for one validator; more are dropped.", low=16, high=1_000_000
    )
    queue_bytes_max: int = _option(
        32 * 1024 * 1024, "Bytes of those messages.", low=8 * 1024 * 1024, high=2**33
    )


@dataclass(frozen=True, slots=True)
class ConsensusOptions:
    """How validators agree on one order."""

    election_timeout_ms: int = _option(
        1000,
        "A validator that hears nothing from the leader for so long, or up to twice that, stands for"
        " election. At least several round trips and disk flushes.",
        low=100,
        high=600_000,
    )
    heartbeat_interval_ms: int = _option(
        100, "How often a leader says that it is there.", low=10, high=60_000
    )
    log_entries_kept: int = _option(
        64,
        "Log entries of certified blocks that stay for validators that lag; who lags more fetches"
        " certified blocks.",
        low=1,
        high=100_000,
    )
    halt_after_ms: int = _option(
        600_000,
        "When no block has been certified for so long, the validator publishes a signed report.",
        low=1000,
        high=86_400_000,
    )


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """Where blocks and state are kept."""

    engine: str = _option(
        "leveldb", "leveldb, or memory: gone when the node stops.", choices=STORAGE_ENGINES
    )
    directory: str = _option("data", "Data directory; a relative path starts at this file.")


@dataclass(frozen=True, slots=True)
class BlockOptions:
    """When a block is made, and how large."""

    transactions_count_max: int = _option(
        1000, "Transactions in one block.", low=1, high=BLOCK_TRANSACTIONS_COUNT_MAX
    )
    size_bytes_max: int = _option(
        2 * 1024 * 1024,
        "Bytes of transactions in one block.",
        low=512 * 1024,
        high=_BLOCK_SIZE_LIMIT,
    )
    linger_ms: int = _option(
        25, "How long a block waits for transactions that are being checked.", low=0, high=10_000
    )
    freshness_interval_ms: int = _option(
        60_000, "An idle network certifies an empty block this often.", low=100, high=86_400_000
    )
    gap_hours_max: int = _option(
        6,
        "A node that starts so long after the newest block makes none until the operator has checked"
        " the clock: a block's time never goes back.",
        low=1,
        high=876_000,
    )
    clock_checked_height: int = _option(
        0,
        "Height of the newest block when the operator found the clock right: the node then starts"
        " however long ago that block was. No other block is meant, so it may stay.",
        low=0,
        high=2**62,
    )


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """What may wait for a block."""

    queue_count_max: int = _option(
        10_000, "Transactions that wait; more are refused.", low=1, high=1_000_000
    )
    queue_bytes_max: int = _option(
        64 * 1024 * 1024, "Bytes of transactions that wait.", low=1024 * 1024, high=2**33
    )
    author_count_max: int = _option(
        5000, "Transactions of one author that wait; more are refused.", low=1, high=1_000_000
    )
    author_bytes_max: int = _option(
        32 * 1024 * 1024, "Bytes of those of one author.", low=1024 * 1024, high=2**33
    )
    checks_count_max: int = _option(
        4000, "Transactions whose signatures wait to be checked.", low=1, high=1_000_000
    )
    threads: int = _option(
        1, "Threads that check transactions; the interpreter runs one at a time.", low=1, high=64
    )


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is written to `logs/node.log`."""

    level: str = _option("info", "debug, info, warning or error.", choices=LOG_LEVELS)
    format: str = _option("text", "text (key=value) or json.", choices=LOG_FORMATS)


@dataclass(frozen=True, slots=True)
class TestingOptions:
    """For tests and development networks only: faults on demand."""

    __test__ = False

    crash_at: str = _option("", "Name of a failpoint.", choices=("", *FAILPOINTS_BY_NAME))
    crash_height: int = _option(0, "Height at which it does.", low=0, high=2**62)
    isolation: bool = _option(
        False,
        "The local administration may cut this validator off from others.",
    )


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """All options, valid."""

    home: Path
    """The directory of the file; keys and logs are in it."""
    node: NodeOptions
    api: ApiOptions = field(default_factory=ApiOptions)
    peers: PeerOptions = field(default_factory=PeerOptions)
    consensus: ConsensusOptions = field(default_factory=ConsensusOptions)
    storage: StorageOptions = field(default_factory=StorageOptions)
    blocks: BlockOptions = field(default_factory=BlockOptions)
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    log: LogOptions = field(default_factory=LogOptions)
    testing: TestingOptions = field(default_factory=TestingOptions)

    @property
    def genesis_path(self) -> Path:
        return self.home / self.node.genesis

    @property
    def data_path(self) -> Path:
        return self.home / self.storage.directory

    @property
    def listen_address(self) -> tuple[str, int]:
        """Host and port of the listener; port 0 lets the system choose."""
        return split_address(self.api.listen)

    @property
    def peer_listen_address(self) -> tuple[str, int]:
        """Host and port of the listener for other validators; port 0 lets the system choose."""
        return split_address(self.peers.listen, "peers.listen")

    @property
    def peer_addresses(self) -> dict[str, tuple[str, int]]:
        """Host and port of the others by validator id."""
        found: dict[str, tuple[str, int]] = {}
        for item in self.peers.addresses:
            validator_id, separator, address = item.partition("=")
            if not separator or not is_validator_id(validator_id) or validator_id in found:
                raise _invalid("peers.addresses", f"{item!r} is not one id=host:port for each id")
            found[validator_id] = split_address(address, "peers.addresses")
        return found


_TABLES: Final[dict[str, type[Any]]] = {
    "node": NodeOptions,
    "api": ApiOptions,
    "peers": PeerOptions,
    "consensus": ConsensusOptions,
    "storage": StorageOptions,
    "blocks": BlockOptions,
    "admission": AdmissionOptions,
    "log": LogOptions,
    "testing": TestingOptions,
}


def load_config(home: Path) -> NodeConfig:
    """Read and validate `config.toml` of a node's home.

    Raises NodeError: CONFIG_NOT_FOUND, CONFIG_MALFORMED, CONFIG_INVALID (naming the option).
    """
    path = home / CONFIG_FILE
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_SIZE_MAX + 1)
    except OSError as error:
        raise usage_error(
            "CONFIG_NOT_FOUND",
            f"{path}: {error.strerror}",
            "Give the node's home with --dir, or make one.",
        ) from None
    return decode_config(data, home)


def decode_config(data: bytes, home: Path) -> NodeConfig:
    """Validate the bytes of a configuration. Raises NodeError as `load_config`."""
    try:
        if len(data) > CONFIG_SIZE_MAX:
            raise ValueError(f"longer than {CONFIG_SIZE_MAX} bytes")
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise usage_error(
            "CONFIG_MALFORMED", f"{home / CONFIG_FILE}: {error}", "Write it in TOML."
        ) from None
    unknown = sorted(document.keys() - _TABLES.keys())
    if unknown:
        raise _invalid(unknown[0], f"no such table; known are {', '.join(_TABLES)}")
    tables = {
        name: _decode_table(name, cls, document.get(name, {})) for name, cls in _TABLES.items()
    }
    config = NodeConfig(home=home, **tables)
    if not is_validator_id(config.node.id):
        raise _invalid("node.id", "1 to 32 of a-z, 0-9 and hyphen are expected")
    split_address(config.api.listen)
    split_address(config.peers.listen, "peers.listen")
    _ = config.peer_addresses  # raises
    if config.consensus.election_timeout_ms < 3 * config.consensus.heartbeat_interval_ms:
        raise _invalid(
            "consensus.election_timeout_ms", "less than three times consensus.heartbeat_interval_ms"
        )
    if config.admission.queue_bytes_max < config.blocks.size_bytes_max:
        raise _invalid("admission.queue_bytes_max", "less than one block")
    return config


def encode_config(node: NodeOptions, **tables: Any) -> str:
    """The text of a configuration: what differs from the defaults, the rest commented out.

    `tables` are option objects by table name. The `[testing]` table appears only when it is used.
    """
    lines = ["# A psetledger node. Commented options have their defaults.", ""]
    for name, cls in _TABLES.items():
        options = node if name == "node" else tables.get(name)
        if name == "testing" and options is None:
            continue
        lines.append(f"[{name}]")
        for option in dataclasses.fields(cls):
            value = option.default if options is None else getattr(options, option.name)
            lines.append(f"# {option.metadata['text']}")
            mark = "# " if value == option.default else ""
            lines.append(f"{mark}{option.name} = {_encode_value(value)}")
        lines.append("")
    return "\n".join(lines)


def split_address(address: str, option: str = "api.listen") -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`. Raises NodeError (CONFIG_INVALID) that names the
    option.
    """
    host, separator, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise _invalid(option, f"{address!r} is no address and port")
    return host, int(port)


def _decode_table(name: str, cls: type[Any], value: object) -> Any:
    if not isinstance(value, dict):
        raise _invalid(name, "a table is expected")
    table = cast("dict[str, object]", value)
    options = {option.name: option for option in dataclasses.fields(cls)}
    unknown = sorted(table.keys() - options.keys())
    if unknown:
        raise _invalid(f"{name}.{unknown[0]}", f"no such option; known are {', '.join(options)}")
    values: dict[str, object] = {}
    for option in options.values():
        where = f"{name}.{option.name}"
        if option.name not in table:
            if option.default is dataclasses.MISSING:
                raise _invalid(where, "the option has no default: give it")
            continue
        values[option.name] = _check_value(where, option, table[option.name])
    return cls(**values)


def _check_value(where: str, option: dataclasses.Field[Any], value: object) -> object:
    metadata = option.metadata
    if isinstance(option.default, tuple):
        texts = cast("list[object]", value) if isinstance(value, list) else []
        if not isinstance(value, list) or not all(isinstance(text, str) and text for text in texts):
            raise _invalid(where, "a list of texts is expected")
        return tuple(texts)
    if isinstance(option.default, bool):
        if not isinstance(value, bool):
            raise _invalid(where, "true or false is expected")
        return value
    if isinstance(option.default, int):
        if type(value) is not int or not metadata["low"] <= value <= metadata["high"]:
            raise _invalid(
                where, f"a number from {metadata['low']} to {metadata['high']} is expected"
            )
        return value
    if not isinstance(value, str):
        raise _invalid(where, "a text is expected")
    if metadata["choices"] and value not in metadata["choices"]:
        raise _invalid(where, f"one of {', '.join(filter(None, metadata['choices']))} is expected")
    return value


def _encode_value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_encode_value(item) for item in cast('tuple[object, ...]', value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    # A JSON text is a basic string of TOML.
    return json.dumps(value, ensure_ascii=False)


def _invalid(where: str, text: str) -> NodeError:
    return usage_error("CONFIG_INVALID", f"{where}: {text}", "Mend the option in config.toml.")
