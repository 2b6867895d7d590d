#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The proxy of apt, in a file of root's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_proxy
short_description: Keep the proxy of apt in a file that only root can read
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Writes C(/etc/thor/proxy/apt.conf), mode 0600. An apt that is started with this path in C(APT_CONFIG) uses the proxy; every other one
    stays as it is.
  - Without a proxy, removes the file, and that of dockerd beside it, which M(jetson.thor.docker_daemon) writes.
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.attributes
notes:
  - What the host says in C(/etc/apt) comes later and wins. C(no_proxy) is not in the file; apt reads it from its environment.
  - Passwords are masked in diff mode.
"""

EXAMPLES = r"""
- name: Have apt use the proxy
  jetson.thor.apt_proxy:
    proxy: "{{ thor_proxy | default('') | jetson.thor.proxy }}"

- name: Install a package through it
  ansible.builtin.apt:
    name: git
  environment:
    APT_CONFIG: /etc/thor/proxy/apt.conf
"""

RETURN = r"""
path:
  description: The file.
  type: str
  returned: always
  sample: /etc/thor/proxy/apt.conf
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, files, proxy


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"proxy": proxy.ARGUMENT}, supports_check_mode=True)
    text = proxy.Proxy.of(module.params["proxy"]).apt_conf()
    before = files.read(None, str(proxy.APT)) or ""
    stale = not text and proxy.DOCKER.exists()
    changed = stale or not proxy.is_written(proxy.APT, text)
    if changed and not module.check_mode:
        try:
            proxy.write(proxy.APT, text)
            if not text:
                proxy.write(proxy.DOCKER, "")
                with contextlib.suppress(OSError):  # nothing of ours is left in it
                    proxy.FOLDER.rmdir()
        except OSError as error:
            module.fail_json(
                msg=f"THOR-PROXY-FILE: {error.filename}: {error.strerror}. Mend the file system, then run the play again."
            )
    diff = {"before": daemon_json.redact(before), "after": daemon_json.redact(text)}
    header = {"before_header": str(proxy.APT), "after_header": str(proxy.APT)}
    module.exit_json(changed=changed, path=str(proxy.APT), diff={**diff, **header})


if __name__ == "__main__":
    main()
