# SPDX-License-Identifier: Apache-2.0
"""The `pset` command: assembles sub-commands over the SDK, renders results, maps errors to exit codes."""
