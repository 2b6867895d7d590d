# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A model's generation_config.json with the profile's values laid over it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from thor_supervisor.endings import GiveUp
from thor_supervisor.generation_config import overlay_generation_config


def test_the_profiles_values_win_over_the_models(tmp_path: Path) -> None:
    own, written = tmp_path / "generation_config.json", tmp_path / "written.json"
    own.write_text('{"temperature": 0.6, "eos_token_id": [1, 2]}')
    settings = {"path": str(own), "values": {"temperature": 0.8, "top_p": 0.9}, "written": str(written)}
    assert overlay_generation_config(["docker", str(tmp_path)], settings) == ["docker", str(tmp_path)]
    assert json.loads(written.read_text()) == {"temperature": 0.8, "eos_token_id": [1, 2], "top_p": 0.9}
    assert written.stat().st_mode & 0o777 == 0o644
    assert json.loads(own.read_text())["temperature"] == 0.6


@pytest.mark.parametrize(("text", "reason"), [(None, "No such file"), ("{", "Expecting"), ("[]", "not a JSON object")])
def test_a_model_without_a_generation_config_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    own = tmp_path / "generation_config.json"
    if text is not None:
        own.write_text(text)
    with pytest.raises(GiveUp, match=reason) as caught:
        overlay_generation_config([], {"path": str(own), "values": {"top_k": 5}, "written": str(tmp_path / "written")})
    assert caught.value.code == "THOR-GENERATION-CONFIG"
    assert '{"top_k": 5}' in str(caught.value)
    assert not (tmp_path / "written").exists()


def test_without_a_container_the_engine_gets_a_folder_of_links_with_that_file(tmp_path: Path) -> None:
    model, folder = tmp_path / "model", tmp_path / "cache" / "model"
    (model / "parts").mkdir(parents=True)
    (model / "parts" / "one").write_text("weights")
    (model / "config.json").write_text("{}")
    (model / "generation_config.json").write_text('{"temperature": 0.6, "top_k": 20}')
    folder.parent.mkdir()
    settings = {"path": str(model / "generation_config.json"), "values": {"top_k": 1}, "folder": str(folder)}
    argv = ["python", "--model-path", str(model), "--chat-template", f"{model}/template"]
    assert overlay_generation_config(argv, settings) == ["python", "--model-path", str(folder), *argv[3:]]
    assert json.loads((folder / "generation_config.json").read_text()) == {"temperature": 0.6, "top_k": 1}
    assert (folder / "parts" / "one").read_text() == "weights"
    # Each start makes it anew.
    (model / "config.json").rename(model / "params.json")
    overlay_generation_config(argv, settings)
    assert {path.name for path in folder.iterdir()} == {"parts", "params.json", "generation_config.json"}
    assert json.loads((model / "generation_config.json").read_text())["top_k"] == 20, "the model stays as it is"
