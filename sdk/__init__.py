# SPDX-License-Identifier: Apache-2.0
"""The engine behind the public face `psetledger`: client, light client, issuer, verifier."""
