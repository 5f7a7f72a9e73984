"""The installed package: what is imported, what it weighs, what it declares."""

import doctest
import importlib
import importlib.metadata
import os
import pkgutil
import subprocess
import sys
import zipfile
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
def test_a_wheel_of_the_package_is_smaller_than_two_megabytes(tmp_path):
    wheel = tmp_path / "package.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in PACKAGE.rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, path.relative_to(PACKAGE))
    assert wheel.stat().st_size < 2_000_000


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


def test_importing_loads_nothing_slow():
    # What the import costs is measured in benchmarks/; this is what keeps it small.
    slow = "scipy pandas matplotlib pyarrow click rich numpy.random autodiff.fit"
    code = f"""
import sys, numpy
before = set(sys.modules)
import autodiff
print(*[name for name in {slow.split()!r} if name in set(sys.modules) - before])
"""
    command = [sys.executable, "-P", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def module_names():
    walk = pkgutil.walk_packages(autodiff.__path__, "autodiff.")
    names = [module.name for module in walk]
    return ["autodiff", *(name for name in names if not name.endswith("__main__"))]


@pytest.mark.parametrize("name", module_names())
def test_the_examples_in_docstrings_run(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
