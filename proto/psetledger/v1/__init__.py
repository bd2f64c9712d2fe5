# SPDX-License-Identifier: Apache-2.0
"""Generated messages and stubs of the protocol `psetledger.v1`; do not edit, run `make proto`."""
