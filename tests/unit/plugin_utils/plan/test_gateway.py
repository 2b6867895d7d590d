# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the gateway's share of a plan, and of what is refused for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.module_utils.certificate import SOON_DAYS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Lora
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import certificates
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.wanted import Wanted, digest, of_variables
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import gateway
from sample_host import HOST

NOW = datetime.now(UTC)
KEY = "0123456789-0123456789"
CHAT = replace(resolved.service(resolved.LLAMA, name="chat"), served_name="qwen3").to_facts()
KEYS: dict[str, Any] = {"robot7": {"key": KEY, "models": ["qwen3"]}}


def given(folder: Path, settings: Any = True, keys: Any = None, **more: Any) -> dict[str, Any]:
    """``__gateway_planned`` of a host."""
    return {
        "settings": settings,
        "keys": KEYS if keys is None else keys,
        "profiles": [],
        "extra_profiles": {},
        "name": "thor01",
        "host": "10.0.0.7",
        "folder": str(folder),
        "metrics": False,
        **more,
    }


def wanted(folder: Path, settings: Any = True, keys: Any = None, **more: Any) -> Wanted:
    found = of_variables(given(folder, settings, keys, **more), NOW)
    assert found is not None
    return found


def deployed(found: Wanted, services: list[dict[str, Any]]) -> dict[str, Any]:
    """A host that has this gateway."""
    files = {
        one.path: {"digest": digest(found.digest_key, one.content), "mode": one.mode} for one in found.files(services)
    }
    there = {"files": files, "missing": [], "unavailable": [], "nginx": True, "enabled_modules": []}
    units = {**HOST["units"], "thor-gateway.service": {"active": "active", "enabled": True}}
    return {**HOST, "gateway": there, "units": units}


def steps(host: dict[str, Any], found: Wanted | None, services: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(str(one.kind), one.subject) for one in gateway.share(services, host, found).steps]


def codes(found: Wanted, host: dict[str, Any] | None = None, services: list[dict[str, Any]] | None = None) -> list[str]:
    return [one.code for one in gateway.problems([CHAT] if services is None else services, host, found)]


def test_a_bare_host_gets_everything(tmp_path: Path) -> None:
    kinds = steps(dict(HOST), wanted(tmp_path), [CHAT])
    assert kinds[:3] == [("install", "nginx"), ("install", "libnginx-mod-http-lua"), ("write", "certificate of thor01")]
    assert kinds[-1] == ("start", "gateway") and "gateway files" in kinds[-2][1]
    assert not list(tmp_path.iterdir()), "a plan writes nothing"


@pytest.mark.parametrize(
    ("nginx", "enabled", "disabled"),
    [
        (True, ["50-mod-http-geoip.conf"], ["10-mod-http-ndk.conf", "50-mod-http-lua.conf"]),
        (True, ["10-mod-http-ndk.conf"], ["50-mod-http-lua.conf"]),
        (False, [], []),
    ],
)
def test_an_nginx_of_the_host_does_not_load_what_only_the_gateway_needs(
    tmp_path: Path, nginx: bool, enabled: list[str], disabled: list[str]
) -> None:
    host = {**HOST, "gateway": {"files": {}, "missing": ["nginx"], "nginx": nginx, "enabled_modules": enabled}}
    assert gateway.share([CHAT], host, wanted(tmp_path)).section["disable_modules"] == disabled


def test_a_host_that_has_it_has_nothing_to_do(tmp_path: Path) -> None:
    found = wanted(tmp_path).renewed("thor01", NOW)
    assert steps(deployed(found, [CHAT]), wanted(tmp_path), [CHAT]) == []


@pytest.mark.parametrize(
    ("keys", "files"),
    [
        ({"robot7": {"key": KEY[::-1], "models": ["qwen3"]}}, "clients.lua"),
        ({"robot7": {"key": KEY, "models": "all"}}, "clients.lua"),
    ],
)
def test_a_changed_key_is_seen_and_only_its_file_differs(tmp_path: Path, keys: Any, files: str) -> None:
    before = wanted(tmp_path).renewed("thor01", NOW)
    after = replace(wanted(tmp_path, keys=keys), digest_key=before.digest_key)
    (step,) = gateway.share([CHAT], deployed(before, [CHAT]), after).steps
    assert (str(step.kind), step.reason) == ("write", files)
    # With the digests that an observation of that inventory makes, the plan sees a change as well.
    assert steps(deployed(before, [CHAT]), wanted(tmp_path, keys=keys), [CHAT])


def test_other_services_change_the_routes(tmp_path: Path) -> None:
    found = wanted(tmp_path).renewed("thor01", NOW)
    other = {**CHAT, "port": 8123}
    (step,) = gateway.share([other], deployed(found, [CHAT]), found).steps
    assert step.reason == "services.lua"


