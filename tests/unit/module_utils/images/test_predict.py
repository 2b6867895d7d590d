# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a run would do."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.images import predict, record
from image_runs import SGLANG, VLLM, image, spec


def test_a_host_without_docker_can_be_predicted() -> None:
    todo = predict.predict(spec(image(), image(SGLANG)), record.read_record(), record.Local([]))
    assert (todo["pull"], todo["check"]) == ([VLLM, SGLANG], [VLLM, SGLANG])
    assert predict.lines_after(todo, record.read_record()) == [f"{SGLANG} (pulled)", f"{VLLM} (pulled)"]
