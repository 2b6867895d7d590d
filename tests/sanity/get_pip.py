# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Give an empty virtual environment pip, in place of the get-pip.py that ansible-test would download.

ansible-test looks for ``~/.ansible/test/cache/get_pip_<version>.py`` first and runs it with the packages to install and
the switches ``--no-setuptools --no-wheel`` as arguments. The pip that comes with Python is enough to install those.
"""

from __future__ import annotations

import os
import subprocess
import sys

# ansible-test sets it for this script; the pip that is run below would take it for a switch of its own.
del os.environ["GET_PIP"]
packages = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
# A process of its own for each: ensurepip switches pip's configuration off for the process it runs in.
subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
subprocess.run([sys.executable, "-m", "pip", "install", *packages], check=True)