def test_a_certificate_is_renewed_before_its_end(tmp_path: Path) -> None:
    found = wanted(tmp_path).renewed("thor01", NOW)
    later = of_variables(given(tmp_path), NOW + timedelta(days=300))
    assert later is not None and later.renewal == "it ends in 64 days"
    assert steps(deployed(found, [CHAT]), later, [CHAT]) == [("write", "certificate of thor01")]


def test_a_gateway_that_is_down_is_started_and_one_that_nobody_wants_is_removed(tmp_path: Path) -> None:
    found = wanted(tmp_path).renewed("thor01", NOW)
    host = deployed(found, [CHAT])
    down = {**host, "units": {"thor-gateway.service": {"active": "failed", "enabled": True}}}
    assert steps(down, found, [CHAT]) == [("start", "gateway")]
    assert steps(host, None, [CHAT]) == [("remove", "gateway")]
    assert gateway.share([CHAT], host, None).section == {"state": "absent", "packages": []}
    assert steps(dict(HOST), None, [CHAT]) == []


def test_no_section_and_no_step_holds_a_secret(tmp_path: Path) -> None:
    found = wanted(tmp_path).renewed("thor01", NOW)
    share = gateway.share([CHAT], dict(HOST), found)
    text = str(share)
    assert KEY not in text and found.gateway.clients[0].sha256 not in text and found.digest_key not in text


def test_one_name_for_two_services_is_refused(tmp_path: Path) -> None:
    other = {**CHAT, "name": "chat2", "port": 8001}
    (problem,) = gateway.problems([CHAT, other], None, wanted(tmp_path))
    assert (problem.code, problem.value) == ("THOR-GATEWAY-NAME-TWICE", "qwen3")
    adapter = {**other, "served_name": "other", "loras": [{"name": "qwen3"}]}
    assert codes(wanted(tmp_path), None, [CHAT, adapter]) == ["THOR-GATEWAY-NAME-TWICE"]
    assert gateway.problems([CHAT, other], None, None) == []


def test_a_key_that_opens_nothing_because_of_a_misspelled_model_is_refused(tmp_path: Path) -> None:
    found = wanted(tmp_path, keys={"robot7": {"key": KEY, "models": ["speech", "qwen", "eyes"]}})
    (problem,) = gateway.problems([CHAT], None, found)
    assert problem.code == "THOR-GATEWAY-KEY-MODEL" and "qwen3" in problem.remedy
    assert problem.variable == "thor_gateway_keys['robot7'].models[1]"
    assert gateway.problems([], None, found, complete=False) == [], "the service itself has a problem"


@pytest.mark.parametrize(
    ("models", "missing"),
    [
        (["chat"], ""),
        ("all", ""),
        (["chat", "speech", "eyes"], "speech, eyes"),
        (["speech"], "speech"),
        (["chat", "qwen"], "qwen"),
        (["qwen2"], "qwen2"),
    ],
)
def test_a_fleet_may_have_one_list_of_keys(tmp_path: Path, models: Any, missing: str) -> None:
    """What this host does not have is a note of its plan: another host has it, or nobody."""
    found = wanted(tmp_path, keys={"robot7": {"key": KEY, "models": models}})
    assert gateway.problems([CHAT], None, found) == []
    notes = gateway.share([CHAT], dict(HOST), found).notes
    assert notes == (
        (f"thor_gateway_keys['robot7']: {missing}: no service of this host has this name.",) if missing else ()
    )


def test_a_key_for_an_adapter_needs_an_engine_that_goes_by_the_model_alone(tmp_path: Path) -> None:
    """llama.cpp applies whatever the field ``lora`` of a request says, SGLang what ``lora_path`` says."""
    adapter = replace(resolved.service(resolved.LLAMA, name="chat"), loras=(Lora(name="drives", key="d", path="/d"),))
    for service, models, expected in (
        (adapter, ["drives"], ["THOR-GATEWAY-KEY-MODEL"]),
        (adapter, ["drives", "chat"], []),
        (replace(adapter, argv=("vllm", "serve", "--enable-lora", "--lora-modules", "drives=/d")), ["drives"], []),
    ):
        found = wanted(tmp_path, keys={"robot7": {"key": KEY, "models": models}})
        assert codes(found, None, [service.to_facts()]) == expected


