# SPDX-License-Identifier: Apache-2.0
"""The checks of a verification: pure functions over a document and facts proven by the ledger."""
