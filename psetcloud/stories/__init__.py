# SPDX-License-Identifier: Apache-2.0
"""Stories of South African education that work end to end, told as the commands that do them."""
