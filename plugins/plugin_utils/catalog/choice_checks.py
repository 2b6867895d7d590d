# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a service asks of its model and its engine, and cannot have: thinking, tools, speculation, adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import (
    adapters,
    json_values,
    option_names,
    speculation,
    thinking,
    tools,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Speculative


def choice_problems(draft: Draft) -> list[Problem]:
    """All of them."""
    return _api(draft) or [*_thinking(draft), *_tools(draft), *_speculation(draft), *_adapters(draft)]


def _api(draft: Draft) -> list[Problem]:
    apis = draft.engine.get("apis") or [draft.api]
    if draft.api in apis:
        return []
    where = draft.where("api") if draft.setting("api") else f"{draft.place} model"
    others = [name for name, engine in draft.catalog.engines.items() if draft.api in (engine.get("apis") or ())]
    reason = f"{draft.engine_name} does not have this API. It has: {', '.join(apis)}."
    return [Problem("THOR-API-UNSUPPORTED", where, draft.api, reason, f"Choose another engine: {', '.join(others)}.")]


def _thinking(draft: Draft) -> list[Problem]:
    wanted, said = draft.setting("thinking"), draft.model.get("thinking")
    if isinstance(wanted, str) and draft.is_unread("thinking") and wanted not in thinking.EFFORTS:
        remedy = (
            f"{nearest(wanted, thinking.EFFORTS)} If the model's template has words of its own, name them: "
            f"thor_extra_models[{draft.profile['model']!r}].thinking."
        )
        return [Problem("THOR-THINKING-FIXED", draft.where("thinking"), wanted, "No engine knows this effort.", remedy)]
    if (
        wanted is None
        or draft.thinking is not None
        or draft.is_unread("thinking")
        or (said == "always" and wanted is True)
    ):
        return []
    model, can = draft.profile["model"], _thoughts(said)
    if wanted not in can:
        reason = f"The model {model} cannot think like that."
        remedy = f"It can: {', '.join(map(_word, can))}." if can else "Leave the key out."
        if not can:
            reason = f"Thinking cannot be switched in the model {model}."
            if said is None:
                reason = f"Nothing says how thinking is switched in the model {model}."
                remedy = "Leave the key out, or say what the model can (key thinking in thor_extra_models)."
        return [Problem("THOR-THINKING-FIXED", draft.where("thinking"), wanted, reason, remedy)]
    if draft.has_no_template:
        reason = (
            f"{draft.engine_name} takes the effort of the model {model} from each request alone (reasoning_effort)."
        )
        remedy = "Leave the key out, and let clients say it."
        return [Problem("THOR-THINKING-FIXED", draft.where("thinking"), wanted, reason, remedy)]
    option = thinking.OPTIONS.get(draft.dialect or "")
    reason = (
        f"The profile {draft.profile_name} does not say how thinking is switched (options_not_thinking), and {draft.label} has no option "
        "for it."
    )
    remedy = f"Leave the key out{_versions_with(draft, option)}."
    return [Problem("THOR-THINKING-FIXED", draft.where("thinking"), wanted, reason, remedy)]


def _thoughts(said: Any) -> list[Any]:
    """What a service may ask of a model; empty where nothing can be chosen."""
    if isinstance(said, Mapping):
        return [True, *([False] if thinking.off_of(said) is not None else []), *said["efforts"]]
    return {"switchable": [True, False], "always": [True]}.get(said, [])


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _versions_with(draft: Draft, option: str | None) -> str:
    """The versions of this engine whose lists have an option, for a remedy."""
    versions = [
        version
        for version, flags in draft.catalog.lists_of(draft.engine_name).items()
        if option and option_names.find(flags, option)
    ]
    return (
        f", or choose a version of {draft.engine_name} that has --{option}: {', '.join(versions)}" if versions else ""
    )


def _tools(draft: Draft) -> list[Problem]:
    if not draft.setting("tools"):
        return []
    reason, remedy = "", "Leave the key out."
    if draft.api != "chat":
        reason = f"Its API is {draft.api}: only a chat calls tools."
    elif draft.dialect not in tools.SWITCHES:
        reason = f"{draft.engine_name} has no calls of tools."
    elif draft.dialect in tools.NAMED and not draft.option(tools.TOOLS):
        reason = f"The model {draft.profile['model']} does not say which parser reads its calls of tools in {draft.engine_name}."
        known = option_names.named(draft.known_flags, tools.TOOLS)
        choices = (draft.known_flags[known.option].get("choices") if known else None) or []
        remedy = f"Write parsers: {{tools: {{{draft.dialect}: NAME}}}} of the model, or the option {tools.TOOLS}. {draft.label} knows: "
        remedy = f"{remedy}{', '.join(choices) or 'what its documentation says'}."
    return [Problem("THOR-TOOLS-UNKNOWN", draft.where("tools"), True, reason, remedy)] if reason else []


