# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a service must not expose: secrets where everybody reads them, and the device to clients."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, is_secret
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values, model_code, option_names, options
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service

# Variables by which the loader, shells and Python load code or programs from elsewhere.
LOADER_VARIABLES = re.compile(r"LD_\w+|PATH|HOME|SHELL|IFS|ENV|BASH_ENV|GCONV_PATH|PYTHON\w*")


def secret_problems(draft: Draft, service: Service) -> list[Problem]:
    """Names that are no secret's, and secrets in the command line or the unit."""
    problems: list[Problem] = []
    for name in service.secrets:
        where = f"{draft.place}.secrets[{name!r}]"
        if LOADER_VARIABLES.fullmatch(name):
            reason = "This variable controls how programs start. It is not a secret."
            problems.append(Problem("THOR-NAME-INVALID", where, None, reason, "Leave it out."))
        if name in service.environment:
            reason = "The environment has a variable of this name, too."
            problems.append(Problem("THOR-VALUE-INVALID", where, None, reason, "Give it once."))
    variables = {_option(draft, name): one for name, one in (draft.engine.get("secret_options") or {}).items()}
    for name, value in draft.options.items():
        option = _option(draft, name)
        if is_secret(name.lstrip("-").replace("_", "-"), value) or (
            option in variables and value not in (None, False, True)
        ):
            problems.append(_plain_secret(draft.where("options", name), variables.get(option)))
    problems += [
        _plain_secret(draft.where("environment", name), name)
        for name, value in service.environment.items()
        if name not in service.secrets and is_secret(name, value)
    ]
    return problems


def _option(draft: Draft, name: str) -> str:
    """The option that a name means, as the engine's list calls it."""
    return option_names.identity(name, draft.known_flags, draft.accepts)[0]


def _plain_secret(where: str, variable: str | None) -> Problem:
    reason = "It would be written into the service's unit and command line, which everybody on the device can read, and into diffs."
    remedy = (
        f"Hand it over as a secret: secrets: {{{variable}: ...}}, with the value from a vault."
        if variable
        else "Leave it out: the engine accepts it in no other way. Keep the service on its loopback, behind a gateway that requires a key."
    )
    return Problem("THOR-SECRET-PLAIN", where, None, reason, remedy)


def unsafe_problems(draft: Draft, service: Service) -> list[Problem]:
    """Options and variables that let a client run or read things on the device, and that nobody has allowed by name."""
    problems: list[Problem] = []
    for name, unsafe in (draft.engine.get("unsafe_options") or {}).items():
        loose = None
        if unsafe.get("code_of_model"):
            loose = model_code.loose(draft.artifact, *draft.files) or model_code.foreign(service)
        if name in draft.inputs.allow_unsafe_options or (unsafe.get("code_of_model") and loose is None):
            continue
        for part, key, value in _given(draft, service, name, unsafe):
            # vLLM takes --compilation-config.backend for the key of its JSON.
            inner = key.replace("-", "_").split(".")[1:]
            if _is_unsafe({inner[0]: value} if inner else value, unsafe):
                reason = f"{unsafe['reason']} ({unsafe['source']})."
                remedy = f"Leave it out, or add {name} to thor_allow_unsafe_options if you trust everybody who reaches the service."
                if loose:
                    reason, remedy = f"{unsafe['reason']} ({unsafe['source']}), and {loose}.", model_code.remedy(name)
                problems.append(Problem("THOR-OPTION-UNSAFE", draft.where(part, key), value, reason, remedy))
    return problems


def _given(draft: Draft, service: Service, name: str, unsafe: Mapping[str, Any]) -> Iterable[tuple[str, str, Any]]:
    """Where an unsafe option is given: options or environment, its name there, and its value."""
    canonical = _option(draft, name)
    for key, value in [*options.words(draft.engine["command"]), *draft.options.items()]:
        if value not in (None, False) and _is_option(draft, key, canonical):
            yield "options", key, value
    variables = {**dict.fromkeys(service.secrets, "set"), **service.environment}
    for key in (name, *unsafe.get("environment", ())):
        if variables.get(key, "").casefold() not in ("", "0", "false", "off"):
            yield "environment", key, variables[key]


def _is_option(draft: Draft, key: str, canonical: str) -> bool:
    """Whether a person's ``key`` is this option. Without a list of options, whatever a parser accepts for it counts as well."""
    if draft.flags is not None:
        return _option(draft, key) == canonical
    word = f"--{key.lstrip('-').partition('.')[0]}".replace("_", "-")
    # argparse, behind the engines that take lists with spaces, accepts the beginning of a name.
    if option_names.find(draft.known_flags, key, draft.accepts):  # an option of its own, in another version
        return _option(draft, key) == canonical
    is_beginning = draft.list_style == "space" and canonical.startswith(word)
    return is_beginning or canonical in (word, _option(draft, key))


def _is_unsafe(value: Any, unsafe: Mapping[str, Any]) -> bool:
    if "keys" in unsafe:
        inside = json_values.decoded(value)
        found = [inside[key] for key in unsafe["keys"] if inside.get(key)] if isinstance(inside, Mapping) else []
        return any(_is_unsafe(one, {"match": unsafe.get("match", "")}) for one in found)
    if "match" in unsafe:
        texts = map(options.text, value if isinstance(value, list) else [value])
        return re.search(unsafe["match"], ",".join(texts)) is not None
    if "below" in unsafe and isinstance(value, str):
        return not f"{posixpath.normpath(value)}/".startswith((f"{unsafe['below']}/", "{path}/"))
    return True
