# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module engine_image: check mode, diff mode, and a second run, against the fake dockerd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import image_host
import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.modules import engine_image, python_engine
from image_runs import VLLM, image, pulled, spec


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    image_host.redirect(tmp_path, monkeypatch)
    arguments = spec(image())
    del arguments["environment"]
    with image_host.dockerd(tmp_path, monkeypatch) as dockerd:
        dockerd.pulls = [pulled()]
        result = module_promises.keep("engine_image", arguments, tmp_path / "images.json")
        assert result["pulled"] == [VLLM] and VLLM in dockerd.names()
    assert started == ["images"], "neither check mode nor a second run starts a job"


def test_an_invalid_digest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_host.redirect(tmp_path, monkeypatch)
    arguments = spec(image(digest="sha256:abc"))
    del arguments["environment"]
    with pytest.raises(
        AssertionError, match=r"the digest 'sha256:abc' of \S+ is invalid: write sha256: and 64 hex digits"
    ):
        module_promises.run("engine_image", arguments)


@pytest.mark.parametrize("arguments", [engine_image.ARGUMENTS, python_engine.ARGUMENTS])
def test_where_packages_come_from_is_not_logged(arguments: dict[str, Any]) -> None:
    """An address in it may hold a password, and a result shows the module's arguments."""
    assert arguments["pip_arguments"]["no_log"] is True
