# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""``python3 -I /opt/thor/metrics``: Python finds the files of the collection beside this one."""

import sys

from ansible_collections.jetson.thor.plugins.module_utils.metrics.textfile import main

sys.exit(main())
