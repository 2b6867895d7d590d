# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of jobs."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.models import fetch
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import slug


def test_names_of_jobs_are_valid_unit_names() -> None:
    assert slug("Qwen/Qwen3-8B-GGUF") == "qwen-qwen3-8b-gguf"
    spec = {"source": "hub", "sources": [{"id": "Qwen/Qwen2.5-VL-7B-Instruct-AWQ"}]}
    assert fetch.job_name(spec) == "fetch-qwen-qwen2.5-vl-7b-instruct-awq"
