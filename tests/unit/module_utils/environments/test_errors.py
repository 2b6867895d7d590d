# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Words of installers; those of uv against real faults are in test_uv_faults.py."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments import errors

PIP_HASH = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n uv==1 from http://h/uv.whl:"
PIP_MISSING = "ERROR: Could not find a version that satisfies the requirement uv==1\nERROR: No matching distribution found for uv==1"


@pytest.mark.parametrize(
    ("words", "code", "transient"),
    [
        (PIP_HASH, "THOR-PACKAGES-HASH", False),
        (PIP_MISSING, "THOR-PACKAGES-MISSING", False),
        ("error: client error (Connect)\n cause: invalid peer certificate: UnknownIssuer", "THOR-PACKAGES-INDEX", False),
        ("error: client error (Connect)\n cause: invalid peer certificate: NotValidYet", "THOR-CLOCK-WRONG", False),
        ("HTTP status client error (407 Proxy Authentication Required) for url (http://h/)", "THOR-PACKAGES-DENIED", False),
        ("error: Request failed\n cause: Connection reset by peer (os error 104)", "THOR-PACKAGES-CUT", True),
        ("error: something else broke", "THOR-PACKAGES-FAILED", False),
        ("", "THOR-PACKAGES-FAILED", False),
    ],
)  # fmt: skip
def test_words_become_a_problem(words: str, code: str, transient: bool) -> None:
    error = errors.explain(words, "vllm", "0.33.0")
    assert (error.problem.code, error.transient) == (code, transient)
    assert error.problem.variable == "thor_services[vllm 0.33.0].packages"


def test_unknown_words_are_shown_once_and_bounded() -> None:
    text = errors.explain("strange " * 1000 + "end", "vllm", "1").problem.text()
    assert text.endswith("continues from there.") and "strange end" in text and len(text) < 2500


def test_what_uv_says_before_its_error_is_left_out() -> None:
    text = errors.explain("warning: experimental\nUsing Python 3.12\nerror: strange", "vllm", "1").problem.text()
    assert "the installer says: error: strange" in text


def test_package_and_host_are_found() -> None:
    words = "error: Failed to download `torch==2.14.0`\n cause: Failed to fetch: https://u:p@files.example.org/x.whl"
    assert errors.package_of(words) == "torch==2.14.0" and errors.host_of(words) == "files.example.org"
    assert errors.package_of("nothing") == "a package" and errors.host_of("nothing") == "the package index"


def test_a_full_disk_is_the_systems_error() -> None:
    with pytest.raises(OSError, match="No space left"):
        errors.explain("error: x\n cause: No space left on device (os error 28)", "vllm", "1")
