# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Python files that a model brings and an engine runs (``trust-remote-code``): allowed where they can only ever be the same."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.model_origin import COMMIT
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import elsewhere, options
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.named_files import INSTALLED
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import (
    AnyArtifact,
    HubArtifact,
    LocalArtifact,
    Service,
    UrlArtifact,
)

# As vLLM and SGLang write it. Of engines without a stored list argparse accepts its beginning as well.
OPTION = "trust-remote-code"


def loose(*artifacts: AnyArtifact) -> str | None:
    """Why the code of these models may change, of the first whose code may; None if every one of them is pinned."""
    for one in artifacts:
        if isinstance(one, LocalArtifact):
            return f"{one.path} is somebody's own folder, whose files may change"
        if isinstance(one, UrlArtifact) and not one.checksum:
            return f"{one.url} has neither a commit nor a checksum, so what it delivers may change"
        if isinstance(one, HubArtifact) and not one.sha256:
            for source in one.sources:
                if not COMMIT.fullmatch(source.revision):
                    return f"the revision {source.revision} of {source.id} is not a commit, so its code may change"
    return None


def foreign(service: Service) -> str | None:
    """Why code may change that a service takes from elsewhere: of a model that an option names and that is not one of its own."""
    own = [one.path for one in (service.model, *service.files)]
    for option, value in elsewhere.named(service.argv):
        name = option if option.startswith("-") else f"--{option}"
        if value.startswith("/"):
            if not f"{posixpath.normpath(value)}/".startswith((*(f"{path}/" for path in own), *INSTALLED)):
                return f"{value} ({name}) is a folder whose files may change"
        elif not elsewhere.is_offline(service.kind, service.environment):
            return f"the engine fetches {value} ({name}) by itself, so its code may change"
    return None


def remedy(name: str) -> str:
    """The way out."""
    return (
        "Pin the model: its revision as a commit, 40 hexadecimal digits (thor_extra_models, or the lock); a second one or a tokenizer "
        "is an entry of thor_extra_models, too (speculative, files). Or leave the option out, or add "
        f"{name} to thor_allow_unsafe_options if you trust whoever may change that code."
    )


def runs(service: Mapping[str, Any]) -> bool:
    """Whether a service in ``thor_services`` runs the code of its models."""
    return any(OPTION.startswith(name) for name, _value in options.words(service["argv"]))


def lines(services: Iterable[Mapping[str, Any]], host: Mapping[str, Any]) -> list[str]:
    """What a person should know: which code runs, in words. ``host`` is ``thor_host``, or empty."""
    return [
        f"{service['name']}: runs {_files(code)} of {one['sources'][0]['id']} at {_at(one, held)}"
        for service, one, held, code in _codes(services, host)
        if held is None or code["files"]
    ]


def problems(services: Iterable[Mapping[str, Any]], host: Mapping[str, Any]) -> Iterator[Problem]:
    """Python files that somebody has put beside the hashed ones of a model whose code runs."""
    for service, one, _held, code in _codes(services, host):
        if code and code["unlisted"]:
            reason = (
                f"{', '.join(code['unlisted'])} in {one['path']} was not fetched with the model, so its hash is not known, and the engine "
                "may run it."
            )
            yield Problem(
                "THOR-CODE-UNKNOWN",
                f"thor_services[{service['name']!r}].model",
                one["key"],
                reason,
                "Move it out of that folder.",
            )


def _codes(
    services: Iterable[Mapping[str, Any]], host: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any] | None, Mapping[str, Any]]]:
    """Services that run code, each of their models from a hub, what the host has of it, and the Python files there."""
    for service in services:
        if runs(service):
            for one in (service["model"], *service["files"]):
                if one["source"] == "hub":
                    held = (host.get("models") or {}).get(one["path"])
                    yield service, one, held, (held or {}).get("code") or {"files": 0, "unlisted": []}


def _files(code: Mapping[str, Any]) -> str:
    count = code["files"]
    return f"{count} Python file{'s' if count != 1 else ''}" if count else "the Python files"


def _at(artifact: Mapping[str, Any], held: Mapping[str, Any] | None) -> str:
    wanted: str = artifact["sources"][0]["revision"]
    commit = wanted if COMMIT.fullmatch(wanted) else (held or {}).get("commit")
    return str(commit)[:12] if commit else wanted
