"""Hand-written C as a peer: compiled as the run starts, called through ctypes."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path
from typing import Any

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-ffp-contract=fast")
# Loops over these call the C library's SIMD forms where it has them.
SIMD = """
#include <math.h>
#include <stdint.h>
#if defined(__x86_64__) && defined(__GLIBC__)
__attribute__((simd("notinbranch"))) double exp(double);
__attribute__((simd("notinbranch"))) double log(double);
__attribute__((simd("notinbranch"))) double erf(double);
#endif
"""


def build(source: str) -> ctypes.CDLL:
    """Compile C source and load it; its functions take pointers and int64_t."""
    folder = Path(tempfile.mkdtemp(prefix="floor-"))
    (folder / "floor.c").write_text(SIMD + source)
    command = ["cc", *FLAGS, "-shared", "-fPIC", "floor.c", "-o", "floor.so"]
    links = ("-lmvec", "-lm"), ("-lm",)
    for link in links:
        done = subprocess.run([*command, *link], cwd=folder, capture_output=True)
        if done.returncode == 0:
            return ctypes.CDLL(str(folder / "floor.so"))
    raise RuntimeError(done.stderr.decode())


def at(array: Any) -> ctypes.c_void_p:
    """Return the address of an array's elements, which keeps the array."""
    return array.ctypes.data_as(ctypes.c_void_p)


def count(n: int) -> ctypes.c_int64:
    """Return n as C takes it."""
    return ctypes.c_int64(n)
