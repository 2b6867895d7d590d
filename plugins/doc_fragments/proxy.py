# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How modules that fetch something are given the proxy of a site (module_utils/proxy.py, ARGUMENT)."""

from __future__ import annotations


class ModuleDocFragment:
    """One option with the addresses of the proxy."""

    DOCUMENTATION = r"""
options:
  proxy:
    description:
      - The proxy through which the module fetches things. Without one, C(http_proxy) and C(https_proxy) of its environment count.
      - The filter P(jetson.thor.proxy#filter) makes it from C(thor_proxy).
    type: dict
    default: {}
    suboptions:
      http:
        description: Its address for http, such as C(http://USER:PASSWORD@proxy.example.org:3128).
        type: str
      https:
        description: Its address for https.
        type: str
      no_proxy:
        description: Hosts, domains and addresses that are reached directly, besides those of the device itself.
        type: list
        elements: str
        default: []
"""
