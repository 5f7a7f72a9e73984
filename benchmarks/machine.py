"""The machine and the versions a result was measured on; no names, no paths."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import peers

REPOSITORY = Path(__file__).resolve().parent.parent


def describe() -> dict[str, Any]:
    """Return machine, versions, commit and date, ready for JSON."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--", "autodiff", "csrc")),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "libc": " ".join(platform.libc_ver()),
            "arch": platform.machine(),
            "cpu": _cpu_name(),
            "cores": os.cpu_count(),
            "memory_bytes": _memory_bytes(),
            "load_before": load(),
        },
        "python": f"{platform.python_version()} ({sys.implementation.name})",
        "compiler": platform.python_compiler(),
        "versions": {
            package: peers.version(peer)
            for peer, package in peers.PACKAGES.items()
            if package is not None
        },
    }


def _git(*arguments: str) -> str | None:
    """Return the output of a git command here, or None if it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    """Return the physical memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def load() -> float | None:
    """Return the one-minute load average: how busy the machine already was."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None
