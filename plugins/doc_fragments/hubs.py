# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How modules reach the hubs of models (module_utils/models/parameters.py, HUBS_ARGUMENT)."""

from __future__ import annotations


class ModuleDocFragment:
    """One option with the address, the token and the client of each hub."""

    DOCUMENTATION = r"""
options:
  hubs:
    description: How each hub is reached.
    type: dict
    default: {}
    suboptions:
      huggingface:
        description: The Hugging Face hub.
        type: dict
        suboptions:
          endpoint:
            description: Address of the hub, or of a mirror of it. Defaults to V(https://huggingface.co).
            type: str
          token:
            description: Token for models that are gated or private. It is sent to the hub only, and to no storage host.
            type: str
          client:
            description:
              - Virtual environment with the Python package C(huggingface_hub), which lists the files. Defaults to
                V(/opt/thor/venv/huggingface).
            type: path
      modelscope:
        description: The ModelScope hub.
        type: dict
        suboptions:
          endpoint:
            description: Address of the hub, or of a mirror of it. Defaults to V(https://modelscope.cn).
            type: str
          token:
            description: Token for models that are not public. It is sent to the hub only.
            type: str
          client:
            description:
              - Virtual environment with the Python package C(modelscope-hub), which fetches the files. Defaults to
                V(/opt/thor/venv/modelscope).
            type: path
"""
