# SPDX-License-Identifier: Apache-2.0
"""The PSET CLOUD functions on top of the SDK: catalogue, recognition, pathways, matching, trends."""
