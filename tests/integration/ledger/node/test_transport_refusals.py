# SPDX-License-Identifier: Apache-2.0
"""Who is not let in, named by attack; each refusal leaves the transport as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.model.block import Validator
from ledger.node.tls import LeafIssuer
from ledger.node.transport import server as server_module
from ledger.node.transport.codec import FRAME_SIZE_MAX, PEER_VERSION, encode_frame, encode_message
from ledger.node.transport.server import OPENING_COUNT_MAX
from tests.support.peer_world import (
    CHAIN_ID,
    Ended,
    World,
    ended,
    hello,
    make_issuer,
    make_validator,
    raw_stream,
    tls_key,
    vote,
    wall_time_ms,
    world,
    write,
)

N1, N2, N3 = (make_validator(name) for name in ("n1", "n2", "n3"))
VOTE_FRAME = encode_frame([encode_message(vote(1))])


def run(scenario: Callable[[World, int], Awaitable[None]]) -> None:
    """n1 listens; n2 and n3 are validators too. Afterwards n1 still hears an honest n2."""

    async def main() -> None:
        async with world("n1", "n2", "n3") as made:
            transport = await made.start("n1")
            await scenario(made, transport.port)
            recorder = made.recorders["n1"]
            recorder.received.clear()
            async with raw_stream(transport.port, N1, make_issuer(N2)) as call:
                await write(call, hello("n2"), VOTE_FRAME)
                await recorder.until_received("n2", [vote(1)])

    asyncio.run(main())


async def attempt(
    made: World,
    port: int,
    issuer: LeafIssuer | None,
    *frames: bytes,
    leaf: tuple[bytes, bytes] | None = None,
) -> Ended:
    """How a stream with these frames ends; a vote that follows them does not reach the node."""
    async with raw_stream(port, N1, issuer, leaf=leaf) as call:
        await write(call, *frames, VOTE_FRAME)
        assert (await ended(call)).code is not grpc.StatusCode.OK
    # A write over a stream that has just ended hides from the client how it ended: once more without.
    async with raw_stream(port, N1, issuer, leaf=leaf) as call:
        await write(call, *frames)
        end = await ended(call)
    assert made.recorders["n1"].received == []
    return end


def test_a_stranger_fails_at_the_handshake() -> None:
    async def scenario(made: World, port: int) -> None:
        stranger = make_validator("n4")
        end = await attempt(made, port, make_issuer(stranger), hello("n2"))
        assert end.code is grpc.StatusCode.UNAVAILABLE
        end = await attempt(made, port, None, hello("n2"))
        assert end.code is grpc.StatusCode.UNAVAILABLE

    run(scenario)


def test_a_strangers_ca_of_the_same_name_fails_at_the_handshake() -> None:
    async def scenario(made: World, port: int) -> None:
        forged = make_validator("n2", key="stranger")
        issuer = make_issuer(forged, key="stranger")
        end = await attempt(made, port, issuer, hello("n2"))
        assert end.code is grpc.StatusCode.UNAVAILABLE

    run(scenario)


def test_a_validators_leaf_in_anothers_name_is_that_validators() -> None:
    """n3 signs a leaf that says n2 in every name: whose key signed it decides."""

    async def scenario(made: World, port: int) -> None:
        issuer = make_issuer(N3, named="n2")
        end = await attempt(made, port, issuer, hello("n2"))
        assert end == Ended(grpc.StatusCode.PERMISSION_DENIED, "the certificate is not that of n2")

    run(scenario)


def make_forged_leaf(key: str, model: LeafIssuer) -> tuple[bytes, bytes]:
    """A leaf that says all that one of `model` says, signed by another validator's key."""
    template = x509.load_pem_x509_certificate(model.current().certificate_chain)
    secret = int.from_bytes(tls_key(key).secret, "big")
    own = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(template.subject)
        .issuer_name(template.issuer)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(template.not_valid_before_utc)
        .not_valid_after(template.not_valid_after_utc)
    )
    for extension in template.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    leaf = builder.sign(ec.derive_private_key(secret, ec.SECP256R1()), hashes.SHA256())
    pem = serialization.Encoding.PEM
    return own.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ), leaf.public_bytes(pem)


