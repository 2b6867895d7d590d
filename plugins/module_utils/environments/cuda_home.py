# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A CUDA home inside a Python environment: where engines look for nvcc, headers and libraries when they compile kernels.

NVIDIA's wheels put all of that into ``site-packages/nvidia/cu13``, with two differences from an installed toolkit: the libraries are in
``lib`` and have only their full names (``libcudart.so.13``), and there is no stub of the driver's library. FlashInfer
(flashinfer/jit/cpp_ext.py, 0.7.2) and SGLang (sglang/kernels/jit/utils/compile/toolchain.py, 0.5.23) link with
``-L$CUDA_HOME/lib64 -L$CUDA_HOME/lib64/stubs -lcudart -lcuda`` and fail there. So ``TREE/cuda`` is a folder of links in the shape of an
installed toolkit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import commands

FOLDER = "cuda"
WHEELS = "lib/python3*/site-packages/nvidia/cu*"
DRIVER = "libcuda.so.1"
LDCONFIG = "/sbin/ldconfig"


def link(tree: Path) -> bool:
    """Create ``tree/cuda``. Returns False, and creates nothing, where the environment has no nvcc.

    Links inside the tree are relative, because it is renamed after this. Raises OSError.
    """
    wheels = [path for path in sorted(tree.glob(WHEELS)) if (path / "bin" / "nvcc").is_file()]
    if not wheels:
        return False
    toolkit, home = wheels[-1], tree / FOLDER
    libraries = home / "lib64"
    (libraries / "stubs").mkdir(parents=True)
    for name in ("bin", "include", "nvvm"):
        if (toolkit / name).is_dir():
            _link(home / name, toolkit / name)
    for library in sorted((toolkit / "lib").iterdir()):
        for name in _names(library.name):
            _link(libraries / name, library)
    driver = _driver()
    if driver is not None:
        (libraries / "stubs" / "libcuda.so").symlink_to(driver)
    return True


def _names(library: str) -> Iterator[str]:
    """The library's own name, and the one that the linker looks for: libcudart.so for libcudart.so.13."""
    yield library
    short = re.sub(r"(\.so)(\.\d+)+$", r"\1", library)
    if short != library:
        yield short


def _link(path: Path, target: Path) -> None:
    if not path.is_symlink():
        path.symlink_to(os.path.relpath(target, path.parent))


def _driver() -> str | None:
    """The path of the driver's library, from the linker's cache; None on a host without one."""
    found = re.search(rf"^\s*{re.escape(DRIVER)} .*=> (\S+)$", commands.output(LDCONFIG, "-p"), re.MULTILINE)
    return found[1] if found else None
