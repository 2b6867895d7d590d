# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Finished builds: their link, and the arguments that their program knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.builds import finished
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from toy_build import ToyBuild


def test_arguments_are_compared_with_the_options_of_the_built_program() -> None:
    argvs = {"chat": ["--port", "8000", "--nosuch"], "code": ["--port", "8001"]}
    (problem,) = finished.check_argvs(argvs, ["--port", "--host"], "llama.cpp", "0c1e570")
    assert (problem.code, problem.value) == ("THOR-FLAG-UNKNOWN", "--nosuch")
    assert "chat" in problem.variable


def test_unknown_arguments_are_reported_after_the_build_with_the_service(job: ToyBuild) -> None:
    job.argvs = {"chat": ["--prot", "1"]}
    with pytest.raises(JobFailed, match=r"THOR-FLAG-UNKNOWN.*chat.*--prot.*'--port'"):
        job.run(job.archive())


def test_a_version_that_was_built_before_only_needs_its_link(job: ToyBuild) -> None:
    first = Path(job.run(job.archive())["path"])
    job.write("part.cpp", "int part() { return  0; }\n")
    second = Path(job.run(job.archive())["path"])
    assert first != second and finished.is_current(second, "v1")
    finished.make_current(first, "v1")
    assert finished.is_current(first, "v1") and second.is_dir()
