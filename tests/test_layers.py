"""The checker of layers passes on the tree, and can fail: each rule is broken once."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "check_layers", ROOT / "tools" / "check_layers.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_layers = load_tool()


def tree(folder: Path, files: dict[str, str]) -> Path:
    """Write a small source tree; return its root."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


# Independent of the order that the tool declares for the tree.
LAYERS = {
    "csrc/status": 0,
    "csrc/tape": 1,
    "csrc/tape.def": 0,
    "csrc/sweep": 2,
    "autodiff/errors": 3,
    "autodiff/_tensor": 4,
    "autodiff/_core": 4,
    "autodiff/functions": 5,
    "autodiff/__init__": 6,
    "autodiff/fit/__init__": 7,
    "autodiff/fit/cli": 8,
}

SOUND = {
    "csrc/tape.def": "",
    "csrc/status.h": '#include <stdint.h>\n#include "tape.def"\n',
    "csrc/tape.h": '#include "status.h"\n',
    "csrc/tape.c": '#include "tape.h"\n#include <stdlib.h>\n',
    "csrc/sweep.h": '#include "tape.h"\n',
    "autodiff/errors.py": "import numpy\n",
    "autodiff/_tensor.c": '#include <Python.h>\n#include "sweep.h"\n',
    "autodiff/_core.pxd": 'cdef extern from "sweep.h" nogil:\n    pass\n',
    "autodiff/_core.pyx": "from autodiff.errors import GraphError\n",
    "autodiff/functions.py": "from autodiff import _core\n",
    "autodiff/__init__.py": "from autodiff._core import Tensor\n",
    "autodiff/fit/__init__.py": "import autodiff as ad\nad.sin\n",
    "autodiff/fit/cli.py": "from autodiff.fit import fit\n",
}

VIOLATIONS = {
    "a C file includes a higher layer": (
        {"csrc/tape.c": '#include "tape.h"\n#include "sweep.h"\n'},
        "csrc/tape.c:2: layer 1 names csrc/sweep.h",
    ),
    "a header of the core includes Python.h": (
        {"csrc/tape.h": "#include <Python.h>\n"},
        "csrc/tape.h:1: Python.h is not",
    ),
    "the same in double quotes": (
        {"csrc/tape.h": '  #  include "Python.h"\n'},
        "csrc/tape.h:1: Python.h is not",
    ),
    "a file of the core includes the CPython layer": (
        {"csrc/tape.c": '#include "../autodiff/_tensor.h"\n', "autodiff/_tensor.h": ""},
        "csrc/tape.c:1: layer 1 names autodiff/_tensor.h",
    ),
    "a C file is not placed": (
        {"csrc/tapestry.c": ""},
        "csrc/tapestry.c:1: not in LAYERS",
    ),
    "a Python file is not placed": (
        {"autodiff/extra.py": ""},
        "autodiff/extra.py:1: not in LAYERS",
    ),
    "a lower module imports a higher one": (
        {"autodiff/errors.py": "from autodiff.functions import sin\n"},
        "autodiff/errors.py:1: layer 3 names autodiff/functions.py",
    ),
    "it does so inside a function": (
        {"autodiff/errors.py": "def f():\n    from . import functions\n"},
        "autodiff/errors.py:2: layer 3 names autodiff/functions.py",
    ),
    "a module imports the package's face": (
        {"autodiff/functions.py": "import autodiff\n"},
        "autodiff/functions.py:1: layer 5 names autodiff/__init__.py",
    ),
    "Cython code imports a higher module": (
        {"autodiff/_core.pyx": "def f():\n  from . import functions, errors\n"},
        "autodiff/_core.pyx:2: layer 4 names autodiff/functions.py",
    ),
    "the core imports the fit": (
        {"autodiff/__init__.py": "import autodiff.fit\n"},
        "autodiff/__init__.py:1: layer 6 names autodiff/fit/__init__.py",
    ),
    "the fit imports the extension": (
        {"autodiff/fit/cli.py": "from autodiff._core import Tensor\n"},
        "autodiff/fit/cli.py:1: _core is private",
    ),
    "the fit imports a private name": (
        {"autodiff/fit/cli.py": "\nfrom .. import _core\n"},
        "autodiff/fit/cli.py:2: _core is private",
    ),
    "the fit reads a private attribute": (
        {"autodiff/fit/cli.py": "import autodiff as ad\n\nad._core.Tensor\n"},
        "autodiff/fit/cli.py:3: _core is private",
    ),
    "a long file gives no reason": (
        {"csrc/tape.c": "\n" * 601},
        "csrc/tape.c:1: 601 lines",
    ),
}


def test_the_source_tree_is_in_order():
    assert check_layers.findings(ROOT) == []


@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setattr(check_layers, "LAYERS", LAYERS)
    monkeypatch.setattr(check_layers, "EXEMPT", {})


@pytest.mark.usefixtures("declared")
def test_a_sound_tree_has_no_findings(tmp_path):
    assert check_layers.findings(tree(tmp_path, SOUND)) == []


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize("case", VIOLATIONS)
def test_a_violation_is_found_at_its_line(tmp_path, case):
    planted, finding = VIOLATIONS[case]
    found = check_layers.findings(tree(tmp_path, SOUND | planted))
    assert [line[: len(finding)] for line in found] == [finding]


@pytest.mark.usefixtures("declared")
def test_a_long_file_may_give_its_reason(tmp_path):
    planted = {"csrc/tape.c": "/* size: one table */" + "\n" * 601}
    assert check_layers.findings(tree(tmp_path, SOUND | planted)) == []


@pytest.mark.usefixtures("declared")
def test_an_exemption_is_for_one_file_and_one_name(tmp_path, monkeypatch):
    planted = {
        "csrc/tape.c": '#include "sweep.h"\n',
        "csrc/tape.h": '#include "sweep.h"\n',
    }
    exempt = {("csrc/tape.c", "csrc/sweep.h"): "a reason"}
    monkeypatch.setattr(check_layers, "EXEMPT", exempt)
    found = check_layers.findings(tree(tmp_path, SOUND | planted))
    assert found == ["csrc/tape.h:1: layer 1 names csrc/sweep.h, layer 2"]


def test_every_exemption_is_of_a_file_that_exists():
    for path, _ in check_layers.EXEMPT:
        assert (ROOT / path).is_file()
