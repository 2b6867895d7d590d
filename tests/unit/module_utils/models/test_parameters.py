# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import parameters
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError
from model_store import model


@pytest.mark.parametrize(
    "changes", [{"id": "x"}, {"id": "../x"}, {"path": "x"}, {"path": "/"}, {"include": []}, {"sha256": {"x": "1"}}]
)
def test_invalid_arguments(hub: hub_server.Hub, place: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(FetchError) as caught:
        model(hub, place, **changes)
    assert caught.value.problem.code == "THOR-FETCH-ARGUMENT"


@pytest.mark.parametrize("token", ["hf_\u00e9t\u00e9", "hf_a\r\nX-Evil: yes", "hf a"])
def test_a_token_that_fits_in_no_header_is_refused_and_not_shown(hub: hub_server.Hub, place: Path, token: str) -> None:
    with pytest.raises(FetchError) as caught:
        model(hub, place, token=token)
    assert caught.value.problem.code == "THOR-FETCH-ARGUMENT"
    assert token not in str(caught.value) and token not in str(caught.value.problem.as_dict())
    assert model(hub, place, token="hf_a\n")["sources"][0]["token"] == "hf_a", "a vault's line feed"


@pytest.mark.parametrize("endpoint", ["https://me:s3cret@mirror.example", "https://s3cret@mirror.example/hub"])
def test_an_endpoint_with_a_user_is_refused_and_not_shown(endpoint: str) -> None:
    with pytest.raises(FetchError) as caught:
        parameters.reach("huggingface", {"endpoint": endpoint})
    assert caught.value.problem.code == "THOR-FETCH-ARGUMENT" and "thor_hf_token" in caught.value.problem.remedy
    assert "s3cret" not in str(caught.value) and "s3cret" not in str(caught.value.problem.as_dict())
    mirror = "https://mirror.example/@team"
    assert parameters.reach("huggingface", {"endpoint": f"{mirror}/"}) == {"endpoint": mirror, "token": None}
