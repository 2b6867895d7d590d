# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The keys that engines, models, profiles and services may have, and what their values may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.jetson.thor.plugins.module_utils import real_parser
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import STATE_BYTES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import (
    engine_version,
    kinds,
    option_names,
    shapes,
    thinking,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import HUBS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.budget import WAYS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import Field, needed, nullable

TEXT, PROSE = shapes.TEXT, shapes.PROSE
SWITCH = Field((bool,))
WORDS = Field((list,), items=TEXT)
NAMES = Field((list,), items=shapes.NAME)
# The engine's own options, checked against its list of them.
OPTIONS = Field((dict,), names=shapes.WRITTEN_OPTION, free=True, lines=True)
ENVIRONMENT = Field((dict,), names=shapes.VARIABLE, values=Field((str, int, float)))
SECRETS = Field((dict,), names=shapes.VARIABLE, values=shapes.HANDED_OVER, secret=True)
APIS = ("chat", "transcription", "embedding", "rerank")
API = Field((str,), choices=APIS)
ENGINE_VERSION = shapes.text(engine_version.PATTERN, "a version as the engine reports it, such as 0.33.0")
PORT = Field((int,))  # its range has an error code of its own

# Python packages that an image must have, NAME==VERSION, by the API that needs them.
REQUIREMENTS = Field((list,), items=shapes.REQUIREMENT)
PYTHON_PACKAGES = Field((dict,), keys=dict.fromkeys(APIS, REQUIREMENTS))
# Libraries of an environment (patterns of paths in it) that must hold code for the GPU, and what is lost where others do not.
CUDA_CODE = Field(
    (dict,),
    keys={"required": Field((list,), items=shapes.GLOB), "lost": Field((dict,), names=shapes.GLOB, values=PROSE)},
)

SOURCE = Field(
    (dict,),
    keys={
        "git": shapes.GIT,
        "commit": shapes.COMMIT,
        "archive": shapes.URL,
        "sha256": shapes.SHA256,
        "subdirectory": shapes.FOLDER,
    },
)
# What an engine's log proves about the GPU, and which options ask for less of it: module_utils/services/gpu_evidence.py.
REGEXES = Field((list,), items=shapes.REGEX)
COUNTS = replace(shapes.REGEX, groups=2)
GPU = Field(
    (dict,),
    null=True,
    keys={
        "evidence": needed(REGEXES),
        "revoked": REGEXES,
        "partial": REGEXES,
        "layers": COUNTS,
        "needs": COUNTS,
        "silenced_by": WORDS,
        "options": Field((dict,), keys={"none": WORDS, "part": WORDS, "layers": WORDS, "draft_layers": WORDS}),
    },
)
# Null is a value of its own: plugin_utils/catalog/images.py.
ENTRYPOINT = Field((list,), null=True, items=TEXT)
EXPECTED = Field((dict,), keys=dict.fromkeys(("index", "manifest", "either"), shapes.IMAGE_DIGEST))
ENGINE = Field(
    (dict,),
    keys={
        "title": TEXT,
        "role": Field((str,), choices=kinds.BUILDERS),
        "command": Field((list,), required=True, items=TEXT),
        "working_directory": shapes.PATH,
        "listen": Field((dict,), required=True, keys={"address": needed(shapes.OPTION), "port": needed(shapes.OPTION)}),
        "served_name_option": nullable(shapes.OPTION),
        "profile_options": Field((list,), items=shapes.OPTION),
        "list_style": Field((str,), choices=("space", "comma", "repeat")),
        # Whose options and names of parsers it understands.
        "dialect": Field((str,), choices=tuple(thinking.OPTIONS)),
        # What its parser accepts beside the names in its list (option_names.py), and what replaces options of earlier versions.
        "option_names": Field((list,), items=Field((str,), choices=option_names.ACCEPTED)),
        # Options that name the model or its place, each with what a person sets instead.
        "reserved_options": Field((dict,), names=shapes.OPTION, values=TEXT),
        # Options whose value must be in the list, unless another one brings more.
        "parser_plugins": Field((dict,), names=shapes.OPTION, values=shapes.OPTION),
        "successors": Field((dict,), names=shapes.OPTION, values=OPTIONS),
        "api": needed(API),
        "apis": Field((list,), items=API),
        "api_options": Field((dict,), keys=dict.fromkeys(API.choices, OPTIONS)),
        "api_path": shapes.URL_PATH,
        "api_path_options": Field((list,), items=shapes.OPTION),
        "port": needed(PORT),
        "loopback_only": PROSE,
        "health": nullable(shapes.URL_PATH),
        "start_timeout": shapes.SECONDS,
        "progress": Field((dict,), null=True, keys={"path": shapes.URL_PATH, "match": needed(shapes.REGEX)}),
        # Its own page of metrics, and the options that switch it on.
        "metrics": Field((dict,), null=True, keys={"path": needed(shapes.URL_PATH), "options": OPTIONS}),
        "gpu": GPU,
        "environment": ENVIRONMENT,
        "options": OPTIONS,
        "programs": Field((dict,), names=shapes.OPTION, values=shapes.PROGRAM),
        "vision": Field(
            (dict,),
            keys={
                "projector": shapes.OPTION,
                "switch": shapes.OPTION,  # False keeps the engine from loading a projector
                "folder": shapes.OPTION,
                "file_url": TEXT,
                "block_remote_media": Field((dict,), keys={"environment": ENVIRONMENT}),
            },
        ),
        "bench": WORDS,
        # Whose parser knows the options, if it can be asked on the device.
        "parser": nullable(Field((str,), choices=real_parser.ENGINES)),
        # What only versions with an image, or only those made of Python packages, need.
        "image": Field(
            (dict,),
            keys={
                "environment": ENVIRONMENT,
                "bytes": shapes.BYTES,
                "download_bytes": shapes.BYTES,
                "entrypoint": ENTRYPOINT,
                "python_packages": PYTHON_PACKAGES,
                "cuda_code": CUDA_CODE,
            },
        ),
        "packages": Field(
            (dict,),
            keys={
                "environment": ENVIRONMENT,
                "apt": Field((list,), items=shapes.DEBIAN_PACKAGE),
                "cuda_code": CUDA_CODE,
            },
        ),
        "memory": Field(
            (dict,),
            null=True,
            keys={
                "option": needed(shapes.OPTION),
                "of": Field((str,), required=True, choices=("total", "free")),
                "overhead_gib": needed(shapes.number(0, 4096)),
            },
        ),
        # How the memory of its services is computed (plugin_utils/catalog/budget.py), and what its process takes beside that.
        "computed": Field(
            (dict,),
            keys={
                "like": Field((str,), required=True, choices=tuple(WAYS)),
                "process_gib": needed(shapes.number(0, 4096)),
            },
        ),
        # Options that take a secret, and the variable with the same effect; null where there is none.
        "secret_options": Field((dict,), names=shapes.OPTION, values=nullable(shapes.VARIABLE)),
        # Options and variables that let a client run or read things on the device. "keys" restricts that to these keys of its
        # JSON, "match" to values that the expression matches, and "below" to folders outside this one.
        "unsafe_options": Field(
            (dict,),
            names=shapes.OPTION,
            values=Field(
                (dict,),
                keys={
                    "reason": needed(PROSE),
                    "source": needed(PROSE),
                    "environment": Field((list,), items=shapes.VARIABLE),
                    "keys": WORDS,
                    "match": shapes.REGEX,
                    "below": shapes.PATH,
                    "code_of_model": Field((bool,)),
                },
            ),
        ),
        "chat_sampling_option": nullable(shapes.OPTION),
        "source": SOURCE,
        "version": needed(shapes.VERSION),
        "versions": Field(
            (dict,),
            required=True,
            names=shapes.VERSION,
            values=Field(
                (dict,),
                keys={
                    "commit": shapes.COMMIT,
                    "source": SOURCE,
                    "engine_version": ENGINE_VERSION,
                    "flags": ENGINE_VERSION,
                    "cuda": TEXT,
                    "released": nullable(TEXT),
                    "digest": shapes.DIGEST,
                    "entrypoint": ENTRYPOINT,
                    "expected": EXPECTED,
                    "image": shapes.IMAGE,
                    "image_bytes": shapes.BYTES,
                    "download_bytes": shapes.BYTES,
                    "python_packages": PYTHON_PACKAGES,
                    "packages": shapes.REQUIREMENT,
                    "environment": ENVIRONMENT,
                    "options": OPTIONS,
                    "origin": PROSE,
                },
            ),
        ),
        "note": PROSE,
    },
)
# What a model keeps of each token and sequence: module_utils/models/geometry.py.
SIZE = shapes.whole(1, 2**40)
GEOMETRY = Field(
    (dict,),
    keys={
        "attention": Field(
            (list,),
            required=True,
            items=Field(
                (dict,),
                keys={
                    **dict.fromkeys(("layers", "kv_heads", "key_dim"), needed(SIZE)),
                    "value_dim": needed(shapes.whole(0, 2**40)),
                    "window": SIZE,
                    "encoder": SIZE,
                },
            ),
        ),
        "state": Field(
            (dict,),
            keys={
                **dict.fromkeys(("layers", "values", "channels", "width"), needed(SIZE)),
                "dtype": Field((str,), choices=tuple(STATE_BYTES)),
            },
        ),
        **dict.fromkeys(("layers", "hidden"), needed(SIZE)),
        **dict.fromkeys(("vocabulary", "context", "draft_layers"), SIZE),
    },
)
REVISION = replace(
    shapes.REVISION, types=(str, dict), keys=dict.fromkeys(HUBS, shapes.REVISION)
)  # the same for every hub, or one for each
# A word is an effort: what the model's template calls it.
EFFORT = shapes.text(r"[a-z][a-z0-9_-]{0,31}", "a word such as low, medium or high")
MODEL_THINKING = Field(
    (str, dict),
    pattern="never|always|switchable",
    wants="never, always, switchable, or a mapping of argument, efforts, off and default",
    keys={
        "argument": needed(shapes.VARIABLE),
        "efforts": Field((list,), required=True, items=EFFORT),
        "off": Field((dict,), null=True, names=shapes.VARIABLE, free=True),
        "default": Field((str, bool), pattern=EFFORT.pattern, wants=EFFORT.wants),
    },
)
PARSERS = Field((dict,), names=shapes.NAME, values=shapes.NAME)  # by engine
MODEL = Field(
    (dict,),
    keys={
        **{hub: nullable(shapes.REPOSITORY) for hub in HUBS},
        "local": nullable(shapes.LOCAL),
        "url": nullable(shapes.URL),
        "revision": nullable(REVISION),
        "include": Field((list,), items=shapes.GLOB),
        "exclude": Field((list,), items=shapes.GLOB),
        "path": nullable(shapes.MODEL_FOLDER),
        "file": nullable(shapes.FILE),
        "projector": nullable(shapes.FILE),
        "checksum": nullable(shapes.CHECKSUM),
        "precision": TEXT,
        "bytes": nullable(shapes.BYTES),
        "active_bytes": nullable(shapes.BYTES),
        "estimated": SWITCH,
        "geometry": nullable(GEOMETRY),
        "context": shapes.whole(1, 10**9),
        "parsers": Field((dict,), keys={"reasoning": PARSERS, "tools": PARSERS}),
        "thinking": MODEL_THINKING,
        "vision": SWITCH,
        "untrained": SWITCH,
        "api": API,
        "unpinned": PROSE,
        "unverified": PROSE,
        "origin": PROSE,
        "note": PROSE,
    },
)
STATUS = Field(
    (dict,),
    keys={
        "state": Field((str,), required=True, choices=("works", "broken", "untested")),
        "versions": NAMES,  # names of the catalog
        "engine_versions": Field((list,), items=ENGINE_VERSION),
        "from": ENGINE_VERSION,
        "before": ENGINE_VERSION,
        "reason": PROSE,
        "origin": PROSE,
    },
)
# How a service thinks: at all, or with which effort.
THINKING = Field((bool, str), pattern=EFFORT.pattern, wants=f"true, false or {EFFORT.wants}")
SPECULATIVE = Field(
    (dict,),
    null=True,
    keys={
        "method": Field((str,), required=True, choices=("eagle3", "mtp", "dspark", "dflash", "draft", "ngram")),
        "model": shapes.NAME,
        "tokens": shapes.whole(1, 128),
    },
)
LORAS = Field((list,), items=Field((dict,), keys={"name": needed(shapes.SERVED_NAME), "model": needed(shapes.NAME)}))
ON_DEMAND = Field((dict,), null=True, keys={"idle": needed(shapes.IDLE), "port": PORT})
PROFILE = Field(
    (dict,),
    keys={
        "engine": needed(shapes.NAME),
        "model": needed(shapes.NAME),
        "version": shapes.VERSION,
        "title": TEXT,
        "served_name": shapes.SERVED_NAME,
        "thinking": THINKING,
        "tools": SWITCH,
        "speculative": SPECULATIVE,
        "loras": LORAS,
        "options": OPTIONS,
        "options_thinking": OPTIONS,
        "options_not_thinking": OPTIONS,
        "files": NAMES,
        "files_not_thinking": NAMES,
        "memory_gib": shapes.GIBIBYTES,
        "start_timeout": shapes.SECONDS,
        "api": API,
        "environment": ENVIRONMENT,
        "secrets": SECRETS,
        "port": PORT,
        "on_demand": ON_DEMAND,
        "exclusive": nullable(shapes.GROUP),
        "remote_media": SWITCH,
        "status": Field((list,), items=STATUS),
        "note": PROSE,
    },
)
# What an inventory may say about one service in thor_profiles.
SERVICE = Field(
    (dict,),
    keys={
        # A profile, or a model and the engine that serves it.
        "profile": TEXT,
        "model": TEXT,
        "engine": TEXT,
        "name": TEXT,
        "version": TEXT,
        "thinking": THINKING,
        "tools": SWITCH,
        "speculative": SPECULATIVE,
        "loras": LORAS,
        "api": API,
        "served_name": shapes.SERVED_NAME,
        "address": TEXT,
        "port": PORT,
        "on_demand": ON_DEMAND,
        "exclusive": nullable(shapes.GROUP),
        "options": OPTIONS,
        "files": NAMES,
        "environment": ENVIRONMENT,
        "secrets": SECRETS,
        "remote_media": SWITCH,
        "memory_gib": shapes.GIBIBYTES,
        "start_timeout": shapes.SECONDS,
    },
)
# What an inventory says about all services of a host, in thor_<key>.
HOST: Mapping[str, Field] = {
    "engine_versions": Field((dict,), names=shapes.NAME, values=shapes.VERSION),
    "address": TEXT,
    "allow_unauthenticated": SWITCH,
    "allow_broken": SWITCH,
    "allow_unsafe_options": Field((list,), items=shapes.OPTION),
    "ngc_registry": shapes.REGISTRY,
    "package_locks": shapes.text(r"(/[^\\]*)?", "an absolute path, or empty"),
    "device_memory_gib": shapes.GIBIBYTES,
    "hubs": Field((list,), items=Field((str,), choices=tuple(HUBS))),
    "metrics": SWITCH,
}
NOUNS: Mapping[str, Field] = {"engines": ENGINE, "models": MODEL, "profiles": PROFILE}
