# SPDX-License-Identifier: Apache-2.0
"""Validators as real processes to which bad things happen, clients that write all the while, and what
must hold afterwards.

    with chaos_network(tmp_path, nodes=3) as network:
        with network.writing() as stream:
            stream.wait_for_more(10)
            killed = network.leader()
            network.kill(killed)
            stream.wait_for_more(10)
            network.start(killed)
        network.check(stream)

How nodes are is asked over the sockets in their homes: that works whatever became of network, clock
and certificates. What they hold is read through verifying clients that know one validator alone.

Long because what befalls a network and what must hold afterwards are told of one network.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from uuid import UUID

from ledger.api.admin_client import AdminClient, AdminClientError
from ledger.api.ports import AdminStatus
from ledger.model.certificate import quorum_size
from ledger.model.codec import decode
from ledger.model.genesis import Genesis
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Receipt as ModelReceipt
from ledger.node.dev_network import create_network
from ledger.node.process import NodeProcess, read_output, spawn_node
from sdk import aio_client
from sdk.background_loop import BackgroundLoop
from sdk.client import LedgerClient
from sdk.errors import UnavailableError
from sdk.networks import read_network, write_network
from sdk.operations import PublishResource
from sdk.proof_files import BlockProof, read_proof_file
from sdk.results import BlockSummary, Receipt
from sdk.signers import KeyStore
from tests.support.steady_writer import ATTEMPT, AUTHOR, CONTENT, SteadyWriter

SERVICE_SECONDS_MAX = 10.0
"""Service is back so soon after a quorum is."""
WAIT_SECONDS = 60.0
STATUS_SECONDS = 1.0
POLL_SECONDS = 0.02
WRITERS = 2
LOG_TAIL_LINES = 25

Statuses = dict[str, AdminStatus]
"""Of those that answer."""


class ChaosWriter(SteadyWriter):
    """A writer with names and trust of its own, that notes when it was answered."""

    def __init__(self, network: ChaosNetwork, view: Path, name: str) -> None:
        """`view` is a network directory that nobody else uses."""
        super().__init__(view)
        self._network = network
        self._view = view
        self.name = name
        self.answered_at: list[float] = []
        """Monotonic seconds, in step with `acknowledged`."""
        self.is_given_up = False
        self.repeated: list[str] = []
        """Names of the writes of which an attempt failed."""

    def connect(self, *, timeout: timedelta = ATTEMPT) -> LedgerClient:
        return self._network.connect(self._view, timeout=timeout)

    def repeat(
        self,
        client: LedgerClient,
        operation: PublishResource,
        key: bytes,
        *,
        seconds: float = 2 * WAIT_SECONDS,
    ) -> Receipt:
        """As there, until the test has failed elsewhere."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return super().repeat(client, operation, key, seconds=0)
            except UnavailableError:
                if self.is_given_up or time.monotonic() > deadline:
                    raise

    def write(self, client: LedgerClient) -> Receipt:
        name = f"{self.name}-{len(self.acknowledged)}"
        failed_before = self.attempts_failed
        began = time.monotonic()
        receipt = self.repeat(client, _operation(name), key_of(name))
        self.answered_at.append(time.monotonic())
        self.longest_s = max(self.longest_s, self.answered_at[-1] - began)
        self.acknowledged.append(receipt)
        if self.attempts_failed > failed_before:
            self.repeated.append(name)
        return receipt


