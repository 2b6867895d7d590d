# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The proxy of a site, as modules take it. It may hold a password, so it is in no fact."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy
short_description: The proxy of a site, as the option O(jetson.thor.hub_model#module:proxy) of modules
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Turns C(thor_proxy) into the option O(jetson.thor.hub_model#module:proxy), which every module of this collection has that fetches
    something.
  - The result may hold a password. Do not put it into a task's C(environment), because Ansible writes that on a command line.
options:
  _input:
    description: An address for http and https, or a mapping with C(http), C(https) and C(no_proxy). Empty means none.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Fetch a model through the proxy of the site
  jetson.thor.url_model:
    url: https://example.org/small.bin
    path: /models/small
    file: small.bin
    proxy: "{{ thor_proxy | default('') | jetson.thor.proxy }}"
"""

RETURN = r"""
_value:
  description: A mapping with C(http), C(https) and C(no_proxy); empty without a proxy.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.proxy import Proxy


def proxy(value: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """The option ``proxy`` of modules."""
    return Proxy.of(value).as_dict()


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"proxy": proxy}
