#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The secrets of services, in files of root's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_secrets
short_description: Pass secrets to services in files that only root can read
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Writes the secrets of each service to C(/etc/thor/secrets/NAME-TAG.env), mode 0600, which the service's unit names in
    C(EnvironmentFile=). Systemd reads the file as root and passes the variables to the service.
  - A file is never changed. A new secret gets a new file with a random tag, so that the unit changes and the service restarts, and so that
    a restored unit still finds its old secret.
  - Files that no unit or configuration on the host names any more are removed.
options:
  services:
    description: Variables and their values, by service name.
    type: dict
    required: true
extends_documentation_fragment:
  - jetson.thor.attributes
attributes:
  diff_mode:
    support: none
seealso:
  - module: jetson.thor.services
"""

EXAMPLES = r"""
- name: Pass a token to a service
  jetson.thor.service_secrets:
    services:
      chat:
        HF_TOKEN: "{{ vault_hf_token }}"
  no_log: true
"""

RETURN = r"""
tags:
  description: The tag in the name of each service's file, by service name; V(new) in check mode for one that has not been written yet.
  type: dict
  returned: always
  sample: {chat: 3f9a01bc}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import SecretFiles


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"services": {"type": "dict", "required": True, "no_log": True}}, supports_check_mode=True
    )
    files = SecretFiles()
    tags: dict[str, str] = {}
    changed = False
    try:
        for name, values in module.params["services"].items():
            tag = files.tag(name, values)
            changed |= tag is None
            tags[name] = tag or ("new" if module.check_mode else files.write(name, values))
        for path in files.unused(tags):
            changed = True
            if not module.check_mode:
                path.unlink(missing_ok=True)
    except OSError as error:
        module.fail_json(
            msg=f"THOR-SECRET-FILE: {error.filename}: {error.strerror}. Mend the file system, then run the play again."
        )
    module.exit_json(changed=changed, tags=tags)


if __name__ == "__main__":
    main()
