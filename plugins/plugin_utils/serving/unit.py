# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The systemd unit of a service: what ``roles/serving/templates/service.j2`` is filled with."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.jetson.thor.plugins.module_utils.services import parts, quoting
from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import FOLDER
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import BUILD, IMAGE, PACKAGES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import HubArtifact, Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import container, python_environment
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.support_files import SUPERVISOR

TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "serving" / "templates"
# NVIDIA's own device nodes come and go with its modules, so the unit names them by their class.
BY_CLASS = ("/dev/nvidia", "/dev/dri/")


def text(service: Service, host: Mapping[str, Any], settings: Settings, secret_tag: str | None) -> str:
    """The unit file. ``host`` is ``thor_host``; ``secret_tag`` names the file of the service's secrets, where it has any."""
    return template("service.j2").render(**context(service, host, settings, secret_tag))


def context(service: Service, host: Mapping[str, Any], settings: Settings, secret_tag: str | None) -> dict[str, Any]:
    """What the template needs to know; every value is a list of words, a text, or a truth value."""
    home = f"/var/cache/thor/{service.name}"
    supervisor = ["/usr/bin/python3", "-I", SUPERVISOR, "--config", f"/etc/thor/services/{service.name}.json"]
    in_container = service.kind == IMAGE
    engine, environment = _process(service, host, settings, home)
    nodes = sorted(host["device_nodes"])
    return {
        "container": in_container,
        "on_demand": service.on_demand is not None,
        "turn": parts.exclusive_of(service.name) if service.exclusive else None,
        "description": f"jetson.thor: {description_of(service)}",
        "installation": python_environment.installation(service, host) if service.kind == PACKAGES else None,
        "needs_network": not _is_loopback(service.engine_address),
        "mounts": list(dict.fromkeys(one.path for one in (service.model, *service.files))),
        "command": [*supervisor, "--", *engine],
        "remove_command": [*supervisor, "--remove"],
        "environment": sorted((f"{key}={value}" for key, value in environment.items()), key=str.lower),
        "secrets": f"/{FOLDER}/{service.name}-{secret_tag or 'new'}.env" if service.secrets else None,
        "working_directory": home if in_container else service.working_directory or home,
        "identifier": f"thor-{service.name}",
        "cache": f"thor/{service.name}",
        "restart_steps": (host["systemd"] or 0) >= 254,
        "stop_timeout": settings.stop_timeout + 30,
        "groups": [*sorted({"render", "video"} & set(host["groups"])), "thor"],
        "block_remote_media": service.kind == BUILD and service.remote_media is False,
        "only_loopback": service.kind == PACKAGES and not service.remote_media and _is_loopback(service.engine_address),
        "private_devices": in_container or (not nodes and not settings.require_gpu),
        "device_nodes": [node for node in nodes if not node.startswith(BY_CLASS)],
        "has_device_nodes": bool(nodes),
    }


def _process(
    service: Service, host: Mapping[str, Any], settings: Settings, home: str
) -> tuple[list[str], Mapping[str, str]]:
    """The command that the supervisor starts, and the variables of the unit."""
    if service.kind == IMAGE:
        # For docker's client, which must not read a person's configuration: neither contexts and proxies nor keys.
        return container.run_command(service, host, settings), {"HOME": home, "DOCKER_CONFIG": f"{home}/docker"}
    if service.kind == PACKAGES:
        tree = python_environment.tree(service, host)
        environment: Mapping[str, str] = python_environment.variables(service, tree, home)
    else:
        tree = _tree(service, host)
        environment = {"HOME": home, "XDG_CACHE_HOME": home, **service.environment}
    return [f"{tree}/bin/{service.argv[0]}", *service.argv[1:]], environment


def _tree(service: Service, host: Mapping[str, Any]) -> str:
    """The folder of the engine's build; in a plan before the build the link that will lead to it."""
    built = ((host.get("builds") or {}).get(service.engine) or {}).get(service.version) or {}
    return str(built.get("path") or f"/opt/thor/engines/{service.engine}/{service.version}")


def description_of(service: Service) -> str:
    """A service in a few words: its name, its model and its engine."""
    model = service.model
    named = f"{model.id}@{model.revision}" if isinstance(model, HubArtifact) else model.key
    return f"{service.name}, {named} with {service.engine} {service.version}"


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


@cache
def template(name: str) -> jinja2.Template:
    """A template of a unit, with the filters that quote."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(command=quoting.command, words=quoting.word_list, text=quoting.text)
    return environment.get_template(name)
