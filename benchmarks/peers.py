"""The peers: which are installed, in what version, and how each is loaded.

A peer is loaded only in a worker process, through ``load``, which also puts it in the
state every row assumes: float64 and one thread.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import shutil
from typing import Any

# The package each peer imports; None for peers that need nothing but Python.
PACKAGES: dict[str, str | None] = {
    "autodiff": "autodiff",
    "autodiff_base": "autodiff",
    "floats": None,
    "floor": None,
    "numpy": "numpy",
    "torch": "torch",
    "torch_fused": "torch",
    "torch_compile": "torch",
    "casadi": "casadi",
    "xad": "xad",
    "jax": "jax",
}

SENTENCES = {
    "autodiff": "autodiff, the engine measured",
    "autodiff_base": "autodiff without branches, or on one thread: what a row adds to",
    "floats": "the same source, or hand-derived code, on Python floats",
    "floor": "hand-derived C, compiled by cc -O3 -march=native as the run starts",
    "numpy": "hand-derived code on NumPy arrays",
    "torch": "PyTorch eager, float64, one thread",
    "torch_fused": "the same PyTorch in its fused words",
    "torch_compile": "torch.compile of the gradient, float64, one thread",
    "casadi": "CasADi, its expressions interpreted",
    "xad": "XAD, its Python tape in adjoint mode",
    "jax": "jax.jit, float64, one thread; for reference",
}


def is_installed(peer: str) -> bool:
    """Return whether `peer` can be imported here, without importing it."""
    package = PACKAGES[peer]
    if peer == "floor":
        return shutil.which("cc") is not None
    if package is None:
        return True
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def version(peer: str) -> str | None:
    """Return the version of `peer`, or None if it is not installed."""
    package = PACKAGES[peer]
    if package is None:
        return platform.python_version()
    if not is_installed(peer):
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run in its source tree
        return str(getattr(importlib.import_module(package), "__version__", "unknown"))


def load(peer: str) -> Any:
    """Import `peer` and return its module, set to float64 and one thread."""
    package = PACKAGES[peer]
    if package is None:
        return None
    module = importlib.import_module(package)
    if package == "torch":
        module.set_num_threads(1)
        module.set_num_interop_threads(1)
        module.set_default_dtype(module.float64)
    elif package == "jax":
        module.config.update("jax_enable_x64", True)
    return module