def test_a_leaf_that_names_anothers_ca_fails_at_the_handshake() -> None:
    async def scenario(made: World, port: int) -> None:
        leaf = make_forged_leaf("n3", make_issuer(N2))
        end = await attempt(made, port, None, hello("n2"), leaf=leaf)
        assert end.code is grpc.StatusCode.UNAVAILABLE
        # With its own CA's name it gets as far as the hello, so it was the signature before.
        leaf = make_forged_leaf("n3", make_issuer(N3, named="n2"))
        end = await attempt(made, port, None, hello("n2"), leaf=leaf)
        assert end.code is grpc.StatusCode.PERMISSION_DENIED

    run(scenario)


def test_a_copied_record_takes_nobodys_place() -> None:
    """n3 registers n2's certificate as its own: n2 remains n2, and n3 has no key for it."""

    async def scenario(made: World, port: int) -> None:
        made.validators[2] = replace(N3, tls_certificate=N2.tls_certificate)
        end = await attempt(made, port, make_issuer(N3), hello("n2"))
        assert end.code is grpc.StatusCode.UNAVAILABLE
        end = await attempt(made, port, make_issuer(N2), hello("n1"))
        assert end.code is grpc.StatusCode.PERMISSION_DENIED

    run(scenario)


def test_the_sender_in_the_hello_is_the_certificates() -> None:
    async def scenario(made: World, port: int) -> None:
        for sender in ("n3", "n1", "", "nobody"):
            end = await attempt(made, port, make_issuer(N2), hello(sender))
            assert end == Ended(
                grpc.StatusCode.PERMISSION_DENIED, f"the certificate is not that of {sender}"
            )
        # A validator does not talk to itself over the network.
        async with raw_stream(port, N1, make_issuer(N1)) as call:
            assert (await ended(call)).code is grpc.StatusCode.UNAUTHENTICATED

    run(scenario)


def test_another_chain_or_version_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(made: World, port: int) -> None:
        issuer = make_issuer(N2)
        for _ in range(3):
            end = await attempt(made, port, issuer, hello("n2", chain_id="test:f"))
            assert end == Ended(
                grpc.StatusCode.FAILED_PRECONDITION, f"chain test:f; n1 is of {CHAIN_ID}"
            )
        other = PEER_VERSION + 1
        end = await attempt(made, port, issuer, hello("n2", version=other))
        assert end == Ended(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"version {other} of messages between validators; n1 speaks {PEER_VERSION}",
        )

    run(scenario)
    refusals = [record.getMessage() for record in caplog.records if "refused" in record.message]
    assert len([text for text in refusals if "chain" in text]) == 1, "logged once"


def test_a_link_to_another_chain_is_not_connected() -> None:
    async def main() -> None:
        async with world("n1", "n2") as made:
            await made.start("n1")
            await made.start("n2", chain_id="test:f")
            made.introduce()
            for name, other in (("n1", "n2"), ("n2", "n1")):
                recorder = made.recorders[name]
                await recorder.until_lost(other)
                assert not made.transports[name].is_connected(other)
                assert recorder.connections == []

    asyncio.run(main())


def test_a_link_goes_only_to_whom_it_is_meant_for() -> None:
    """n3 listens where n2 should, with a leaf in n2's name."""

    async def main() -> None:
        async with world("n1", "n2", "n3") as made:
            await made.start("n1")
            await made.start("n3", issuer=make_issuer(N3, named="n2"))
            made.transports["n1"].set_addresses({"n2": ("127.0.0.1", made.transports["n3"].port)})
            made.transports["n1"].send("n2", vote(1))
            await made.recorders["n1"].until_lost("n2")
            assert made.recorders["n3"].received == []
            assert made.recorders["n1"].connections == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b"\xff\xff"], id="noise instead of a hello"),
        pytest.param([b""], id="nothing instead of a hello"),
        pytest.param([VOTE_FRAME], id="a vote instead of a hello"),
        pytest.param([hello("n2"), b"\xff\xff"], id="noise"),
        pytest.param([hello("n2"), hello("n2")], id="a second hello"),
        pytest.param([hello("n2"), encode_frame([b"\xff"])], id="a message that is none"),
        pytest.param([hello("n2"), encode_frame([b""] * 257)], id="too many messages"),
    ],
)
def test_a_malformed_frame_ends_the_stream(frames: list[bytes]) -> None:
    async def scenario(made: World, port: int) -> None:
        end = await attempt(made, port, make_issuer(N2), *frames)
        assert end.code is grpc.StatusCode.INVALID_ARGUMENT
        assert made.transports["n1"].traffic()["n2"].malformed_count == 2

    run(scenario)


