# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the role serving has to do, decided on the controller from what was observed on the host."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import resolved
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import lock_digest
from ansible_collections.jetson.thor.plugins.module_utils.services.compare import SUPPORT_UNITS, Wanted
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk
from ansible_collections.jetson.thor.plugins.module_utils.services.observation import observe
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import State
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import shares
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.serving import ACCOUNT, unpinned, work
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Share, Step
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import definitions
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.support_files import support_files
from jinja2.nativetypes import NativeEnvironment
from sample_host import HOST
from sample_host import SETTINGS as PLAN
from switch_helper import Systemd

ROLE = Path(__file__).resolve().parents[4] / "roles" / "serving"
SERVICES = [resolved.service(resolved.LLAMA, name="chat"), resolved.service(resolved.WHISPER, name="ear")]
BARE: dict[str, Any] = {**HOST, "groups": [], "device_nodes": [], "account": ACCOUNT}


class Told(Systemd):
    """A systemd whose units are in the states that a test has told it."""

    told: dict[str, State]

    def states(self, units: Sequence[str]) -> dict[str, State]:
        """A unit that nothing was told of is not there."""
        return {unit: self.told.get(unit, State()) for unit in units}


class Served:
    """A host that serves SERVICES, and what is observed of it."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk(root)
        self.systemd = Told(self.disk)
        self.secrets: dict[str, Any] = {"tags": {}, "unused": False}
        wanted = definitions.wanted(SERVICES, BARE, Settings(), {})
        for item in [*wanted.files, *(item for one in wanted.services for item in one.files())]:
            self.disk.write(item)
        self.systemd.told = {unit: State("active", "enabled") for unit in self.units(wanted)}

    def units(self, wanted: Wanted) -> list[str]:
        return [*SUPPORT_UNITS, *(one.unit_name for one in wanted.services)]

    def facts(self) -> dict[str, Any]:
        """``thor_host``, as it arrives from the device."""
        serving = {**observe(self.disk, self.systemd).facts()}
        # The files of a test belong to whoever runs it.
        facts: dict[str, Any] = json.loads(json.dumps({**BARE, "serving": serving, "secrets": self.secrets}))
        return facts


@pytest.fixture(name="served")
def _served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_a_host_that_serves_what_it_should_has_nothing_to_do(served: Served) -> None:
    found = work(SERVICES, served.facts(), Settings())
    assert not found, found


def test_a_bare_host_has_everything_to_do(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.disk = Disk(tmp_path / "nothing")
    served.systemd.told = {}
    found = work(SERVICES, {**served.facts(), "account": None}, Settings())
    assert found.difference.switched == ["chat", "ear"] and found.account
    assert len(found.difference.files) == len(support_files())
    assert found.difference.units == list(SUPPORT_UNITS)


def _remove(path: str) -> Callable[[Served], None]:
    return lambda served: served.disk.remove(path)


def _mode(path: str) -> Callable[[Served], None]:
    return lambda served: served.disk.path(path).chmod(0o600)


def _state(unit: str, **changes: Any) -> Callable[[Served], None]:
    return lambda served: served.systemd.told.update({unit: replace(served.systemd.told[unit], **changes)})


@pytest.mark.parametrize(
    ("spoil", "key", "value"),
    [
        (_remove("/opt/thor/supervisor/__main__.py"), "files", ["/opt/thor/supervisor/__main__.py"]),
        (_mode("/etc/systemd/system/thor.target"), "files", ["/etc/systemd/system/thor.target"]),
        (_mode("/etc/thor/services/chat.json"), "files", ["/etc/thor/services/chat.json"]),
        (_remove("/etc/systemd/system/thor-chat.service"), "switched", ["chat"]),
        (_remove("/etc/thor/services/ear.json"), "switched", ["ear"]),
        (_state("thor-chat.service", stale=True), "switched", ["chat"]),
        (_state("thor-chat.service", active="failed"), "started", ["chat"]),
        (_state("thor-chat.service", enabled="disabled"), "started", ["chat"]),
        (_state("thor.target", active="inactive"), "units", ["thor.target"]),
    ],
)
def test_whatever_was_spoiled_is_due(
    served: Served, spoil: Callable[[Served], None], key: str, value: list[str]
) -> None:
    spoil(served)
    found = work(SERVICES, served.facts(), Settings())
    assert found
    assert {name: some for name, some in found.difference.result().items() if some} == {key: value}


def test_changed_services_and_settings_are_due(served: Served) -> None:
    chat, ear = SERVICES
    assert work([chat], served.facts(), Settings()).difference.removed == ["ear"]
    assert work([replace(chat, port=9000), ear], served.facts(), Settings()).difference.switched == ["chat"]
    assert work(SERVICES, served.facts(), Settings(stop_timeout=45)).difference.switched == ["chat", "ear"]


def test_a_drop_in_that_changes_a_service_is_told(served: Served) -> None:
    path = served.disk.path("/etc/systemd/system/thor-chat.service.d/x.conf")
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\nUser=root\n", encoding="ascii")
    (line,) = work(SERVICES, served.facts(), Settings()).difference.drift
    assert line.startswith("THOR-UNIT-DRIFT: ")


def test_a_new_secret_an_unused_one_and_an_interrupted_switch_are_due(served: Served) -> None:
    secret = [replace(SERVICES[0], secrets=("A_KEY",)), SERVICES[1]]
    found = work(secret, served.facts(), Settings())
    assert (found.secrets, found.difference.switched) == (["chat"], ["chat"])
    served.secrets = {"tags": {}, "unused": True}
    assert work(SERVICES, served.facts(), Settings()).unused_secrets
    served.secrets = {"tags": {}, "unused": False}
    served.disk.path("/var/lib/thor").mkdir(parents=True)
    served.disk.path("/var/lib/thor/switch.json").write_text('{"files": {}, "services": {}}', encoding="ascii")
    assert work(SERVICES, served.facts(), Settings())


def test_the_account_is_the_roles() -> None:
    tasks = yaml.safe_load((ROLE / "tasks/main.yml").read_text(encoding="utf-8"))
    (given,) = [task["ansible.builtin.user"] for task in tasks if "ansible.builtin.user" in task]
    assert {key: given[key] for key in ACCOUNT} == ACCOUNT


def test_an_image_is_pinned_by_the_lock_or_by_the_record_on_the_host() -> None:
    chat = replace(resolved.service("qwen3-8b-vllm"), image_digest=None)
    image = str(chat.image)
    assert unpinned([chat, chat, SERVICES[0]], {"images": None}) == [image]
    assert unpinned([chat], {"images": {image: {"digest": None}}}) == [image]
    assert unpinned([chat], {"images": {image: {"digest": "sha256:1"}}}) == []
    assert unpinned([replace(chat, image_digest="sha256:1")], {}) == []


# The share of the role in the plan


def steps(host: dict[str, Any], *before: Step, services: Any = SERVICES) -> list[str]:
    """What has to be done, in two words each."""
    facts = [service.to_facts() for service in services]
    share = shares.of_serving(facts, host, replace(PLAN, serving=Settings()), [Share("before", before)])
    json.dumps(share.section)
    return [f"{step.kind} {step.subject}" for step in share.steps]


def test_services_are_started_replaced_and_removed(served: Served, tmp_path: Path) -> None:
    assert steps(served.facts()) == []
    changed = [replace(SERVICES[0], port=8123)]
    assert steps(served.facts(), services=changed) == ["remove ear", "switch chat"]
    served.systemd.told["thor-ear.service"] = State("failed", "enabled")
    assert steps(served.facts()) == ["start ear"]
    served.disk, served.systemd.told = Disk(tmp_path / "nothing"), {}
    fresh = steps(served.facts())
    assert fresh[-2:] == ["start chat", "start ear"] and f"write {len(support_files())} support files" in fresh


def test_an_engine_that_is_built_or_pulled_is_started_anew(served: Served) -> None:
    chat, ear = SERVICES
    build = Step(Kind.BUILD, "llama_cpp", f"{chat.engine} {chat.version}", "")
    assert steps(served.facts(), build) == ["switch chat"]
    facts, before = [one.to_facts() for one in SERVICES], [Share("before", (build,))]
    share = shares.of_serving(facts, served.facts(), replace(PLAN, serving=Settings()), before)
    assert share.section["renewed"] == ["chat"], "the module compares definitions, and the build may keep its path"
    assert steps(served.facts(), Step(Kind.CHECK, "engine_image", f"{ear.engine} {ear.version}", "")) == []
    in_container = resolved.service("qwen3-8b-vllm").to_facts()
    for kind, prefix in ((Kind.PULL, ""), (Kind.INSTALL, "Python packages in ")):
        step = Step(kind, "engine_image", f"{prefix}{in_container['image']}", "")
        assert shares._renews_engine(step, in_container, {"images": None})


@pytest.mark.parametrize(
    ("facts", "check", "renewed"),
    [
        ({"thor_plan": {"serving": {"renewed": ["chat"], "moving": ["ear"]}}}, False, ["chat"]),
        # What would be exchanged is not there before the fetch.
        ({"thor_plan": {"serving": {"renewed": ["chat"], "moving": ["ear"]}}}, True, ["chat", "ear"]),
        ({"thor_plan": {"due": []}}, True, []),
        ({}, False, []),
    ],
)
def test_the_role_hands_the_renewed_services_to_the_module(
    facts: dict[str, Any], check: bool, renewed: list[str]
) -> None:
    tasks = yaml.safe_load((ROLE / "tasks/main.yml").read_text(encoding="utf-8"))
    (task,) = [task for task in tasks if "jetson.thor.services" in task]
    known = {"ansible_facts": facts, "ansible_check_mode": check}

    def render(text: str, **more: Any) -> Any:
        return NativeEnvironment().from_string(text).render(**known, **more)

    # As a dictionary's method "update" would be found for a missing key of this name.
    assert render(task["vars"]["__serving_update"]) is False
    planned = {"thor_plan": {**facts.get("thor_plan", {}), "model_store": {"update_models": True}}}
    known["ansible_facts"] = planned
    assert render(task["vars"]["__serving_update"]) is True
    known["ansible_facts"] = facts
    handed_over = render(task["jetson.thor.services"]["renewed"], __serving_plan=render(task["vars"]["__serving_plan"]))
    assert handed_over == renewed


def test_the_digest_on_record_pulled_again_switches_nothing() -> None:
    chat = {**resolved.service("qwen3-8b-vllm").to_facts(), "image_digest": None, "python_packages": []}
    pull = Step(Kind.PULL, "engine_image", chat["image"], "")
    held = {"images": {chat["image"]: {"digest": "sha256:1", "present": False}}}
    assert not shares._renews_engine(pull, chat, held)
    assert not shares._renews_engine(pull, {**chat, "image_digest": "sha256:1"}, held)
    assert shares._renews_engine(pull, {**chat, "image_digest": "sha256:2"}, held)
    assert shares._renews_engine(pull, {**chat, "python_packages": ["a==1"]}, held), "the derived image gets another id"


def test_services_that_a_reboot_may_stop_are_due(served: Served) -> None:
    """Otherwise nobody waits for them before they are verified."""
    facts = [service.to_facts() for service in SERVICES]

    def due(mode: bool, reboot: bool) -> list[str]:
        settings = replace(PLAN, serving=Settings(), power={"reboot": reboot})
        before = [Share("power", section={"mode": mode})]
        return [f"{one.kind} {one.subject}" for one in shares.of_serving(facts, served.facts(), settings, before).steps]

    assert due(mode=True, reboot=True) == ["start chat", "start ear"]
    assert due(mode=True, reboot=False) == due(mode=False, reboot=True) == []


def test_containers_that_a_restart_of_docker_may_stop_are_due() -> None:
    facts = [resolved.service("qwen3-8b-vllm", name="talk").to_facts(), SERVICES[0].to_facts()]
    configured = [Share("container_runtime", section={"configure": True})]
    allowed = replace(PLAN, container_runtime={"allow_restart": True})
    assert list(shares._stopped(facts, allowed, configured)) == ["talk"]
    assert shares._stopped(facts, replace(PLAN, container_runtime={"allow_restart": False}), configured) == {}
    assert shares._stopped(facts, allowed, [Share("container_runtime", section={"configure": False})]) == {}


def test_secrets_the_account_and_an_interrupted_switch_are_work_too(served: Served) -> None:
    host = {**served.facts(), "account": None, "secrets": {"tags": {}, "unused": True}}
    host["serving"]["pending"] = True
    assert steps(host) == ["configure interrupted switch", "configure account thor", "remove unused secrets"]


def test_without_a_look_at_the_host_every_service_is_new() -> None:
    assert steps({}) == ["start chat", "start ear"]


def model_of(name: str) -> dict[str, Any]:
    """The model of a service, as ``thor_services`` tells it."""
    (service,) = [one.to_facts() for one in SERVICES if one.name == name]
    model: dict[str, Any] = service["model"]
    return model


def present(model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What ``thor_host.models`` tells of a model that is there."""
    (source, *_others) = model["sources"]
    origin = {"source": "hub", **source, "commit": None, "include": list(model["include"]), "exclude": []}
    return {**origin, "lock": lock_digest(model["sha256"]), "intact": True, "files": [], **changes}


