# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a removal runs the host's programs."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.removal import step


def test_status_and_output_of_a_program() -> None:
    assert step.run("sh", "-c", "echo out; echo wrong >&2; exit 3") == (3, "out\nwrong\n")
    assert step.run("no-such-program-of-thor")[0] == 127


def test_it_asks_nothing_and_speaks_english() -> None:
    assert step.run("sh", "-c", "echo $LC_ALL $DEBIAN_FRONTEND; read line || echo closed") == (
        0,
        "C noninteractive\nclosed\n",
    )
