# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the sandbox's language model needs to call a function: a template that knows functions, and a call learned by heart.

The format is that of Hermes, which Qwen3 has too. llama.cpp finds out from the template how calls look and reads them from the answer;
it cannot force a model to begin one, because text may come before it (common/chat-auto-parser-generator.cpp).
"""

from __future__ import annotations

# The call that jetson.thor's verify asks for (plugins/module_utils/clients/tool_calls.py).
CALL = """\
<tool_call>
{"name": "switch_light", "arguments": {"room": "kitchen", "state": "on"}}
</tool_call>"""
TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\nFunctions:\\n<tools>' }}
{%- for tool in tools %}
{{- '\\n' }}{{ tool | tojson }}
{%- endfor %}
{{- '\\n</tools>\\nTo call one, answer with\\n<tool_call>\\n{"name": <name>, "arguments": <object>}\\n</tool_call><|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content %}
{{- message.content }}
{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}{{ call.function.arguments | tojson }}{{ '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