def told(facts: dict[str, Any], **settings: Any) -> list[tuple[str, str, str]]:
    """The steps of the role serving: kind, subject and reason."""
    services = [one.to_facts() for one in SERVICES]
    chosen = replace(PLAN, serving=Settings(), **settings)
    return [
        (str(one.kind), one.subject, one.reason)
        for one in shares.of_serving(services, {**facts, "units": {}}, chosen, []).steps
    ]


def test_a_service_whose_model_changes_is_replaced_and_says_so(served: Served) -> None:
    model = model_of("chat")
    facts = served.facts()
    assert told({**facts, "models": {model["path"]: present(model)}}) == []
    assert told({**facts, "models": {model["path"]: present(model, revision="older")}}) == [
        ("switch", "chat", "its model changes")
    ]


def test_a_revision_that_waits_is_exchanged_and_one_that_nobody_needs_is_removed(served: Served) -> None:
    model = model_of("chat")
    path, old, new = model["path"], "0" * 64, "1" * 64
    state = {"current": old, "waiting": [new], "before": None}
    facts = served.facts()
    facts["serving"]["models"] = {path: state}
    beside = [present(model, identity=new, supersedes=old)]
    waits = {path: present(model, revision="older", identity=old, beside=beside)}
    assert told({**facts, "models": waits}) == [("switch", "chat", "its model changes")]
    unneeded = {path: present(model, identity=old, beside=[present(model, revision="older", identity=new)])}
    assert told({**facts, "models": unneeded}) == [
        ("remove", f"old files of {path}", "neither a service nor a rollback needs them")
    ]
    facts["serving"]["models"] = {path: {**state, "before": new}}
    assert told({**facts, "models": unneeded}) == [], "a rollback would bring it back"


def test_a_branch_that_is_looked_up_again_may_restart_its_service(served: Served) -> None:
    model = model_of("chat")
    facts = {**served.facts(), "models": {model["path"]: present(model)}}
    found = told(facts, update_models=True)
    assert found == ([] if model["sha256"] else [("check", "chat", "restarts if the branch of its model has moved")])
