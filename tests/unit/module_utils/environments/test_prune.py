# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Environments that nothing needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import records, referrers
from ansible_collections.jetson.thor.plugins.module_utils.environments import finished
from toy_environment import ToyEnvironment


def test_old_environments_go_unless_something_names_them(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    units = toy.folder / "units"
    units.mkdir()
    monkeypatch.setattr(referrers, "REFERRERS", ((units, "thor-*.service"),))
    folder = toy.folder / "engines/toy"
    for version in ("0.6", "0.7", "0.8", "0.9"):
        made = folder / f"{version}-000000000000"
        made.mkdir(parents=True)
        records.write(made / finished.NAME, {})
        (folder / version).symlink_to(made.name)
    (folder / "0.5-build").mkdir()
    (folder / ".1.0-ffffffffffff.partial").mkdir()
    (units / "thor-chat.service").write_text(f"ExecStart={folder}/0.9-000000000000/bin/toy serve\n")
    (units / "thor-old.service").write_text(f"Environment=HOME={folder}/0.8/cuda\n")
    result = toy.run(prune=True, keep=["0.7"])
    assert result["pruned"] == [str(folder / "0.6-000000000000")]
    left = {path.name for path in folder.iterdir()}
    assert left == {"0.5-build", "0.7", "0.8", "0.9", "1.0", Path(result["path"]).name} | {
        f"{version}-000000000000" for version in ("0.7", "0.8", "0.9")
    }


def test_nothing_is_removed_unless_asked(toy: ToyEnvironment) -> None:
    old = toy.folder / "engines/toy/0.9-000000000000"
    old.mkdir(parents=True)
    records.write(old / finished.NAME, {})
    assert toy.run()["pruned"] == [] and old.is_dir()
