# SPDX-License-Identifier: Apache-2.0
"""What can be said of a GrantAccreditation without any state: the form of each of its fields.

A node asks this before it takes a transaction, execution asks it again: the rules belong to a height.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ledger.model.charter_document import SCOPE_KINDS, Charter
from ledger.model.civil_date import DAY_MAX, OPEN_END
from ledger.model.identifiers import is_did
from ledger.model.operations import GrantAccreditation, Scope
from ledger.model.organisation_request import RequestError
from ledger.model.receipts import ReceiptCode
from ledger.model.scope import is_scope_element


def check_grant_form(operation: GrantAccreditation, *, network: str, charter: Charter) -> None:
    """Accept a grant whose fields have the form of what they name.

    Args:
        operation: what is asked.
        network: name of the network.
        charter: its rules, for the vocabulary of powers.

    Raises:
        RequestError: FIELD_INVALID. The text never quotes a field.
    """
    if not is_did(operation.grantee, network):
        raise _invalid("grantee", "a DID of this network is expected")
    _check_sorted(operation.powers, "powers")
    if not operation.powers:
        raise _invalid("powers", "at least one power is granted")
    for position, power in enumerate(operation.powers):
        if power not in charter.powers:
            raise _invalid(f"powers[{position}]", "the charter knows no such power")
    scope = operation.scope or Scope()
    for kind in SCOPE_KINDS:
        names: tuple[str, ...] = getattr(scope, kind)
        _check_sorted(names, f"scope.{kind}")
        for position, name in enumerate(names):
            if not is_scope_element(kind, name):
                raise _invalid(f"scope.{kind}[{position}]", "the form is another")
    if not 1 <= operation.valid_from <= DAY_MAX:
        raise _invalid("valid_from", "a day is expected")
    if operation.valid_until != OPEN_END and not (
        operation.valid_from <= operation.valid_until <= DAY_MAX
    ):
        raise _invalid("valid_until", "a day not before valid_from is expected, or none")


def _check_sorted(names: Sequence[str], where: str) -> None:
    if any(first >= second for first, second in pairwise(names)):
        raise _invalid(where, "the list is sorted and without repeats")


def _invalid(where: str, text: str) -> RequestError:
    return RequestError(ReceiptCode.FIELD_INVALID, where, text)