class Stream:
    """What several writers write."""

    def __init__(self, writers: Sequence[ChaosWriter]) -> None:
        self.writers = writers
        self.completed: list[Receipt] = []
        """Of writes besides those of the writers."""

    @property
    def acknowledged(self) -> list[Receipt]:
        held = [receipt for writer in self.writers for receipt in writer.acknowledged]
        return held + self.completed

    def wait_for_more(self, count: int, *, seconds: float = WAIT_SECONDS) -> None:
        """Until each writer was acknowledged so many more."""
        for writer, wanted in [(w, len(w.acknowledged) + count) for w in self.writers]:
            writer.wait_for(wanted, seconds=seconds)

    def first_answer_after(self, moment: float) -> float:
        """Seconds from this moment to the next acknowledgement."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            later = [at for w in self.writers for at in w.answered_at[-1_000:] if at > moment]
            if later:
                return min(later) - moment
            assert time.monotonic() < deadline, "nothing was acknowledged any more"
            time.sleep(POLL_SECONDS)

    def longest_silence(self, since: float) -> float:
        """The longest time without any acknowledgement from this moment until now."""
        answers = sorted(at for w in self.writers for at in list(w.answered_at) if at > since)
        moments = [since, *answers, time.monotonic()]
        return max(after - before for before, after in itertools.pairwise(moments))


class ChaosNetwork:
    """A development network whose processes are started here."""

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 3,
        fault_model: str = "crash",
        certificate_scheme: str = "bls12381",
    ) -> None:
        self.directory = directory
        self.genesis: Genesis = create_network(
            directory, nodes=nodes, fault_model=fault_model, certificate_scheme=certificate_scheme
        )
        self.ids = tuple(f"n{number}" for number in range(1, nodes + 1))
        self.needed = quorum_size(nodes, fault_model)
        self._views_count = 0
        self._processes: dict[str, NodeProcess] = {}
        self._loop = BackgroundLoop()
        """Of all clients: gRPC's events of several loops in one process pass through each other."""

    # Processes ------------------------------------------------------------------------------------

    def home(self, validator: str) -> Path:
        return self.directory / validator

    def spawn(self, validator: str) -> NodeProcess:
        """Begin to start one; overridden by networks whose nodes live elsewhere."""
        return spawn_node(self.home(validator))

    def runs(self, validator: str) -> bool:
        """Whether its process is there; one that is paused is."""
        process = self._processes.get(validator)
        return process is not None and process.poll() is None

    def launch(self, *validators: str) -> None:
        """Start those of these that do not run; whether they come to answer is not waited for."""
        for validator in validators:
            if not self.runs(validator):
                self._processes[validator] = self.spawn(validator)

    def start(self, *validators: str) -> float:
        """Start these, or all, until a quorum of all answers, or all of these; when that was."""
        wanted = validators or self.ids
        self.launch(*wanted)

        def is_there(held: Statuses) -> bool:
            return len(held) >= self.needed or all(validator in held for validator in wanted)

        self.wait_for(is_there, what="that what was started answers")
        return time.monotonic()

    def returned(self, validator: str, *, seconds: float = WAIT_SECONDS) -> int:
        """Wait for the end of a process that was started here; its exit code."""
        return self._processes[validator].wait(seconds)

    def pid(self, validator: str) -> int:
        return self._processes[validator].pid

    def kill(self, *validators: str) -> float:
        """By SIGKILL, gone when this returns; when it was done."""
        for validator in validators:
            self._processes[validator].send_signal(signal.SIGKILL)
        moment = time.monotonic()
        for validator in validators:
            self._processes[validator].wait(WAIT_SECONDS)
        return moment

    def pause(self, validator: str) -> float:
        """SIGSTOP; when it was done."""
        self._processes[validator].send_signal(signal.SIGSTOP)
        return time.monotonic()

    def resume(self, validator: str) -> float:
        """SIGCONT; when it was done."""
        self._processes[validator].send_signal(signal.SIGCONT)
        return time.monotonic()

    def stop(self) -> None:
        """End whatever runs."""
        self.kill(*(validator for validator in self.ids if self.runs(validator)))

        async def nothing() -> None:
            pass

        self._loop.close(nothing)

    # How it is ------------------------------------------------------------------------------------

    def status(self, validator: str) -> AdminStatus | None:
        """How a validator sees itself; None when it does not say."""
        home = self.home(validator)
        if not self.runs(validator) or not (home / "admin.sock").exists():
            return None
        try:
            with AdminClient(home / "admin.sock", timeout_seconds=STATUS_SECONDS) as client:
                return client.get_status()
        except AdminClientError:
            return None

    def height(self, validator: str) -> int:
        """Of the newest block that it knows to be certified; it must answer."""
        status = self.status(validator)
        assert status is not None, f"{validator} does not answer"
        return status.height

    def statuses(self) -> Statuses:
        found = {validator: self.status(validator) for validator in self.ids}
        return {validator: status for validator, status in found.items() if status is not None}

    def wait_for(
        self,
        condition: Callable[[Statuses], bool],
        *,
        seconds: float = WAIT_SECONDS,
        what: str = "a state of the network",
    ) -> Statuses:
        """The first statuses for which this holds."""
        found: list[Statuses] = [{}]

        def holds() -> bool:
            found[0] = self.statuses()
            return condition(found[0])

        self._until(holds, what, seconds=seconds)
        return found[0]

    def leader(self, *, other_than: Collection[str] = ()) -> str:
        """Who leads by the word of the highest term among those who are not left out."""
        names: list[str] = []

        def is_known(held: Statuses) -> bool:
            asked = [status for name, status in held.items() if name not in other_than]
            knowing = [status for status in asked if status.leader]
            names[:] = [max(knowing, key=lambda status: status.term).leader] if knowing else []
            return bool(names) and names[0] not in other_than and names[0] in held

        self.wait_for(is_known, what=f"a leader other than {sorted(other_than)}")
        return names[0]

    def wait_until_all_vote(self, *, seconds: float = WAIT_SECONDS) -> Statuses:
        """Until every validator votes, knows one leader, and all are at one height."""

        def is_whole(held: Statuses) -> bool:
            rows = list(held.values())
            return (
                len(rows) == len(self.ids)
                and all(row.voting and row.behind == 0 for row in rows)
                and len({row.height for row in rows}) == len({row.leader for row in rows}) == 1
                and bool(rows[0].leader)
                and rows[0].height > 0
            )

        return self.wait_for(is_whole, seconds=seconds, what="that all vote at one height")

    def _until(
        self, condition: Callable[[], bool], what: str, *, seconds: float = WAIT_SECONDS
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"no {what} in {seconds} s\n{self.describe()}"
            time.sleep(POLL_SECONDS)

    def describe(self) -> str:
        """How the validators are, and the ends of their logs."""
        parts: list[str] = []
        for validator in self.ids:
            log = self.home(validator) / "logs" / "node.log"
            lines = log.read_text().splitlines()[-LOG_TAIL_LINES:] if log.exists() else []
            said = read_output(self.home(validator))
            parts.append("\n".join((f"{validator}: {self.status(validator)}", said, *lines)))
        return "\n".join(parts)

    # Clients --------------------------------------------------------------------------------------

    def view(self, *validators: str) -> Path:
        """A directory of this network that names these endpoints in this order, and trusts anew."""
        held = read_network(self.directory)
        endpoints = {endpoint.validator: endpoint for endpoint in held.endpoints}
        self._views_count += 1
        directory = self.directory / "views" / str(self._views_count)
        directory.mkdir(parents=True)
        write_network(
            directory,
            name=held.name,
            genesis=(self.directory / "genesis.json").read_bytes(),
            endpoints=[endpoints[validator] for validator in validators or self.ids],
        )
        (directory / "keys").symlink_to(held.key_directory.resolve())
        return directory

    def client(self, *validators: str, timeout: timedelta = ATTEMPT) -> LedgerClient:
        """A client that knows these validators and has seen nothing yet."""
        return self.connect(self.view(*validators), timeout=timeout)

    def connect(self, view: Path, *, timeout: timedelta) -> LedgerClient:
        """A client that signs for AUTHOR; its evidence and memory stay in the view."""
        signer = KeyStore(read_network(view).key_directory / AUTHOR).load("ledger")
        client = aio_client.LedgerClient.connect(
            view, org=AUTHOR, signer=signer, timeout=timeout, home=view / "home"
        )
        try:
            self._loop.run(client.open())
        except BaseException:
            self._loop.run(client.close())
            raise
        return LedgerClient(client, self._loop, owns_loop=False)

    @contextmanager
    def writing(self, count: int = WRITERS) -> Generator[Stream]:
        """So many clients write within the block; at its end the last write of each is answered."""
        writers: list[ChaosWriter] = []
        for number in range(count):
            # Each asks another validator first.
            order = self.ids[number % len(self.ids) :] + self.ids[: number % len(self.ids)]
            name = f"labels-{chr(ord('a') + number)}"
            writers.append(ChaosWriter(self, self.view(*order), name))
        with ExitStack() as stack:
            for writer in writers:
                stack.enter_context(writer.writing())
            try:
                yield Stream(writers)
            except BaseException as error:
                error.add_note(self.describe())
                self.kill(*(validator for validator in self.ids if self.runs(validator)))
                for writer in writers:
                    writer.is_given_up = True
                # What failed first is told, not that the writers failed after it.
                with suppress(Exception):
                    stack.close()
                raise

    def check_nothing_is_certified(self, stream: Stream, name: str = "pending") -> UnavailableError:
        """What a client is told that asks for a write of this name; nobody certifies anything."""
        # Votes that were under way when the others went may still have certified a block.
        settled = self.wait_for(
            lambda held: bool(held) and all(not row.leader for row in held.values()),
            what="that nobody knows a leader any more",
        )
        before = {validator: status.height for validator, status in settled.items()}
        with self.client(timeout=timedelta(seconds=3)) as client:
            try:
                client.submit(_operation(name), idempotency_key=key_of(name))
            except UnavailableError as error:
                told = error
            else:
                raise AssertionError("a write was certified without a quorum")
            assert client.transaction(key_of(name)).state != "applied"
        say(f"without a quorum: {told.code} ({told.phase}): {told.text}")
        newest = max(receipt.height for receipt in stream.acknowledged)
        assert newest <= max(before.values()), "acknowledged without a quorum"
        after = {validator: status.height for validator, status in self.statuses().items()}
        assert max(after.values()) == max(before.values()), "certified without a quorum"
        return told

    def check_no_quorum(self, stream: Stream, *, answering: int) -> None:
        """Nothing is certified, and clients are told in words that too few answer."""
        told = self.check_nothing_is_certified(stream)
        verb = "answers" if answering == 1 else "answer"
        words = (
            f"no quorum: {answering} of {len(self.ids)} validators {verb}, {self.needed} are needed"
        )
        assert told.code == "NO_QUORUM", (told.code, told.text)
        assert words in told.text, told.text

    def try_write(self, client: LedgerClient, name: str) -> str:
        """`applied`, or `unavailable` when no answer came in the client's time."""
        try:
            receipt = client.submit(_operation(name), idempotency_key=key_of(name))
        except UnavailableError:
            return "unavailable"
        return "applied" if receipt.applied else receipt.name

    def complete(self, stream: Stream, name: str = "pending") -> None:
        """The write that was asked for before is certified, once, however often it is asked for."""
        writer = stream.writers[0]
        with self.client() as client:
            receipt = writer.repeat(client, _operation(name), key_of(name))
            again = client.submit(_operation(name), idempotency_key=key_of(name))
            assert again.transaction_id == receipt.transaction_id
            assert client.resource(name).value.version == "1"
        stream.completed.append(receipt)

    # Between validators ---------------------------------------------------------------------------

    def cut_off(self, *validators: str) -> float:
        """Let these and the others not reach each other any more; when that was."""
        others = [validator for validator in self.ids if validator not in validators]
        for side, away in ((validators, others), (others, validators)):
            for validator in side:
                with self.administration(validator) as client:
                    client.isolate(list(away))
        return time.monotonic()

    def heal(self) -> float:
        """Take back what was cut off; when that was."""
        for validator in self.ids:
            with self.administration(validator) as client:
                client.heal()
        return time.monotonic()

    def lead(self, validator: str) -> None:
        """Hand the lead to this one."""

        def leads(held: Statuses) -> bool:
            leader = next((name for name, row in held.items() if row.role == "leader"), "")
            if leader and leader != validator:
                with suppress(AdminClientError), self.administration(leader) as client:
                    client.transfer_leadership(validator)
            return leader == validator

        self.wait_for(leads, what=f"that {validator} leads")

    def administration(self, validator: str) -> AdminClient:
        """A connection to the socket in its home."""
        return AdminClient(self.home(validator) / "admin.sock")

    # What must hold -------------------------------------------------------------------------------

    def check(self, stream: Stream, *, seconds: float = WAIT_SECONDS) -> dict[int, BlockSummary]:
        """Nothing acknowledged is lost, nothing happened twice, all hold one chain and one state.

        Read from each validator alone, by a client that trusts nothing but the genesis. Returns
        the chain.
        """
        statuses = self.wait_until_all_vote(seconds=seconds)
        height = min(status.height for status in statuses.values())
        chains = {validator: self.read_chain(validator, height) for validator in self.ids}
        chain = chains[self.ids[0]]
        for validator, other in chains.items():
            for at, block in chain.items():
                ours = (block.block_hash, block.state_root, block.receipts_root, block.log_root)
                found = other[at]
                theirs = (found.block_hash, found.state_root, found.receipts_root, found.log_root)
                assert ours == theirs, f"{validator} holds another block {at}"
        assert len({chains[validator][height].state_root for validator in self.ids}) == 1
        check_chain(chain, stream)
        say(
            f"checked {len(stream.acknowledged)} acknowledged writes in {height} blocks on"
            f" {len(self.ids)} validators; repeated {sum(len(w.repeated) for w in stream.writers)}"
        )
        return chain

    def read_chain(self, validator: str, height: int) -> dict[int, BlockSummary]:
        """Every certified block that one validator serves, verified."""
        with self.client(validator) as client:
            return {at: client.block(at) for at in range(1, height + 1)}


def check_chain(chain: dict[int, BlockSummary], stream: Stream) -> None:
    """Every acknowledged write is where its proof says, and nothing else was applied, nor twice."""
    places: dict[str, tuple[int, int]] = {}
    applied: set[str] = set()
    for height, block in chain.items():
        assert height == 1 or block.parent_hash == chain[height - 1].block_hash
        assert height == 1 or block.time > chain[height - 1].time
        held = read_proof_file(block.proof)
        assert isinstance(held, BlockProof)
        for index, (transaction_id, encoded) in enumerate(
            zip(block.transactions, held.receipts, strict=True)
        ):
            assert transaction_id not in places, f"{transaction_id} is in two blocks"
            places[transaction_id] = (height, index)
            receipt = decode(ModelReceipt, encoded)
            # Who asks again for what was done, in another transaction, gets the first one's receipt.
            if (
                receipt.code == ReceiptCode.APPLIED
                and receipt.transaction_id.hex() == transaction_id
            ):
                applied.add(transaction_id)
    for acknowledged in stream.acknowledged:
        assert acknowledged.applied
        found = places.get(acknowledged.transaction_id)
        promised = (acknowledged.height, acknowledged.index)
        assert found == promised, f"lost: {acknowledged}, found at {found}"
    ids = [acknowledged.transaction_id for acknowledged in stream.acknowledged]
    assert ids
    assert len(ids) == len(set(ids))
    assert applied == set(ids), f"applied, not acknowledged: {sorted(applied - set(ids))}"


def _operation(name: str) -> PublishResource:
    """The same operation for the same name, its id too."""
    resource_id = UUID(bytes=key_of(name), version=4)
    return PublishResource(name, "DisplayBundle", CONTENT, resource_id=resource_id)


def key_of(name: str) -> bytes:
    """The idempotency key of a write."""
    return sha256(name.encode()).digest()[:16]


@contextmanager
def chaos_network(directory: Path, **options: object) -> Generator[ChaosNetwork]:
    """A network of which all vote; its processes end with the block. Options: `ChaosNetwork`."""
    network = ChaosNetwork(directory / "net", **options)  # type: ignore[arg-type]
    with running(network):
        yield network


@contextmanager
def running(network: ChaosNetwork) -> Generator[None]:
    """Start all; end all, whatever happened."""
    try:
        network.start()
        network.wait_until_all_vote()
        yield
    except BaseException as error:
        error.add_note(network.describe())
        raise
    finally:
        network.stop()


def say(text: str) -> None:
    """What was measured, for who reads the output of a run."""
    print(text)  # noqa: T201


def seeded(seed: int) -> Random:
    """Randomness that can be had again; the seed is printed."""
    say(f"seed {seed}")
    return Random(seed)
