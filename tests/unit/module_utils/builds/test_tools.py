# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is read from the output of build tools."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.builds import tools


def test_steps_are_read_from_the_lines_of_ninja() -> None:
    assert tools.parse_step("[12/194] Building CXX object src/CMakeFiles/llama.dir/a.cpp.o") == (12, 194, "a.cpp.o")
    assert tools.parse_step("-- Configuring done") is None


def test_the_reason_of_a_failure_is_found_in_the_log() -> None:
    log = [
        "FAILED: a.cpp.o ",
        "/usr/bin/c++ " + "-I/x " * 200,
        "a.cpp:1:1: error: 'x' does not name a type",
        "    1 | x",
        "",
    ]
    assert tools.meaningful([*log, "ninja: build stopped: subcommand failed."])[0] == log[2]
    assert tools.meaningful(["one", "two"]) == ["one", "two"]
