"""The stubs name what is there at run time, and what they allow can be called."""

import ast
import inspect
import types
from pathlib import Path

import pytest

import autodiff
from autodiff import _core
from autodiff.plain import PlainArray

ROOT = Path(autodiff.__file__).resolve().parent


def statements(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8")).body


def names(body):
    """Names that a stub's body gives, by ast node; imports as their alias."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets}
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname: node for a in node.names if a.asname == a.name}
    return found


PACKAGE = statements("__init__.pyi")
CORE = statements("_core.pyi")
TENSOR = names(CORE)["Tensor"].body


def is_public(name):
    return not name.startswith("_")


def test_the_package_stub_has_every_public_name_and_no_other():
    listed = {name for name in names(PACKAGE) if is_public(name)}
    # the others are ours
    modules = {
        *autodiff._MODULES,
        *"autograd errors fit linalg special testing".split(),
    }
    there = {
        name
        for name, value in ((name, getattr(autodiff, name)) for name in dir(autodiff))
        if is_public(name)
        and not (isinstance(value, types.ModuleType) and name not in modules)
        and getattr(value, "__module__", "") != "typing"
    }
    assert listed == there


def test_the_core_stub_has_every_public_name_and_no_other():
    listed = {name for name in names(CORE) if is_public(name)}
    there = {
        name
        for name, value in vars(_core).items()
        if is_public(name)
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", "autodiff") != "collections"
    }
    assert listed - {"errors"} == there


def test_the_stub_of_tensor_has_every_member_and_no_other():
    # What every object has may be in the stub, with better types.
    common = {*dir(object), "__dict__", "__doc__", "__module__"}
    members = {name for name in vars(autodiff.Tensor) if name not in common}
    private = {name for name in members if name[0] == "_" and name[:2] != "__"}
    listed = {name for name in names(TENSOR) if name not in common}
    assert listed - {"_version"} == members - private


def test_the_stub_of_plain_arrays_has_every_member_and_no_other():
    listed = names(names(statements("plain.pyi"))["PlainArray"].body)
    common = {
        *dir(object),
        "__module__",
        "__dict__",
        "__array_wrap__",
        "__orig_bases__",
    }
    assert {*listed} - common == {*vars(PlainArray)} - common


def calls(body, owner):
    """(function at run time, its stub) for each function that can be looked into."""
    for name, node in names(body).items():
        if not isinstance(node, ast.FunctionDef) or node.decorator_list:
            continue  # properties and overloads
        function = vars(owner).get(name)
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            continue  # the rows, and slots
        yield pytest.param(signature, node, id=name)


FUNCTIONS = [*calls(CORE, _core), *calls(TENSOR, autodiff.Tensor)]


@pytest.mark.parametrize(("signature", "node"), FUNCTIONS)
def test_arguments_that_the_stub_allows_are_accepted(signature, node):
    positional = [0 for _ in [*node.args.posonlyargs, *node.args.args]]
    keywords = {argument.arg: 0 for argument in node.args.kwonlyargs}
    signature.bind(*positional, **keywords)
    optional = len(node.args.defaults)
    signature.bind(*positional[: len(positional) - optional])


@pytest.mark.parametrize(
    ("signature", "node"), [p for p in FUNCTIONS if not p.id.startswith("__")]
)
def test_a_parameter_has_the_same_name_in_the_stub(signature, node):
    listed = [a.arg for a in [*node.args.args, *node.args.kwonlyargs]]
    there = list(signature.parameters)
    is_method = listed[:1] == ["self"]
    assert set(listed[is_method:]) <= set(there[is_method:])


def test_rows_are_in_the_stubs_under_every_name():
    for row in autodiff.ops():
        for name in filter(is_public, row.names):
            assert name in names(PACKAGE)
            assert name in names(TENSOR)