def _speculation(draft: Draft) -> list[Problem]:
    asked = draft.speculative
    if asked is None:
        return []
    where, method, dialect = draft.where("speculative"), asked.method, draft.dialect or ""
    if draft.api != "chat":
        reason = f"Its API is {draft.api}: only a chat writes tokens that can be guessed."
        return [Problem("THOR-SPECULATIVE-UNKNOWN", f"{where}.method", method, reason, "Leave the key out.")]
    if dialect not in speculation.OPTIONS:
        reason = f"{draft.engine_name} has no speculative decoding."
        return [Problem("THOR-SPECULATIVE-UNKNOWN", f"{where}.method", method, reason, "Leave the key out.")]
    if asked.model is None and method in speculation.NEEDS_MODEL:
        reason = f"The method {method} needs a model that guesses."
        remedy = "Write model: KEY, with its key in thor_extra_models."
        return [Problem("THOR-SPECULATIVE-MODEL", f"{where}.model", None, reason, remedy)]
    if asked.model is not None and method not in speculation.TAKES_MODEL:
        reason = f"The method {method} takes no model: it repeats what stands in the text."
        return [Problem("THOR-SPECULATIVE-MODEL", f"{where}.model", asked.model.key, reason, "Leave it out.")]
    known = draft.methods
    if speculation.name_of(dialect, method, asked.model is not None, known) is None:
        return [_unknown_method(draft, f"{where}.method", method, known or ())]
    if dialect == "llama.cpp" and asked.model and not (asked.model.file or "").endswith(".gguf"):
        reason = "llama.cpp loads the model that guesses from one GGUF file, and this model does not name it."
        remedy = f"Write its file: thor_extra_models[{asked.model.key!r}].file."
        return [Problem("THOR-SPECULATIVE-MODEL", f"{where}.model", asked.model.key, reason, remedy)]
    if asked.tokens is None and method in speculation.NEEDS_TOKENS.get(dialect, ()):
        reason = f"{draft.engine_name} does not start with {method} unless it is told how many tokens to guess at once."
        return [Problem("THOR-KEY-MISSING", f"{where}.tokens", None, reason, "Add it, for example tokens: 3.")]
    return _said_otherwise(draft, asked)


def _said_otherwise(draft: Draft, asked: Speculative) -> list[Problem]:
    """Options that change what the key says: memory, plan and bench go by the key."""
    problems = []
    for option, value in speculation.options(draft.dialect or "", asked, draft.methods).items():
        found = json_values.decoded(draft.filled_option(option))
        parts = (
            {key: found.get(key) for key in value}
            if isinstance(value, Mapping) and isinstance(found, Mapping)
            else found
        )
        if str(parts) != str(value):
            names = (name for name in draft.entry.get("options") or {} if draft.means(name, option))
            name = next(names, None)
            where = draft.where("options", option) if name is None else f"{draft.place}.options[{name!r}]"
            reason = "The key speculative says otherwise, and memory, plan and bench go by it."
            remedy = "Write one of them. To keep the option, set speculative: null."
            problems.append(Problem("THOR-FLAG-TWICE", where, draft.option(option), reason, remedy))
    return problems


def _unknown_method(draft: Draft, where: str, method: str, known: Any) -> Problem:
    dialect, has_model = draft.dialect or "", bool(draft.speculative and draft.speculative.model)
    names, option = set(speculation.names_of(dialect, method, has_model)), speculation.OPTIONS[dialect]
    first = next(
        (
            version
            for version, flags in draft.catalog.lists_of(draft.engine_name).items()
            if names & set(speculation.known_in(flags, option) or ())
        ),
        None,
    )
    reason = f"{draft.label} does not know this method. It knows: {', '.join(speculation.methods_of(dialect, known)) or 'none'}."
    remedy = f"Choose version {first} or later, or another method." if first else "Choose another method or engine."
    return Problem("THOR-SPECULATIVE-UNKNOWN", where, method, reason, remedy)


def _adapters(draft: Draft) -> list[Problem]:
    where, loras = draft.where("loras"), draft.loras
    if not loras:
        return []
    names = [one.name for one in loras]
    if draft.dialect not in adapters.DIALECTS:
        reason = f"{draft.engine_name} takes no LoRA adapters."
        return [Problem("THOR-LORA-UNSUPPORTED", where, names, reason, "Leave the key out.")]
    problems = [
        Problem(
            "THOR-VALUE-INVALID",
            f"{where}[{index}].name",
            name,
            "Clients choose between the model and its adapters by name, and this name is taken.",
            "Give it another one.",
        )
        for index, name in enumerate(names)
        if name == draft.served_name or name in names[:index]
    ]
    if draft.dialect == "llama.cpp":
        problems += [
            Problem(
                "THOR-LORA-UNSUPPORTED",
                f"{where}[{index}].model",
                one.key,
                "llama.cpp loads an adapter from one GGUF file, and this model does not name it.",
                "Write file: FILE.gguf of the model.",
            )
            for index, one in enumerate(loras)
            if not one.path.endswith(".gguf")
        ]
    if draft.dialect == "sglang" and "enable-lora" not in draft.inputs.allow_unsafe_options:
        reason = "With adapters, SGLang lets every client load files as further ones (POST /load_lora_adapter, entrypoints/http_server.py)."
        remedy = "Serve it with vLLM, or add enable-lora to thor_allow_unsafe_options if you trust everybody who reaches the service."
        problems.append(Problem("THOR-OPTION-UNSAFE", where, names, reason, remedy))
    return problems
