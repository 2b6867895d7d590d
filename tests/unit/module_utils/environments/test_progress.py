# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Progress while uv, which is silent, installs."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments import (
    job,
    progress,
)
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter
from toy_environment import ToyEnvironment


def test_progress_is_visible(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS", 0.02)
    for number in range(6):
        toy.publish(f"toy-part-{number}", {f"part{number}.so": bytes([number]) * 50_000})
    toy.index.pause = 0.02
    shown: list[tuple[Any, ...]] = []

    class Seen(Reporter):
        def progress(self, *arguments: Any, **more: Any) -> None:
            shown.append((*arguments, *more.values()))

        def say(self, _line: str) -> None:
            pass

    job.run_job(toy.spec(), Seen(toy.folder))
    fetched = [one for one in shown if "B" in one]
    assert fetched and all(total == sum(toy.sizes.values()) for _done, total, *_rest in fetched)
    assert all(re.fullmatch(r"\d of 8 packages complete, 0\.00 GB unpacked", str(one[-1])) for one in fetched)
    assert len({done for done, *_rest in fetched}) > 1, "the number grows"
    shutil.rmtree(toy.folder / "engines")
