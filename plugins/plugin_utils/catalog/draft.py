# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One entry of ``thor_profiles`` together with everything in the catalog that it refers to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import (
    adapters,
    engine_version,
    metrics,
    option_names,
    speculation,
    thinking,
    tools,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import artifact_of, name_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.described import described, is_needed
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import IMAGE, PACKAGES, kind_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.options import Flags
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import AnyArtifact, Lora, Speculative, Status


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A service before it is resolved: an entry laid over its profile, engine and model.

    ``entry`` holds the valid keys of what a person wrote, ``place`` says where: ``thor_profiles[0]``. ``unclear`` are keys whose
    intended value is unknown, because it is invalid or its key is misspelled: no conclusion is drawn from the default in its place.
    ``model`` has what the model says of itself beside what the catalog says; ``read`` names these keys and where each was read.
    """

    entry: Mapping[str, Any]
    place: str
    unclear: frozenset[str]
    inputs: Inputs
    catalog: Catalog
    profile_name: str
    profile: Mapping[str, Any]
    engine_name: str
    engine: Mapping[str, Any]
    model: Mapping[str, Any]
    about: About | None  # what the model says of itself; None while nobody has looked
    read: Mapping[str, str]
    version: str  # the catalog may not have it
    known: Mapping[str, Any]  # what the catalog says about this version
    flags: Flags | None  # the options that this version has; None where no list is stored
    list_style: str  # how the engine takes lists: with spaces, with commas, or the option repeated
    kind: str  # build, image or packages
    is_version_known: bool  # whether the catalog has the version, and it is what was meant
    replaced: Mapping[str, str] = field(default_factory=dict)  # options of earlier versions, with what they are today

    @property
    def is_container(self) -> bool:
        """Whether the service runs in a container, which sees /models and no other folder of the device."""
        return self.kind == IMAGE

    @property
    def name(self) -> str:
        """What the service is called: by itself, or like its profile, or like its model where it has no profile."""
        inline = re.sub(r"[^a-z0-9]+", "-", self.profile["model"].lower()).strip("-")
        name: str = self.entry.get("name", inline if self.is_inline else self.profile_name)
        return name

    @property
    def is_inline(self) -> bool:
        """Whether the entry names a model and an engine, and no profile."""
        return "profile" not in self.entry

    @property
    def served_name(self) -> str:
        """What clients call the model."""
        name: str = self.setting("served_name") or self.said_by_option("served_name") or name_of(self.model)
        return name

    @property
    def thinking(self) -> bool | str | None:
        """Whether the service thinks, or its effort; None where that cannot be switched, or not to what is wanted."""
        if self.api != "chat":
            return None
        own_way = bool(self.profile.get("options_not_thinking"))
        return thinking.chosen(self.model.get("thinking"), self._wanted_thinking, self._takes_arguments, own_way)

    @property
    def _wanted_thinking(self) -> Any:
        """What the entry or the profile wants, by the key or by the template's argument itself; None where neither says it."""
        option, wanted = thinking.OPTIONS.get(self.dialect or "", ""), self.setting("thinking")
        for layer in (self.entry, self.profile) if wanted is None else ():
            written = option_names.value_of(layer.get("options") or {}, option, self.known_flags, self.accepts)
            wanted = thinking.written(written) if wanted is None else wanted
        return wanted

    @property
    def _takes_arguments(self) -> bool:
        """Whether this version has an option for default arguments of the chat template; a version without a list is asked."""
        option = thinking.OPTIONS.get(self.dialect or "")
        if self.has_no_template:
            return False
        return option is not None and (self.flags is None or option_names.find(self.flags, option) is not None)

    @property
    def has_no_template(self) -> bool:
        """Whether the engine builds this model's prompts without its chat template."""
        parsers = (self.model.get("parsers") or {}).get("tools") or {}
        return parsers.get(self.dialect) in thinking.WITHOUT_TEMPLATE.get(self.dialect or "", ())

    @property
    def dialect(self) -> str | None:
        """The engine whose options and names this one understands: vllm, sglang or llama.cpp; None of others."""
        return self.engine.get("dialect")

    @property
    def label(self) -> str:
        """The engine and its version, for people."""
        return f"{self.engine_name} {self.version}"

    @property
    def api(self) -> str:
        """What clients ask of the service: chat, transcription, embedding or rerank."""
        api: str = self.setting("api") or self.model.get("api") or self.engine["api"]
        return api

    @property
    def methods(self) -> Collection[str] | None:
        """The methods of speculative decoding of this version; None where no list says them, or there are none."""
        option = speculation.OPTIONS.get(self.dialect or "")
        return speculation.known_in(self.flags, option) if option and self.flags is not None else None

    @cached_property
    def status(self) -> Status:
        """The first statement of the profile that covers the version.

        Nobody has tried a version of the inventory's own. But its Python packages are the engine's own release, so what the catalog
        says about that release holds.
        """
        is_own = (self.engine_name, self.version) in self.catalog.foreign
        is_said = not is_own or self.profile_name in self.catalog.own_status
        real = self.known.get("engine_version") if is_said or self.kind == PACKAGES else None
        for statement in (self.profile.get("status") or []) if self.is_version_known else []:
            is_named = self.version in statement.get("versions", ()) or not engine_version.is_scoped(statement)
            if (is_said and is_named) or (real and engine_version.covers(statement, real)):
                return Status(state=statement["state"], reason=statement.get("reason", ""))
        return Status(state="untested", reason="")

    @cached_property
    def inherited_options(self) -> Mapping[str, Any]:
        """The engine's, its version's and the profile's options, those of its API, and the model's projector and parsers."""
        chosen: dict[str, Any] = self._projector_option
        parsers = tools.options(self.dialect, self.model.get("parsers") or {}, self.setting("tools"))
        for layer in (
            self.engine.get("options"),
            self.known.get("options"),
            (self.engine.get("api_options") or {}).get(self.api),
            parsers if self.api == "chat" else None,
            metrics.options(self.engine, self.inputs.metrics),
            self.profile.get("options"),
        ):
            chosen = option_names.lay_over(chosen, layer or {}, self.known_flags, self.accepts)
        if self.thinking is not None:
            more = self.profile.get("options_thinking" if self.thinking else "options_not_thinking") or {}
            chosen = option_names.lay_over(chosen, more, self.known_flags, self.accepts)
        return option_names.lay_over(chosen, self._choices, self.known_flags, self.accepts)

    @property
    def _choices(self) -> dict[str, Any]:
        """The options for what the service asks of its model: speculation, adapters, thinking."""
        found: dict[str, Any] = {}
        if self.speculative and self.dialect:
            found.update(speculation.options(self.dialect, self.speculative, self.methods))
        found.update(adapters.options(self.dialect, self.loras))
        own_way = self.profile.get("options_thinking") or self.profile.get("options_not_thinking")
        if self.thinking is not None and self._takes_arguments and not own_way:
            arguments = thinking.arguments(self.model.get("thinking"), self.setting("thinking"), self._wanted_thinking)
            found.update({thinking.OPTIONS[self.dialect or ""]: arguments} if arguments else {})
        return found

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """All options. Mappings (JSON arguments) are merged, so that one sampling value can be changed without repeating the others."""
        chosen = option_names.lay_over(
            self.inherited_options, self.entry.get("options") or {}, self.known_flags, self.accepts
        )
        if self._is_off(chosen):
            return {key: one for key, one in chosen.items() if (key, one) not in self._projector_option.items()}
        return chosen

    @property
    def _projector_option(self) -> dict[str, Any]:
        """The engine's option with the model's projector, where there is one."""
        option, projector = (self.engine.get("vision") or {}).get("projector"), self.model.get("projector")
        return {option: f"{{path}}/{projector}"} if option and projector else {}

    def _is_off(self, options: Mapping[str, Any]) -> bool:
        """Whether an option keeps the engine from loading a projector."""
        switch = (self.engine.get("vision") or {}).get("switch")
        if switch is None:
            return False
        return option_names.value_of(options, switch, self.known_flags, self.accepts) is False

    @property
    def sees(self) -> bool:
        """Whether clients may show images: the model sees them, and no option of the engine switches that off."""
        return bool(self.model.get("vision")) and not self._is_off(self.options)

    @property
    def accepts(self) -> tuple[str, ...]:
        """What the engine's parser accepts beside the names in its list (option_names.py)."""
        return tuple(self.engine.get("option_names") or ())

    @property
    def known_flags(self) -> Flags:
        """The options of this version; where no list is stored, those of another version, which say how names are written."""
        return self.catalog.some_flags_of(self.engine_name) if self.flags is None else self.flags

    def option(self, name: str) -> Any:
        """The value of an option under any of its names; None where it is not set, False for a negated switch."""
        return option_names.value_of(self.options, name, self.known_flags, self.accepts)

    def filled_option(self, name: str) -> Any:
        """The same, with the paths of the model's files in it."""
        return option_names.value_of(self.filled_options, name, self.known_flags, self.accepts)

    def spelled(self, name: str) -> str:
        """The name by which an option was set, or ``name`` where it is not."""
        return next((one for one in self.options if self.means(one, name)), name)

    def means(self, one: str, other: str) -> bool:
        """Whether two names are those of one option."""
        names = (option_names.identity(name, self.known_flags, self.accepts)[0] for name in (one, other))
        return next(names) == next(names)

    @cached_property
    def filled_options(self) -> Mapping[str, Any]:
        """All options, with the paths of the model's files in place of {path} and {file}."""
        return {key: self._filled(value) for key, value in self.options.items()}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        return self.fill(value) if isinstance(value, str) else value

    @cached_property
    def artifact(self) -> AnyArtifact:
        """The files of the model."""
        return artifact_of(self.profile["model"], self.model, self.catalog.lock, self.inputs.hubs)

    @cached_property
    def files(self) -> tuple[AnyArtifact, ...]:
        """Files that the service needs beside its model: those of the profile, the model that guesses, and adapters."""
        keys = [*(self.profile.get("files") or ()), *(self.entry.get("files") or ())]
        if self.thinking is False:
            keys += self.profile.get("files_not_thinking") or []
        if self.speculative and self.speculative.model:
            keys.append(self.speculative.model.key)
        keys += [one.key for one in self.loras]
        return tuple(self._artifact(key) for key in dict.fromkeys(keys))

    @cached_property
    def speculative(self) -> Speculative | None:
        """How the engine guesses tokens; None where nobody asked for it."""
        said = self.setting("speculative")
        if not said:
            return None
        key = said.get("model")
        model = self._artifact(key) if key else None
        return Speculative(method=said["method"], tokens=said.get("tokens"), model=model)

    @cached_property
    def loras(self) -> tuple[Lora, ...]:
        """The adapters of the service."""
        found = ((one, self._artifact(one["model"])) for one in self.setting("loras") or ())
        return tuple(
            Lora(name=one["name"], key=files.key, path=f"{files.path}/{files.file}" if files.file else files.path)
            for one, files in found
        )

    def _artifact(self, key: str) -> AnyArtifact:
        return artifact_of(key, self.catalog.models[key], self.catalog.lock, self.inputs.hubs)

    @property
    def address(self) -> str:
        """The address that the service listens on."""
        address: str = self.entry.get("address") or self.said_by_option("address") or self.inputs.address
        return address

    @property
    def key_options(self) -> dict[str, str]:
        """The keys of a service that the engine is told with an option, each with that option."""
        found = {"served_name": self.engine.get("served_name_option"), **self.engine["listen"]}
        return {key: option for key, option in found.items() if option}

    def said_by_option(self, key: str) -> str | None:
        """The value of such a key where an entry without a profile has the option in its place, as commands of model cards do."""
        option = self.key_options.get(key)
        if not self.is_inline or not option or key in self.entry or key in self.unclear:
            return None
        value = option_names.value_of(self.entry.get("options") or {}, option, self.known_flags, self.accepts)
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, bool) or not isinstance(first, str | int | float):
            return None  # refused by flag_checks
        # Further names that clients may use (--served-model-name of vLLM, --alias of llama.cpp).
        return str(first).partition(",")[0] if key == "served_name" and self.list_style == "comma" else str(first)

    @property
    def is_local(self) -> bool | None:
        """Whether only the device itself reaches the address; None where nothing can listen on it.

        A zone (fe80::1%eth0) may hold any character, and no engine accepts one.
        """
        try:
            found = ipaddress.ip_address(self.address)
        except ValueError:
            return None
        return None if "%" in self.address or found.is_multicast else found.is_loopback

    @property
    def port(self) -> int:
        """The port that the service listens on."""
        said = self.said_by_option("port")
        if said is not None:
            return int(said) if re.fullmatch(r"[0-9]{1,5}", said) else 0  # refused by checks
        port: int = self.setting("port", self.engine["port"])
        return port

    def is_unread(self, key: str) -> bool:
        """Whether only the model's own files say this about it, and nobody has looked at them yet."""
        return self.about is None and self.model.get(key) is None and is_needed(self.model, self.artifact)

    def setting(self, key: str, default: Any = None) -> Any:
        """A key of the entry, or else of the profile."""
        return self.entry.get(key, self.profile.get(key, default))

    def fill(self, word: str) -> str:
        """A word of a command or an option, with the paths of the model's files in it."""
        return word.replace("{path}", self.artifact.path).replace(
            "{file}", f"{self.artifact.path}/{self.artifact.file}"
        )

    def where(self, key: str, name: str | None = None) -> str:
        """Where a person finds a key, or a name below it, such as options['ctx-size']: in the entry or in its profile."""
        name = self.spelled(name) if name is not None and key == "options" else name
        is_own = key in self.entry if name is None else name in (self.entry.get(key) or {})
        path = key if name is None else f"{key}[{name!r}]"
        return f"{self.place}.{path}" if is_own else f"{self.place} (from the profile {self.profile_name}) {path}"


