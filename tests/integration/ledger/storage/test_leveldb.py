# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.storage.errors import (
    CorruptionError,
    StorageError,
    StorageLockedError,
    StorageUnavailableError,
)
from ledger.storage.kv import WriteBatch
from ledger.storage.leveldb import LevelDBStore
from ledger.storage.memory import MemoryStore


def fill(store: LevelDBStore, count: int, *, size: int = 100, sync: bool = True) -> None:
    for n in range(count):
        batch = WriteBatch()
        batch.put(b"key%06d" % n, random.Random(n).randbytes(size))
        store.write(batch, sync=sync)


def test_equals_the_store_in_memory(tmp_path: Path) -> None:
    rng = random.Random(3)
    disk, memory = LevelDBStore(tmp_path / "db"), MemoryStore()
    for step in range(200):
        batch = WriteBatch()
        for _ in range(rng.randrange(5)):
            key = bytes((rng.randrange(50),))
            if rng.random() < 0.4:
                batch.delete(key)
            else:
                batch.put(key, rng.randbytes(3))
        for store in (disk, memory):
            store.write(batch, sync=step % 7 == 0)
        low, high = sorted((bytes((rng.randrange(50),)), bytes((rng.randrange(50),))))
        for reverse in (False, True):
            assert list(disk.iterate(low, high, reverse=reverse)) == list(
                memory.iterate(low, high, reverse=reverse)
            )
        keys = [bytes((n,)) for n in range(50)]
        assert disk.multi_get(keys) == memory.multi_get(keys)
    disk.close()
    disk.close()
    again = LevelDBStore(tmp_path / "db")
    assert list(again.iterate(b"", b"\xff")) == list(memory.iterate(b"", b"\xff"))
    again.close()


def test_a_second_process_is_told_that_the_store_is_in_use(tmp_path: Path) -> None:
    store = LevelDBStore(tmp_path / "db")
    fill(store, 1)
    with pytest.raises(StorageLockedError) as caught:
        LevelDBStore(tmp_path / "db")
    assert caught.value.code == "STORAGE_LOCKED"
    assert store.get(b"key000000") is not None
    store.close()


def test_a_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        LevelDBStore(tmp_path / "missing" / "db")
    assert caught.value.code == "STORAGE_IO"
    assert caught.value.remedy
    assert not (tmp_path / "missing").exists()


def test_without_plyvel_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plyvel", None)
    with pytest.raises(StorageUnavailableError) as caught:
        LevelDBStore(tmp_path / "db")
    assert caught.value.code == "STORAGE_UNAVAILABLE"
    assert "psetledger[node]" in caught.value.remedy
    assert caught.value.exit_code == 2
    assert not (tmp_path / "db").exists()


def test_importing_the_module_does_not_import_plyvel() -> None:
    program = "import sys, ledger.storage.leveldb; sys.exit('plyvel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def is_damage_noticed(directory: Path, expected: list[tuple[bytes, bytes]]) -> bool:
    """Open and read everything; whether damage was reported. False: all is as it was."""
    try:
        store = LevelDBStore(directory)
        try:
            found = list(store.iterate(b"", b"\xff"))
        finally:
            store.close()
    except CorruptionError:
        return True
    assert found == expected, "damage was served as data"
    return False


@pytest.mark.parametrize("suffix", ["log", "ldb"])
def test_a_flipped_bit_is_noticed(tmp_path: Path, suffix: str) -> None:
    directory = tmp_path / "db"
    store = LevelDBStore(directory)
    fill(store, 200, sync=False)
    expected = list(store.iterate(b"", b"\xff"))
    store.close()
    if suffix == "ldb":  # opening moves the write-ahead log into a table
        LevelDBStore(directory).close()
    [path] = [p for p in sorted(directory.glob(f"*.{suffix}")) if p.stat().st_size > 1000]
    original = path.read_bytes()
    rng = random.Random(4)
    noticed = 0
    for _ in range(12):
        for damaged in directory.iterdir():
            damaged.unlink()
        store = LevelDBStore(directory)
        fill(store, 200, sync=False)
        store.close()
        if suffix == "ldb":
            LevelDBStore(directory).close()
        [path] = [p for p in sorted(directory.glob(f"*.{suffix}")) if p.stat().st_size > 1000]
        data = bytearray(path.read_bytes())
        assert len(data) == len(original)
        # The payload: what lies behind it in a table is an index and a filter, which may be unused.
        data[rng.randrange(len(data) * 3 // 4)] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        noticed += is_damage_noticed(directory, expected)
    assert noticed == 12


def test_another_process_is_told_that_the_store_is_in_use(tmp_path: Path) -> None:
    store = LevelDBStore(tmp_path / "db")
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from ledger.storage.errors import StorageLockedError\n"
        "from ledger.storage.leveldb import LevelDBStore\n"
        "try:\n    LevelDBStore(Path(sys.argv[1]))\n"
        "except StorageLockedError:\n    sys.exit(7)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "db")]
    assert subprocess.run(command, check=False).returncode == 7
    store.close()
    assert subprocess.run(command, check=False).returncode == 0
