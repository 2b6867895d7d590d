# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that the role serving puts on a host, and the filter that hands it to the module."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path, PurePath

import pytest
import resolved
import yaml
from ansible_collections.jetson.thor.plugins.filter.service_definitions import service_definitions
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import MARKER
from ansible_collections.jetson.thor.plugins.module_utils.services.observation import OURS
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import definitions
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.support_files import support_files
from sample_host import HOST

ROLE = Path(__file__).resolve().parents[4] / "roles" / "serving"
BARE = {**HOST, "groups": [], "device_nodes": []}


def test_defaults_are_the_roles() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    settings = {f"serving_{name}": value for name, value in asdict(Settings()).items()}
    others = {"serving_profiles", "serving_extra_profiles", "serving_switch_timeout"}
    assert defaults.pop("serving_require_gpu") == "{{ thor_require_gpu | default(true) }}"
    assert settings == {"serving_require_gpu": True} | {
        name: value for name, value in defaults.items() if name not in others
    }


def test_variables_are_read_as_ansible_reads_them() -> None:
    given = {"serving_stop_timeout": "45", "serving_require_gpu": "no", "serving_switch_timeout": 5, "other": 1}
    assert Settings.from_variables(given) == Settings(stop_timeout=45, require_gpu=False)


def test_every_support_file_is_observed() -> None:
    folders = tuple(f"/{pattern.removesuffix('**/*')}" for pattern in OURS if pattern.endswith("/**/*"))
    items = support_files()
    assert len(items) > 1
    for item in items:
        assert item.path.startswith(folders) or any(PurePath(item.path).match(one) for one in OURS), item.path


def test_the_module_accepts_what_is_wanted() -> None:
    services = [resolved.service(resolved.LLAMA, name="chat"), resolved.service(resolved.VLLM, name="box", port=8001)]
    wanted = definitions.wanted(services, BARE, Settings(), {})
    assert [one.name for one in wanted.services] == ["chat", "box"]
    assert all(one.unit.startswith(MARKER) for one in wanted.services)
    assert {"/opt/thor/supervisor/__main__.py", "/etc/systemd/system/thor.target"} <= {one.path for one in wanted.files}
    assert wanted.units[-1] == "thor.target"


def test_the_filter_hands_over_the_arguments_of_the_module() -> None:
    service = resolved.service(resolved.LLAMA, name="chat", secrets={"LLAMA_API_KEY": "very-secret"})
    variables = {"serving_stop_timeout": "45"}
    spec = service_definitions([service.to_facts()], BARE, variables, {"chat": "0a"})
    assert spec.pop("unpinned") == []
    # Which engines are renewed only a plan knows.
    wanted = definitions.wanted([service], BARE, Settings(stop_timeout=45), {"chat": "0a"})
    assert {**spec, "renewed": [], "prune": True} == wanted.spec()
    assert set(spec) == {"files", "units", "services", "models"}


def test_a_text_that_no_unit_can_hold_is_an_error() -> None:
    service = resolved.service(resolved.LLAMA, name="chat").to_facts()
    with pytest.raises(Exception, match=r"service_definitions: .*cannot be the value"):
        service_definitions([{**service, "version": "a\nb"}], BARE)
