# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What templates say about thinking. The templates are the decisive lines of published ones."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.chat_template import thinking

TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% endfor %}"
QWEN3 = TURNS + (
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"
)
QWEN3_THINKING = TURNS + "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}"
QWEN3_INSTRUCT = TURNS + (
    "{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1] %}{%- endif %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
GPT_OSS = (
    '{%- if reasoning_effort is not defined %}{%- set reasoning_effort = "medium" %}{%- endif %}{{- reasoning_effort }}'
    + TURNS
)
QWEN38 = TURNS + (
    "{%- if reasoning_effort is defined and reasoning_effort in ['low', 'medium', 'xhigh'] %}{{ reasoning_effort }}{%- endif %}"
    "{%- if enable_thinking is defined and enable_thinking is false %}x{%- endif %}"
)
NONE = TURNS + "{%- if reasoning_effort == 'none' or reasoning_effort in ('low', 'high') %}x{%- endif %}"
GEMMA4 = TURNS + "{%- if not enable_thinking | default(false) -%}{{- '<|channel>thought\\n<channel|>' -}}{%- endif -%}"

# What follows a question in DeepSeek V3.1, and how Granite 3.3 asks for thoughts.
DEEPSEEK31 = (
    TURNS
    + "{%- if add_generation_prompt %}{%- if not thinking %}{{'</think>'}}{%- else %}{{'<think>'}}{%- endif %}{%- endif %}"
)
GRANITE = "{%- if thinking %}{{- 'Write your thoughts between <think></think>' }}{%- endif %}" + TURNS


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, None),
        ("", None),
        (TURNS, "never"),
        (QWEN3, "switchable"),
        (GEMMA4, "switchable"),
        (QWEN3_THINKING, "always"),
        (QWEN3_INSTRUCT, "never"),
        (DEEPSEEK31, None),
        (GRANITE, None),
        (GPT_OSS, {"argument": "reasoning_effort", "efforts": ["low", "medium", "high"], "off": None}),
        (
            QWEN38,
            {"argument": "reasoning_effort", "efforts": ["low", "medium", "xhigh"], "off": {"enable_thinking": False}},
        ),
        (NONE, {"argument": "reasoning_effort", "efforts": ["low", "high"], "off": {"reasoning_effort": "none"}}),
        ("{# enable_thinking is not read here #}" + TURNS, "never"),
        (TURNS + "{{ 'write enable_thinking' }} or enable_thinking", "never"),
    ],
)
def test_thinking_is_read_from_the_text(template: str | None, expected: Any) -> None:
    assert thinking(template) == expected


@pytest.mark.parametrize(
    "text",
    ["{% if" * 50_000, "{{ '" * 50_000, "'" * 100_000, "{#" * 100_000, "reasoning_effort in [" + "'a'," * 50_000],
)
def test_hostile_templates_do_not_take_long(text: str) -> None:
    assert thinking(text) is not None
