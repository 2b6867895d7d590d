# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The hubs that models come from: what each is called, where it is, and which client of its own it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Hub:
    """One kind of hub. ``branch`` is its default branch, ``client`` the virtual environment of its client ``package``."""

    title: str
    endpoint: str
    branch: str
    client: str
    package: str
    token_variable: str
    endpoint_variable: str

    def client_version(self) -> str | None:
        """The version of the client that this host has; None if it has none."""
        prefix = f"{self.package.replace('-', '_')}-"
        for path in Path(self.client).glob(f"lib/python*/site-packages/{prefix}*.dist-info"):
            return path.name.removeprefix(prefix).removesuffix(".dist-info")
        return None


HUBS: Mapping[str, Hub] = {
    "modelscope": Hub(
        title="ModelScope",
        endpoint="https://modelscope.cn",  # the SDK's own DEFAULT_ENDPOINT
        branch="master",
        client="/opt/thor/venv/modelscope",
        package="modelscope-hub",
        token_variable="thor_modelscope_token",
        endpoint_variable="thor_modelscope_endpoint",
    ),
    "huggingface": Hub(
        title="Hugging Face",
        endpoint="https://huggingface.co",  # huggingface_hub.constants.ENDPOINT
        branch="main",
        client="/opt/thor/venv/huggingface",
        package="huggingface-hub",
        token_variable="thor_hf_token",
        endpoint_variable="thor_hf_endpoint",
    ),
}
