# SPDX-License-Identifier: Apache-2.0
"""The ledger: model, state machine, storage, node and API. Importing this package imports nothing else."""
