# SPDX-License-Identifier: Apache-2.0
"""Attacks on the path from the validators of genesis to those of today, each by its name.

An honest path is accepted in every test; what is refused leaves what was trusted as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.model import trust_path, verification
from ledger.model.block import BlockHeader, ValidatorSet
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_validators_hash
from ledger.model.limits import (
    TRUST_PATH_COUNT_MAX,
    TRUST_STEP_SIZE_MAX,
    TRUSTED_SETS_COUNT_MAX,
    VALIDATOR_SET_SIZE_MAX,
    VALIDATORS_COUNT_MAX,
)
from ledger.model.proofs import CertifiedHead, TrustStep
from ledger.model.trust_path import decode_trust_step, extend_trust
from ledger.model.verification import ProofError, TrustRoot, verify_head
from ledger.model.wire import EncodingError
from tests.support.certified_chain import CHAIN_ID, CertifiedChain, make_validators, sign_head

OLD = ("n1", "n2", "n3", "n4")
NEW = ("n2", "n3", "n4", "n5")
NEWEST = ("n3", "n4", "n5", "n6")


def make_chain(chain_id: str = CHAIN_ID) -> CertifiedChain:
    """Heights 1..2 of OLD, named at 2: 3..4 of NEW, named at 4: 5..6 of NEWEST."""
    chain = CertifiedChain(OLD, chain_id)
    chain.add_block()
    chain.change_validators(NEW)
    chain.add_block()
    chain.change_validators(NEWEST)
    chain.add_block()
    chain.add_block()
    return chain


@pytest.fixture
def chain() -> CertifiedChain:
    return make_chain()


def refuse(
    chain: CertifiedChain, steps: Sequence[TrustStep], trust: TrustRoot | None = None
) -> str:
    """The code of a path that is refused; the trust root stays what it was, and takes the true one."""
    trust = trust or chain.trust
    before = (trust.sets, trust.newest)
    with pytest.raises(ProofError) as caught:
        extend_trust(trust, steps)
    assert str(caught.value)
    assert (trust.sets, trust.newest) == before
    known = trust.newest.first_height
    assert extend_trust(trust, [s for s in chain.steps if height_of(s) >= known]) == extend_trust(
        chain.trust, chain.steps
    )
    return caught.value.code


def head_of(step: TrustStep) -> CertifiedHead:
    assert step.head is not None
    return step.head


def header_of(step: TrustStep) -> BlockHeader:
    return decode(BlockHeader, head_of(step).header)


def height_of(step: TrustStep) -> int:
    return header_of(step).height


def forge(
    chain: CertifiedChain,
    height: int,
    given: Sequence[str],
    *,
    signed_by: Sequence[str],
    counted_in: Sequence[str] = OLD,
    **changes: Any,
) -> TrustStep:
    """A step to `given`, with a true header but for what is changed, signed by whoever."""
    validator_set = make_validators(given)
    named = compute_validators_hash(encode(validator_set))
    version = chain.versions[height]
    header = replace(version.header, **({"next_validators_hash": named} | changes))
    vote = replace(version.vote, height=header.height, chain_id=header.chain_id)
    head = sign_head(header, vote, make_validators(counted_in), signed_by)
    return TrustStep(head, encode(validator_set))


# Honest -------------------------------------------------------------------------------------------


def test_the_sets_of_all_heights_follow_from_an_honest_path(chain: CertifiedChain) -> None:
    trust = extend_trust(chain.trust, chain.steps)
    ranges = [(held.first_height, held.last_height) for held in trust.sets]
    assert ranges == [(1, 2), (3, 4), (5, None)]
    names = [[v.id for v in held.validator_set.validators] for held in trust.sets]
    assert names == [list(OLD), list(NEW), list(NEWEST)]
    assert trust.newest is trust.sets[-1]
    for version in chain.versions[1:]:
        assert verify_head(version.head, trust).height == version.header.height
    assert trust.genesis_hash == chain.trust.genesis_hash
    assert trust.validators_hash == chain.trust.validators_hash, "of genesis, for ever"
    assert extend_trust(trust, []) == trust


def test_a_path_may_come_in_pieces(chain: CertifiedChain) -> None:
    first = extend_trust(chain.trust, chain.steps[:1])
    assert extend_trust(first, chain.steps[1:]) == extend_trust(chain.trust, chain.steps)
    with pytest.raises(ProofError) as caught:
        verify_head(chain.tip.head, first)
    assert caught.value.code == verification.OTHER_VALIDATORS, "more of the path may explain it"


def test_a_step_is_read_from_its_canonical_form(chain: CertifiedChain) -> None:
    assert decode_trust_step(encode(chain.steps[0])) == chain.steps[0]
    for data in (encode(chain.steps[0]) + b"\x00", b"\xff", bytes(TRUST_STEP_SIZE_MAX + 1)):
        with pytest.raises(ProofError) as caught:
            decode_trust_step(data)
        assert caught.value.code == verification.MALFORMED


def test_the_largest_set_fits_into_a_step() -> None:
    validator = make_validators(["n1"]).validators[0]
    longest = replace(
        validator,
        organisation="o" * 64,
        vote_key=bytes(96),
        vote_possession=bytes(96),
        peer_key=bytes(96),
        tls_certificate=bytes(2048),
    )
    validators = tuple(replace(longest, id=f"{n:064}") for n in range(VALIDATORS_COUNT_MAX))
    encoded = encode(ValidatorSet(validators))
    assert 0.9 * VALIDATOR_SET_SIZE_MAX < len(encoded) <= VALIDATOR_SET_SIZE_MAX
    encode(TrustStep(CertifiedHead(), encoded))
    with pytest.raises(EncodingError):
        encode(TrustStep(CertifiedHead(), bytes(VALIDATOR_SET_SIZE_MAX + 1)))


# Attacks ------------------------------------------------------------------------------------------


def test_forged_set_change(chain: CertifiedChain) -> None:
    forged = forge(chain, 2, ["m1"], signed_by=["n1"])
    assert refuse(chain, [forged]) == trust_path.CHANGE_FORGED, "one signer is no quorum"
    borrowed = replace(head_of(chain.steps[0]), header=head_of(forged).header)
    assert refuse(chain, [replace(forged, head=borrowed)]) == trust_path.CHANGE_FORGED
    assert refuse(chain, [replace(forged, head=CertifiedHead(head_of(forged).header))]) == (
        verification.NOT_CERTIFIED
    )
    assert refuse(chain, [replace(forged, head=None)]) == verification.NOT_CERTIFIED


def test_step_signed_by_the_new_set_only(chain: CertifiedChain) -> None:
    own = ["m1", "m2", "m3", "m4"]
    forged = forge(chain, 2, own, signed_by=own[:3], counted_in=own)
    assert refuse(chain, [forged]) == trust_path.CHANGE_FORGED
    named = compute_validators_hash(encode(make_validators(own)))
    as_own = forge(chain, 2, own, signed_by=own[:3], counted_in=own, validators_hash=named)
    assert refuse(chain, [as_own]) == trust_path.PATH_TRUNCATED, "it does not follow"


def test_step_signed_by_validators_that_were_removed(chain: CertifiedChain) -> None:
    """A quorum of OLD, which no longer counts after height 2."""
    known = extend_trust(chain.trust, chain.steps[:1])
    named = known.newest.hash
    late = forge(chain, 4, ["m1"], signed_by=OLD[:3], validators_hash=named)
    assert refuse(chain, [late], known) == trust_path.CHANGE_FORGED
    old_hash = chain.trust.validators_hash
    assert refuse(
        chain, [forge(chain, 4, ["m1"], signed_by=OLD[:3], validators_hash=old_hash)], known
    ) == (trust_path.PATH_TRUNCATED)


def test_truncated_path(chain: CertifiedChain) -> None:
    assert refuse(chain, chain.steps[1:]) == trust_path.PATH_TRUNCATED
    chain.change_validators(OLD)
    chain.add_block()
    assert refuse(chain, [chain.steps[0], chain.steps[2]]) == trust_path.PATH_TRUNCATED


def test_wrong_hash(chain: CertifiedChain) -> None:
    step = chain.steps[0]
    for other in (make_validators(OLD), make_validators(["m1"]), ValidatorSet(())):
        assert refuse(chain, [replace(step, next_validators=encode(other))]) == (
            trust_path.SET_MISMATCH
        )
    for changed in (b"", step.next_validators + b"\x00", step.next_validators[:-1]):
        assert refuse(chain, [replace(step, next_validators=changed)]) == trust_path.SET_MISMATCH


def test_certified_set_that_is_none(chain: CertifiedChain) -> None:
    """A quorum has certified it, and still it certifies nothing."""
    twice = ValidatorSet(make_validators(["n1"]).validators * 2)
    for content in (encode(ValidatorSet(())), encode(twice), b"\xff"):
        named = compute_validators_hash(content)
        step = forge(chain, 2, NEW, signed_by=OLD[:3], next_validators_hash=named)
        assert refuse(chain, [replace(step, next_validators=content)]) == verification.MALFORMED


def test_repeated_step(chain: CertifiedChain) -> None:
    first, second = chain.steps
    assert refuse(chain, [first, first]) == trust_path.STEP_REPEATED
    assert refuse(chain, [first, second, second]) == trust_path.STEP_REPEATED
    known = extend_trust(chain.trust, chain.steps)
    assert refuse(chain, [second], known) == trust_path.STEP_REPEATED


def test_out_of_order(chain: CertifiedChain) -> None:
    first, second = chain.steps
    assert refuse(chain, [second, first]) == trust_path.PATH_TRUNCATED
    assert refuse(chain, [first, second, first]) == trust_path.STEPS_OUT_OF_ORDER


def test_other_network(chain: CertifiedChain) -> None:
    twin = make_chain(chain_id="dev:fedcba9876543210")
    assert refuse(chain, twin.steps) == verification.OTHER_CHAIN
    assert refuse(chain, [chain.steps[0], twin.steps[1]]) == verification.OTHER_CHAIN
    stranger = CertifiedChain(["m1"], "dev:fedcba9876543210")
    stranger.change_validators(["m2"])
    assert refuse(chain, stranger.steps) == verification.OTHER_CHAIN, "whoever its validators are"


def test_other_epoch_or_protocol(chain: CertifiedChain) -> None:
    step = forge(chain, 2, NEW, signed_by=OLD[:3], epoch=1)
    assert refuse(chain, [step]) == verification.OTHER_VALIDATORS
    step = forge(chain, 2, NEW, signed_by=OLD[:3], protocol_version=2)
    assert refuse(chain, [step]) == verification.PROTOCOL_UNKNOWN


def test_genesis_is_no_step(chain: CertifiedChain) -> None:
    step = TrustStep(chain.versions[0].head, chain.steps[0].next_validators)
    assert refuse(chain, [step]) == verification.NOT_CERTIFIED


def test_step_without_change(chain: CertifiedChain) -> None:
    head = chain.versions[1].head
    step = TrustStep(head, encode(chain.validator_set))
    assert refuse(chain, [step]) == trust_path.STEP_WITHOUT_CHANGE
    assert refuse(chain, [replace(chain.steps[0], head=head)]) == trust_path.STEP_WITHOUT_CHANGE


def test_step_with_the_certificate_of_another_block(chain: CertifiedChain) -> None:
    step = chain.steps[0]
    other = replace(head_of(step), certificate=chain.versions[1].head.certificate)
    assert refuse(chain, [replace(step, head=other)]) == trust_path.CHANGE_FORGED


def test_too_long(chain: CertifiedChain) -> None:
    steps = chain.steps[:1] * (TRUST_PATH_COUNT_MAX + 1)
    assert refuse(chain, steps) == trust_path.PATH_TOO_LONG
    assert refuse(chain, steps[1:]) == trust_path.STEP_REPEATED, "as long as it may be"


def test_good_steps_before_a_bad_one_count_for_nothing(chain: CertifiedChain) -> None:
    bad = replace(chain.steps[1], next_validators=chain.steps[0].next_validators)
    assert refuse(chain, [chain.steps[0], bad]) == trust_path.SET_MISMATCH


# Heads under the sets of their heights ------------------------------------------------------------


def refuse_head(head: CertifiedHead, trust: TrustRoot) -> str:
    with pytest.raises(ProofError) as caught:
        verify_head(head, trust)
    return caught.value.code


def test_head_by_validators_of_another_height(chain: CertifiedChain) -> None:
    """What OLD signs in the time of NEW is no head, whomever it names; nor the other way round."""
    trust = extend_trust(chain.trust, chain.steps)
    vote = chain.versions[3].vote
    header = chain.versions[3].header
    by_old = sign_head(header, vote, chain.validator_set, OLD[:3])
    assert refuse_head(by_old, trust) == verification.CERTIFICATE_INVALID
    naming_old = replace(header, validators_hash=chain.trust.validators_hash)
    forged = sign_head(naming_old, vote, chain.validator_set, OLD[:3])
    assert refuse_head(forged, trust) == verification.VALIDATORS_MISMATCH
    early = replace(chain.versions[2].header, validators_hash=trust.sets[1].hash)
    by_new = sign_head(early, chain.versions[2].vote, make_validators(NEW), NEW[:3])
    assert refuse_head(by_new, trust) == verification.VALIDATORS_MISMATCH
    above = replace(chain.tip.header, validators_hash=chain.trust.validators_hash)
    assert refuse_head(sign_head(above, chain.tip.vote, chain.validator_set, OLD[:3]), trust) == (
        verification.OTHER_VALIDATORS
    )


def test_head_that_names_others_for_the_next_height(chain: CertifiedChain) -> None:
    """Certified, but not what was certified before: its signers contradict themselves."""
    trust = extend_trust(chain.trust, chain.steps)
    for height, names in ((1, NEW), (2, OLD), (2, NEWEST)):
        version = chain.versions[height]
        named = compute_validators_hash(encode(make_validators(names)))
        header = replace(version.header, next_validators_hash=named)
        head = sign_head(header, version.vote, chain.validator_set, OLD[:3])
        assert refuse_head(head, trust) == verification.VALIDATORS_MISMATCH
        assert verify_head(version.head, trust).height == height


def test_the_oldest_sets_but_that_of_genesis_are_forgotten() -> None:
    chain = CertifiedChain(["n1"])
    for number in range(TRUSTED_SETS_COUNT_MAX + 1):
        chain.change_validators([f"n{2 + number % 2}"])
    trust = chain.trust
    for first in range(0, len(chain.steps), TRUST_PATH_COUNT_MAX):
        trust = extend_trust(trust, chain.steps[first : first + TRUST_PATH_COUNT_MAX])
    assert len(trust.sets) == TRUSTED_SETS_COUNT_MAX
    assert trust.sets[0].validator_set == chain.validator_set
    assert verify_head(chain.versions[1].head, trust).height == 1
    assert [refuse_head(chain.versions[h].head, trust) for h in (2, 3)] == (
        [verification.VALIDATORS_FORGOTTEN] * 2
    )
    for height in (4, 5, len(chain.steps)):
        assert verify_head(chain.versions[height].head, trust).height == height


def test_sets_of_another_genesis_are_no_trust_root(chain: CertifiedChain) -> None:
    known = extend_trust(chain.trust, chain.steps)
    with pytest.raises(ValueError, match="another than that of genesis"):
        replace(known, validator_set=make_validators(["m1"]))