def test_the_port_of_another_web_server_is_left_to_it(tmp_path: Path) -> None:
    theirs = {"port": 443, "address": "0.0.0.0", "pid": 7, "process": "nginx", "unit": "nginx.service"}
    host = {**HOST, "listening": [theirs]}
    (problem,) = gateway.problems([CHAT], host, wanted(tmp_path))
    assert problem.code == "THOR-GATEWAY-PORT-TAKEN" and "nginx (pid 7, nginx.service)" in problem.reason
    assert codes(wanted(tmp_path, {"port": 8443}), host) == []
    ours = {**HOST, "listening": [{**theirs, "unit": "thor-gateway.service"}]}
    assert codes(wanted(tmp_path), ours) == []
    elsewhere = {**HOST, "listening": [{**theirs, "address": "10.0.0.9"}]}
    assert codes(wanted(tmp_path, {"address": "10.0.0.7"}), elsewhere) == []


@pytest.mark.parametrize(("written", "is_on"), [(True, True), ("yes", True), ("no", False), ("perhaps", False)])
def test_metrics_are_shown_where_thor_metrics_is_on(tmp_path: Path, written: Any, is_on: bool) -> None:
    assert wanted(tmp_path, metrics=written).gateway.metrics is is_on


def test_a_gateway_without_any_key_is_refused(tmp_path: Path) -> None:
    assert codes(wanted(tmp_path, keys={})) == ["THOR-GATEWAY-KEYS-NONE"]


def test_the_port_of_a_service_is_refused(tmp_path: Path) -> None:
    assert codes(wanted(tmp_path, {"port": CHAT["port"]})) == ["THOR-GATEWAY-PORT-TAKEN"]


def test_the_port_of_the_node_exporter_is_refused_before_it_is_there(tmp_path: Path) -> None:
    host = {**HOST, "listening": []}
    assert codes(wanted(tmp_path, {"port": 9100}, metrics=True), host) == ["THOR-GATEWAY-PORT-TAKEN"]
    assert codes(wanted(tmp_path, {"port": 9100}), host) == []


@pytest.mark.parametrize("body", ["513m", "1g", "9999999999", (512 << 20) + 1])
def test_a_body_that_never_has_room_is_refused(tmp_path: Path, body: Any) -> None:
    (problem,) = wanted(tmp_path, {"body": body}).problems
    assert (problem.code, problem.variable, problem.value) == ("THOR-GATEWAY-BODY", "thor_gateway.body", body)
    assert problem.remedy == "Write at most 512m."
    assert codes(wanted(tmp_path, {"body": "512m"})) == []


def test_plain_http_is_for_loopback_alone(tmp_path: Path) -> None:
    assert codes(wanted(tmp_path, {"tls": False})) == ["THOR-GATEWAY-PLAIN"]
    found = wanted(tmp_path, {"tls": False, "address": "127.0.0.1", "port": 8080})
    assert codes(found) == [] and found.renewal is None and found.gateway.certificate == ""


def test_an_address_must_be_one(tmp_path: Path) -> None:
    assert codes(wanted(tmp_path, {"address": "::1::2"})) == ["THOR-VALUE-INVALID"]


def test_packages_that_no_source_has_are_refused(tmp_path: Path) -> None:
    host = {**HOST, "gateway": {"files": {}, "missing": ["nginx"], "unavailable": ["nginx"]}}
    assert codes(wanted(tmp_path), host) == ["THOR-GATEWAY-PACKAGE"]


def own(folder: Path, now: datetime, key: str | None = None, names: Sequence[str] = ("thor01",)) -> dict[str, Any]:
    """A certificate of one's own, made at a time."""
    authority = certificates.make_authority(now)
    pair = certificates.make_certificate(authority, names, now)
    (folder / "own.crt").write_text(pair.certificate, encoding="utf-8")
    (folder / "own.key").write_text(key or pair.key, encoding="utf-8")
    return {"certificate": {"cert": "own.crt", "key": "own.key"}}


def test_a_certificate_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    found = wanted(tmp_path, own(tmp_path, NOW))
    assert codes(found) == [] and found.renewal is None and found.renewed("thor01", NOW) is found
    contents = {one.path: one for one in found.files([CHAT])}
    assert contents["/etc/thor/gateway/tls.key"].secret and contents["/etc/thor/gateway/tls.key"].mode == "0600"
    assert contents["/etc/thor/gateway/tls.crt"].content == (tmp_path / "own.crt").read_text(encoding="utf-8")


