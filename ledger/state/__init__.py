# SPDX-License-Identifier: Apache-2.0
"""The deterministic state machine: (state, block) gives (writes, receipts, state root). Pure."""