def test_an_oversize_frame_ends_the_stream() -> None:
    async def scenario(made: World, port: int) -> None:
        frame = bytes(FRAME_SIZE_MAX + 1)
        end = await attempt(made, port, make_issuer(N2), hello("n2"), frame)
        assert end.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert made.transports["n1"].traffic()["n2"].received_frames_count == 0

    run(scenario)


def test_a_stream_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HELLO_MS_MAX", 50)

    async def scenario(made: World, port: int) -> None:
        async with raw_stream(port, N1, make_issuer(N2)) as call:
            assert await ended(call) == Ended(
                grpc.StatusCode.DEADLINE_EXCEEDED, "no hello within 50 ms"
            )
        monkeypatch.setattr(server_module, "HELLO_MS_MAX", 20_000)

    run(scenario)


def test_streams_without_a_hello_are_few() -> None:
    async def scenario(made: World, port: int) -> None:
        silent = [raw_stream(port, N1, make_issuer(N2)) for _ in range(OPENING_COUNT_MAX + 1)]
        calls: list[Any] = [await stream.__aenter__() for stream in silent]
        ends = [asyncio.ensure_future(ended(call)) for call in calls]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert [end.result().code for end in done] == [grpc.StatusCode.RESOURCE_EXHAUSTED]
        async with raw_stream(port, N1, make_issuer(N3)) as call:
            await write(call, hello("n3"), VOTE_FRAME)
            await made.recorders["n1"].until_received("n3", [vote(1)])
        for stream in silent:
            await stream.__aexit__(None, None, None)
        await asyncio.gather(*ends, return_exceptions=True)

    async def patient(made: World, port: int) -> None:
        await scenario(made, port)
        # The places are free again once the streams are gone.
        recorder = made.recorders["n1"]
        while True:
            async with raw_stream(port, N1, make_issuer(N2)) as call:
                await write(call, hello("n2"), VOTE_FRAME)
                if await call.initial_metadata():
                    await recorder.until_received("n2", [vote(1)])
                    return

    run(patient)


def test_a_newer_stream_ends_the_older() -> None:
    async def scenario(made: World, port: int) -> None:
        async with raw_stream(port, N1, make_issuer(N2)) as old:
            await write(old, hello("n2"), VOTE_FRAME)
            await made.recorders["n1"].until_received("n2", [vote(1)])
            async with raw_stream(port, N1, make_issuer(N2)) as new:
                await write(new, hello("n2"))
                assert await ended(old) == Ended(
                    grpc.StatusCode.ABORTED, "the validator opened a newer stream"
                )
                await write(new, VOTE_FRAME)
                await made.recorders["n1"].until_received("n2", [vote(1), vote(1)])
                assert made.transports["n1"].traffic()["n2"].is_heard

    run(scenario)


def test_who_is_no_validator_any_more_is_heard_no_more() -> None:
    async def scenario(made: World, port: int) -> None:
        members = made.validators
        async with raw_stream(port, N1, make_issuer(N2)) as call:
            await write(call, hello("n2"), VOTE_FRAME)
            await made.recorders["n1"].until_received("n2", [vote(1)])
            made.validators = [v for v in members if v.id != "n2"]
            await write(call, VOTE_FRAME)
            assert (await ended(call)).code is grpc.StatusCode.UNAUTHENTICATED
        made.recorders["n1"].received.clear()
        end = await attempt(made, port, make_issuer(N2), hello("n2"))
        assert end.code is grpc.StatusCode.UNAVAILABLE, "at the handshake"
        # Who became one meanwhile is let in.
        newcomer: Validator = make_validator("n4")
        made.validators = [*members, newcomer]
        async with raw_stream(port, N1, make_issuer(newcomer)) as call:
            await write(call, hello("n4"), VOTE_FRAME)
            await made.recorders["n1"].until_received("n4", [vote(1)])

    run(scenario)


def test_an_expired_leaf_is_refused() -> None:
    async def scenario(made: World, port: int) -> None:
        year_ms = 365 * 24 * 3600 * 1000
        issuer = make_issuer(N2, time_ms=lambda: wall_time_ms() - year_ms)
        end = await attempt(made, port, issuer, hello("n2"))
        assert end.code is grpc.StatusCode.UNAVAILABLE

    run(scenario)