def test_a_wrong_certificate_of_ones_own_is_refused(tmp_path: Path) -> None:
    def reasons(settings: dict[str, Any]) -> list[str]:
        found = gateway.problems([CHAT], None, wanted(tmp_path, settings))
        assert {one.code for one in found} == {"THOR-GATEWAY-CERTIFICATE"}
        return [one.reason for one in found]

    assert "does not belong" in reasons(own(tmp_path, NOW, key=certificates.make_authority(NOW).key))[0]
    assert "ended on" in reasons(own(tmp_path, NOW - timedelta(days=400)))[0]
    assert "valid from" in reasons(own(tmp_path, NOW + timedelta(days=2)))[0]
    assert len(reasons({"certificate": {"cert": "absent.crt", "key": "absent.key"}})) == 2
    assert "signed by the authority" in reasons({**own(tmp_path, NOW), "ca_dir": "x"})[0]


def test_a_certificate_of_ones_own_must_be_for_the_names_that_clients_use(tmp_path: Path) -> None:
    def reasons(names: Sequence[str], called: Sequence[str] = ()) -> list[str]:
        settings = {**own(tmp_path, NOW, names=names), **({"names": list(called)} if called else {})}
        return [one.text() for one in wanted(tmp_path, settings).problems]

    for fitting in (["thor01"], ["10.0.0.7"], ["thor01", "robots.example"]):
        assert reasons(fitting) == []
    for fitting in (["robots.example"], ["*.example"]):
        assert reasons(fitting, ["robots.example"]) == [], "the inventory's own names are not for clients"
    assert reasons(["fd00::7"], ["fd00:0:0::7"]) == []
    (other,) = reasons(["robots.example"])
    assert "is for robots.example, not for thor01, 10.0.0.7" in other and "thor_gateway.names" in other
    (missing,) = reasons(["thor01"], ["robots.example"])
    assert "is for thor01, not for robots.example" in missing and "take them out of thor_gateway.names" in missing


def test_the_end_of_a_certificate_of_ones_own_is_announced(tmp_path: Path) -> None:
    def notes(days: float) -> tuple[str, ...]:
        settings = own(tmp_path, NOW - timedelta(days=certificates.HOST_DAYS - days))
        return gateway.share([CHAT], dict(HOST), wanted(tmp_path, settings)).notes

    assert notes(SOON_DAYS + 0.1) == ()
    (note,) = notes(SOON_DAYS - 0.1)
    day = (NOW + timedelta(days=SOON_DAYS - 0.1)).strftime("%Y-%m-%d")
    assert f"thor_gateway.certificate.cert: the certificate ends on {day}, in {SOON_DAYS - 1} days. " in note
    renewed_by_us = of_variables(given(tmp_path), NOW)
    assert renewed_by_us is not None and renewed_by_us.notes == ()


def test_a_damaged_authority_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    wanted(tmp_path).renewed("thor01", NOW)
    (tmp_path / "thor-ca/ca.key").unlink()
    assert codes(wanted(tmp_path)) == ["THOR-GATEWAY-CA"]


def test_a_clock_before_the_certificate_is_refused(tmp_path: Path) -> None:
    found = wanted(tmp_path).renewed("thor01", NOW)
    past = {"time": (NOW - timedelta(days=700)).timestamp(), "synchronized": False, "behind_s": 700 * 86400}
    assert codes(found, {**HOST, "clock": past}) == ["THOR-CLOCK-WRONG"]
    assert codes(found, {**HOST, "clock": {**past, "time": NOW.timestamp()}}) == []


def test_mistakes_that_resolve_reports_are_not_repeated(tmp_path: Path) -> None:
    assert of_variables(given(tmp_path, "yes"), NOW) is None
    assert of_variables(given(tmp_path, True, {"robot7": 1}), NOW) is None
    assert of_variables(given(tmp_path, False), NOW) is None
    assert codes(wanted(tmp_path, profiles=[{"profile": "x", "secrets": 1}])) == []


def test_an_engine_gets_its_own_key_from_the_gateway(tmp_path: Path) -> None:
    service = {**CHAT, "api_key": "LLAMA_API_KEY"}
    profiles = [{"profile": "x", "name": "chat", "secrets": {"LLAMA_API_KEY": "of-the-engine", "OTHER": "not-this"}}]
    found = wanted(tmp_path, profiles=profiles)
    texts = {one.path.rpartition("/")[2]: one for one in found.files([service])}
    assert "of-the-engine" in texts["engine_keys.lua"].content and texts["engine_keys.lua"].secret
    assert not [name for name, one in texts.items() if "not-this" in one.content]


def test_the_digests_depend_on_every_secret(tmp_path: Path) -> None:
    keys = [
        wanted(tmp_path).digest_key,
        wanted(tmp_path, keys={"robot7": {"key": KEY[::-1], "models": "all"}}).digest_key,
        wanted(tmp_path, profiles=[{"profile": "x", "name": "chat", "secrets": {"A": "bbbbbbbb"}}]).digest_key,
    ]
    assert len(set(keys)) == 3
