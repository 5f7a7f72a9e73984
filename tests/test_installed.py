"""The installed package: what is imported, what it weighs, what it declares."""

import doctest
import importlib
import importlib.metadata
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import autodiff

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(autodiff.__file__).resolve().parent

expects_installed = pytest.mark.skipif(
    os.environ.get("AUTODIFF_EXPECT_INSTALLED") != "1",
    reason="about an installed wheel; AUTODIFF_EXPECT_INSTALLED=1 says this is one",
)


@expects_installed
def test_the_tests_run_the_installed_package_not_the_source_tree():
    assert not PACKAGE.is_relative_to(ROOT)


@expects_installed
@pytest.mark.skipif(
    "AUTODIFF_SANITIZE" in os.environ, reason="instrumented code is large"
)
def test_the_package_is_smaller_than_two_megabytes():
    size = sum(path.stat().st_size for path in PACKAGE.rglob("*") if path.is_file())
    compiled = sum(path.stat().st_size for path in PACKAGE.rglob("*.pyc"))
    assert size - compiled < 2_000_000


@expects_installed
def test_the_package_holds_no_sources_of_the_extension_and_no_tests():
    names = {path.name for path in PACKAGE.rglob("*")}
    assert not {name for name in names if name.endswith((".c", ".h", ".pyx", ".pxd"))}
    assert "tests" not in names


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_the_version_is_the_one_in_the_metadata():
    assert autodiff.__version__ == importlib.metadata.version("autodiff-tape")


def test_the_core_requires_numpy_alone():
    requires = importlib.metadata.requires("autodiff-tape") or []
    core = [line for line in requires if "extra ==" not in line]
    assert [line.partition(">")[0] for line in core] == ["numpy"]


def test_importing_loads_nothing_heavy():
    heavy = "scipy pandas matplotlib rich click pyarrow asyncio".split()
    code = f"import sys, autodiff; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.skipif(
    "AUTODIFF_SANITIZE" in os.environ, reason="instrumented code is slow to load"
)
def test_importing_takes_at_most_20_ms_beyond_numpy():
    code = (
        "import time, numpy; start = time.process_time(); import autodiff; "
        "print(time.process_time() - start)"
    )
    # Processor time, the best of several fresh processes: what the import costs,
    # whatever else the machine is doing.
    command = [sys.executable, "-P", "-c", code]
    seconds = min(
        float(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
        )
        for _ in range(7)
    )
    assert seconds <= 0.020


def module_names():
    walk = pkgutil.walk_packages(autodiff.__path__, "autodiff.")
    names = [module.name for module in walk]
    return ["autodiff", *(name for name in names if not name.endswith("__main__"))]


@pytest.mark.parametrize("name", module_names())
def test_the_examples_in_docstrings_run(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
