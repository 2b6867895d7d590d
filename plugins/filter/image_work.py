# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done about the images of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_work
short_description: What has to be done about the images of a host
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Tells which images the services of a host need, and what has to be done about them - pull, check the GPU, prune.
positional: host, require_gpu, prune
options:
  _input:
    description: The resolved services, C(ansible_facts['thor_services']).
    type: list
    elements: dict
    required: true
  host:
    description: What was observed, C(ansible_facts['thor_host']).
    type: dict
    required: true
  require_gpu:
    description: Whether a container must have found a GPU.
    type: bool
    default: true
  prune:
    description: Whether images that no service needs any more are removed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what would be done about images
  ansible.builtin.debug:
    msg: "{{ (ansible_facts['thor_services'] | jetson.thor.image_work(ansible_facts['thor_host']))['todo'] }}"
"""

RETURN = r"""
_value:
  description: C(images), all that are needed, each once, and C(todo), a line for each thing to do.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.plan import images


class FilterModule:
    """Filters of images."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {"image_work": images.work}
