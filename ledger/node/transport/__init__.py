# SPDX-License-Identifier: Apache-2.0
"""How validators reach each other: streams over gRPC, with mutual TLS pinned to the ledger's keys."""
