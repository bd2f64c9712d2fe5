# SPDX-License-Identifier: Apache-2.0
"""The validator process: the driver loop and everything of a node that touches the world."""
