# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the module verify returns of each request, and its problems with their ways out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

Service = Mapping[str, Any]
Result = dict[str, Any]


def result(service: Service, what: str, problems: Sequence[Problem] = (), state: str = "", **more: Any) -> Result:
    """One entry of what the module returns."""
    state = state or ("failed" if problems else "ok")
    return {
        "name": service["name"],
        "request": what,
        "api": service["api"],
        "endpoint": api.where(service["address"], service["port"], service["api_path"]),
        "seconds": None,
        "tokens": None,
        "tokens_per_second": None,
        "answer": "",
        "problems": [one.as_dict() for one in problems],
        "messages": [one.text() for one in problems],
        "state": state,
        "ok": state == "ok",
        **more,
    }


def problem(code: str, service: Service, value: object, reason: str) -> Problem:
    """A problem of a service, with what to do about it."""
    journal = f"Read sudo journalctl -u {service['unit']}, then run the play again."
    remedy = {
        "THOR-LISTENS-OPEN": f"sudo systemctl cat {service['unit']} shows who changes it; remove that, then run site.yml.",
        "THOR-ANSWER-MISSING": journal,
        "THOR-ANSWER-WRONG": "Check whether playbooks/plan.yml lists this combination as broken, and choose another "
        "version of the engine, another precision or another model.",
        "THOR-ANSWER-THINKING": "The profile's options_not_thinking do not work with this version of the engine: "
        "choose another, or report it.",
        "THOR-ANSWER-UNTHINKING": "Check whether this version of the engine has the model's reasoning parser and takes the model's "
        f"switch for thinking (sudo systemctl cat {service['unit']} shows both), or set thinking: false.",
        "THOR-TOOL-WRONG": "Choose the tool parser that this model needs (options; playbooks/plan.yml shows the command), another "
        "version of the engine, or omit tools.",
        "THOR-LORA-MISSING": f"Read sudo journalctl -u {service['unit']}: the engine says there why it did not load the adapter.",
        "THOR-EMBEDDING-WRONG": "Check that the model is an embedder, and how it pools (pooling of llama.cpp, pooler_config of vLLM); "
        "otherwise choose another version of the engine.",
        "THOR-RERANK-WRONG": "Choose a conversion of the model that has a rank head (models that others have converted often lack it), or "
        "another version of the engine.",
        "THOR-AUDIO-FAILED": "Send another format (verify_audio_file; every engine understands a 16-bit WAV file), have whisper-server "
        f"convert it (options: {{convert: true}}), or see what the engine is missing: sudo journalctl -u {service['unit']}.",
        "THOR-MEDIA-FAILED": "Check that the device reaches the address, and that it is an image; "
        f"sudo journalctl -u {service['unit']} has the engine's messages.",
        "THOR-MEDIA-FOLDER": "Create the folder, or name an existing one in the option of the profile (media-path of llama.cpp, "
        "allowed-local-media-path of vLLM).",
        "THOR-MEDIA-OPEN": "Neither the kernel nor this version of the engine blocks it: block it in the network, or choose another "
        "version of the engine.",
    }[code]
    keys = {
        "THOR-ANSWER-THINKING": ".thinking",
        "THOR-ANSWER-UNTHINKING": ".thinking",
        "THOR-TOOL-WRONG": ".tools",
        "THOR-LORA-MISSING": ".loras",
        "THOR-MEDIA-OPEN": ".remote_media",
        "THOR-MEDIA-FOLDER": ".vision.folder",
    }
    return Problem(code, f"thor_services[{service['name']}]{keys.get(code, '')}", value, reason, remedy)
