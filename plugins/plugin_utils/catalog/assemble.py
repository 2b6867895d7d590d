# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From a draft to a service: its command, its environment, its image or sources, and how it is queried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients.api import API_PATHS
from ansible_collections.jetson.thor.plugins.module_utils.images.environment import container_environment
from ansible_collections.jetson.thor.plugins.module_utils.services import gpu_evidence
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import (
    about_checks,
    budget,
    gguf_files,
    images,
    json_values,
    memory,
    metrics,
    on_demand,
    options,
    package_locks,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import BUILD, ROLES, role_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import (
    CudaCode,
    GenerationConfig,
    Gpu,
    GpuRequest,
    Packages,
    Progress,
    Service,
    Source,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service_load import load_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.vision import (
    blocking_environment,
    remote_media_of,
    vision_of,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.ways import ways_of

# What is None in a service where the inventory's value is unclear, so that nobody draws a conclusion from it.
UNCLEAR = ("version", "port", "memory_gib")
# Options that replace what a model's generation_config.json recommends, or parts of it: of vLLM (config/model.py, get_diff_sampling_param)
# and SGLang (server_args.py). Without them both use it.
SAMPLING = ("generation-config", "override-generation-config", "sampling-defaults", "preferred-sampling-params")


def service_of(draft: Draft) -> Service:
    """The service that a draft describes, whether or not something is wrong with it."""
    engine, profile, known = draft.engine, draft.profile, draft.known
    argv, environment = argv_of(draft), environment_of(draft)
    secrets = tuple(sorted({**(profile.get("secrets") or {}), **(draft.entry.get("secrets") or {})}))
    return Service(
        name=draft.name,
        unit=f"thor-{draft.name}.service",
        unclear=(),
        profile=draft.profile_name,
        engine=draft.engine_name,
        version=draft.version,
        engine_version=known.get("engine_version"),
        flags_checked=draft.flags is not None,
        parser=about_checks.parser_of(draft),
        unlisted=about_checks.unlisted(draft),
        kind=draft.kind,
        role=role_of(engine, draft.kind),
        status=draft.status,
        **_image(draft),
        source=Source.of(engine, known) if draft.kind == BUILD else None,
        packages=_packages(draft),
        ways=ways_of(draft),
        entrypoint=images.entrypoint_of(draft, _of_kind(draft)),
        argv=argv,
        replaced=draft.replaced,
        environment=environment,
        working_directory=engine.get("working_directory"),
        secrets=secrets,
        api_key=next((one for one in [(engine.get("secret_options") or {}).get("api-key")] if one in secrets), None),
        model=draft.artifact,
        files=draft.files,
        derived=_derived(draft),
        about=draft.inputs.about.get(draft.profile["model"]),
        api=draft.api,
        api_path=_api_path(draft),
        served_name=draft.served_name,
        **_reached(draft),
        memory_gib=memory.gibibytes_of(draft),
        memory=memory.memory_of(draft),
        **_memory(draft),
        generation_config=_generation_config(draft),
        thinking=draft.thinking,
        tools=draft.setting("tools"),
        speculative=draft.speculative,
        plain_argv=_plain_argv(draft),
        loras=draft.loras,
        vision=vision_of(draft),
        remote_media=remote_media_of(draft),
        trained=not draft.model.get("untrained", False),
        programs=tuple(sorted({one for key, one in (engine.get("programs") or {}).items() if draft.option(key)})),
        python_packages=_python_packages(draft),
        bench_argv=tuple(draft.fill(word) for word in engine.get("bench") or ()),
        start_timeout=draft.setting("start_timeout", engine.get("start_timeout", 600)),
        health=engine.get("health"),
        metrics_path=metrics.path_of(engine, draft.inputs.metrics, draft.option),
        progress=Progress(**engine["progress"]) if engine.get("progress") else None,
        gpu=_gpu(engine.get("gpu"), argv, environment),
    )


def _reached(draft: Draft) -> dict[str, Any]:
    """Where clients reach the service, and when it runs."""
    return {
        "address": draft.address,
        "port": draft.port,
        "on_demand": on_demand.on_demand_of(draft),
        "exclusive": on_demand.exclusive_of(draft),
    }


def _image(draft: Draft) -> dict[str, Any]:
    """The fields of a service about its image; None where it has none."""
    image = images.reference_of(draft)
    size = draft.known.get("image_bytes", _of_kind(draft).get("bytes", 0))
    return {
        "image": image,
        "image_digest": images.digest_of(draft),
        "image_expected": images.expected_of(draft),
        "image_bytes": size if image else None,
        "image_cuda_code": _cuda_code(_of_kind(draft)) if image else None,
    }


def without(service: Service, unclear: frozenset[str]) -> Service:
    """The service with None in place of values that are unclear."""
    nothing: dict[str, Any] = dict.fromkeys(unclear.intersection(UNCLEAR))
    return replace(service, unclear=tuple(sorted(unclear)), **nothing)


def argv_of(draft: Draft) -> tuple[str, ...]:
    """The whole command: the engine's own words, what the collection sets, and the options."""
    address, port = on_demand.listens_on(draft)
    values = {"served_name": draft.served_name, "address": address, "port": port}
    ours = {option: values[key] for key, option in draft.key_options.items() if draft.said_by_option(key) is None}
    chosen = {**ours, **memory.fraction_option(draft), **draft.filled_options}
    return (
        *gguf_files.command(draft),
        *options.render(chosen, draft.list_style, draft.flags, draft.accepts, draft.known_flags),
    )


def _plain_argv(draft: Draft) -> tuple[str, ...] | None:
    """The command of the same service without speculation."""
    return argv_of(replace(draft, entry={**draft.entry, "speculative": None})) if draft.speculative else None


def environment_of(draft: Draft) -> Mapping[str, str]:
    """The variables of the engine's process; those of a container are complete."""
    merged: dict[str, Any] = {}
    for layer in (draft.engine, _of_kind(draft), draft.known, draft.profile, draft.entry):
        merged.update(layer.get("environment") or {})
    merged.update(blocking_environment(draft))
    environment = {key: str(value) for key, value in merged.items()}
    return container_environment(environment) if draft.is_container else environment


def _memory(draft: Draft) -> dict[str, Any]:
    """The memory part by part, and what it is computed from; None of each where it is not computed."""
    load = load_of(draft)
    parts = budget.parts_of(load) if load else None
    return {
        "memory_parts": parts,
        "memory_load": load.to_facts() if load and parts else None,
        "context": budget.context_of(load) if load and parts else None,
        "sequences": budget.sequences_of(load) if load and parts else None,
    }


def _of_kind(draft: Draft) -> Mapping[str, Any]:
    """What the engine needs only for versions of this kind."""
    spec: Mapping[str, Any] = (draft.engine.get(draft.kind) or {}) if draft.kind in ROLES else {}
    return spec


def _packages(draft: Draft) -> Packages | None:
    """The Python packages of a version that is made of them, with their locks."""
    requirement = draft.known.get("packages")
    if not requirement or not draft.is_version_known:
        return None
    spec = _of_kind(draft)
    return Packages(
        requirement=requirement,
        locks=package_locks.summaries(requirement, draft.catalog.locks),
        apt=tuple(spec.get("apt") or ()),
        cuda_code=_cuda_code(spec),
    )


def _cuda_code(spec: Mapping[str, Any]) -> CudaCode | None:
    """Which files must hold code for the GPU, of engines of which that is known."""
    code = spec.get("cuda_code")
    return CudaCode(required=tuple(code.get("required") or ()), lost=code.get("lost") or {}) if code else None


def _derived(draft: Draft) -> Mapping[str, str]:
    """Where the properties of a service come from that neither a person nor the catalog has written."""
    is_named = draft.setting("served_name") or draft.said_by_option("served_name")
    found = {} if is_named else {"served_name": "the name of its model"}
    used = {
        "thinking": draft.thinking is not None,
        "vision": draft.sees,
        "api": not draft.setting("api"),
        "sampling": draft.api == "chat" and not any(draft.option(one) for one in SAMPLING),
    }
    return {**found, **{key: place for key, place in draft.read.items() if used.get(key)}}


def _api_path(draft: Draft) -> str:
    """Where requests go. Options of the engine may say so, one after the other (whisper-server: a prefix, and the rest)."""
    path: str = draft.engine.get("api_path") or API_PATHS[draft.api]
    parts = [draft.option(option) for option in draft.engine.get("api_path_options") or []]
    if not any(parts):
        return path
    return "".join(str(part) for part in [*parts[:-1], parts[-1] or path] if part)


def _generation_config(draft: Draft) -> GenerationConfig | None:
    """Sampling values that the chat endpoint reads from the model's generation_config.json and from no option."""
    values = json_values.decoded(draft.option(draft.engine.get("chat_sampling_option") or ""))
    if not isinstance(values, Mapping) or not values:
        return None
    return GenerationConfig(path=f"{draft.artifact.path}/generation_config.json", values=dict(values))


def _python_packages(draft: Draft) -> tuple[str, ...]:
    if not draft.is_container:
        return ()
    packages = {**(_of_kind(draft).get("python_packages") or {}), **(draft.known.get("python_packages") or {})}
    return tuple(packages.get(draft.api) or ())


def _gpu(spec: Mapping[str, Any] | None, argv: Sequence[str], environment: Mapping[str, str]) -> Gpu | None:
    """What the engine's log must say about the GPU, and how much of the GPU this service's options ask for."""
    if not spec:
        return None
    asked = gpu_evidence.asked(spec, argv, environment)
    request = GpuRequest(**{**asked, "none": tuple(asked["none"]), "part": tuple(asked["part"])})
    lists = {key: tuple(spec[key]) for key in ("evidence", "revoked", "partial") if key in spec}
    return Gpu(**lists, layers=spec.get("layers"), needs=spec.get("needs"), asked=request)