def draft(entry: Mapping[str, Any], place: str, unclear: frozenset[str], inputs: Inputs, catalog: Catalog) -> Draft:
    """The draft of a valid entry, whose profile, or else whose engine and model, are in the catalog."""
    profile_name = entry.get("profile") or inline_name(entry)
    profile = catalog.profiles[profile_name] if "profile" in entry else {key: entry[key] for key in ("engine", "model")}
    own = catalog.models[profile["model"]]
    about = about_of(profile["model"], catalog, inputs)
    model, read = described(own, about)
    name = profile["engine"]
    engine = catalog.engines[name]
    version = entry.get("version", inputs.engine_versions.get(name, profile.get("version", engine["version"])))
    return Draft(
        entry=entry,
        place=place,
        unclear=unclear,
        inputs=inputs,
        catalog=catalog,
        profile_name=profile_name,
        profile=profile,
        engine_name=name,
        engine=engine,
        model=model,
        about=about,
        read=read,
        version=version,
        known=engine["versions"].get(version) or {},
        flags=catalog.flags_of(name, version),
        list_style=engine.get("list_style", "space"),
        kind=kind_of(engine, version),
        is_version_known="version" not in unclear and version in engine["versions"],
    )


def inline_name(entry: Mapping[str, Any]) -> str:
    """What takes the place of the profile's name where an entry names a model and an engine: MODEL-ENGINE."""
    return f"{entry['model']}-{entry['engine']}".replace(".", "-")


def about_of(key: str, catalog: Catalog, inputs: Inputs) -> About | None:
    """What a model says of itself, with the projector that the catalog names for it; None while nobody has looked."""
    said = inputs.about.get(key)
    return About.from_facts(said).with_projector(catalog.models[key].get("projector")) if said else None
