# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""``python3 -I /opt/thor/supervisor``: Python finds the package beside this file, and the files of the collection that it needs."""

import sys

from thor_supervisor.main import main

sys.exit(main(sys.argv[1:]))
