# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How an action passes a recording on the controller to its module."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

# vLLM's default limit (VLLM_MAX_AUDIO_CLIP_FILESIZE_MB).
LARGEST = 25 * 1024 * 1024  # bytes
# Sent unless a variable names another one.
RECORDING = Path(__file__).resolve().parents[2] / "roles" / "verify" / "files" / "speech.wav"


def carry(args: Mapping[str, Any], services: Iterable[Mapping[str, Any]], variable: str) -> dict[str, Any]:
    """``args`` with ``audio``, the content of the file ``audio_file`` (RECORDING by default) in base64, if a service transcribes.

    ``audio_file`` becomes its bare name. ``variable`` is the name of the setting. Raises AnsibleActionFail with a code.
    """
    given = {key: value for key, value in args.items() if key != "audio"}
    path = given.pop("audio_file", None)
    if not any(service.get("api") == "transcription" for service in services):
        return given
    file = Path(path).expanduser() if path else RECORDING
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _failed(variable, file, f"it cannot be read: {error.strerror}") from None
    if not 0 < len(content) <= LARGEST:
        raise _failed(variable, file, f"it has {len(content)} bytes, and engines accept at most {LARGEST}")
    return {**given, "audio_file": file.name, "audio": base64.b64encode(content).decode()}


def _failed(variable: str, path: Path, reason: str) -> AnsibleActionFail:
    return AnsibleActionFail(
        f"THOR-AUDIO-FILE: {variable} = {path}: {reason}. Name a recording on this machine, the controller."
    )
