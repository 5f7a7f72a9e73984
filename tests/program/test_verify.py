"""What is not a program is not taken for one: each rule, broken once."""

import struct
from collections.abc import Callable

import pytest
from program_format import NONE, Draft, Extra, sealed

from autodiff import _core
from autodiff.errors import ProgramError

BIG = 2**62


def start(*shapes, inputs=None):
    """A draft with these shapes and an input of each."""
    draft = Draft(shapes=list(shapes))
    for k in range(len(shapes)) if inputs is None else inputs:
        draft.input(k + 1)
    return draft


def unary(op, x, z, extra=None):
    """op of an input of shape x, with a result of shape z."""
    draft = Draft(shapes=[s for s in (x, z) if s])
    draft.input(1 if x else 0)
    draft.add(op, 0, shape=len(draft.shapes) if z else 0, extra=extra)
    return draft


def binary(op, x, y, z, extra=None):
    draft = start(x, y, z, inputs=[0, 1])
    draft.add(op, 0, 1, shape=3, extra=extra)
    return draft


def put(index, y=(2,)):
    return binary("index_put", (4,), y, (4,), Extra(index=index))


def constant(shape, value):
    draft = Draft(shapes=[shape])
    draft.add("const", shape=1, extra=Extra(value=value))
    return draft


def loop(n_steps=3, flags=0, counts=(1, 1, 1, 1, 1), body=None, extra=(), shape=(8,)):
    """carry' = carry * shared + row; rows out and sums of it; of scalars."""
    if body is None:
        body = scalars(("fma", 0, 1, 2), n_inputs=3)
        body.outputs = [3, 3, 3]
    draft = start((3,), shape, inputs=[0])
    draft.input()
    draft.input()
    draft.operands = [*extra, 1, 2, 0]
    attributes = Extra(loop=(n_steps, flags, counts, body))
    draft.instructions.append(("scan", draft.operands, 2, 0, 0.0))
    draft.extras.append(attributes)
    if len(draft.operands) <= 3:
        draft.operands = []
    return draft


def nested(depth):
    """A loop in a loop in a loop ..., each of one carry."""
    body = scalars(("sin", 0))
    body.outputs = [1]
    for _ in range(depth):
        outer = Draft(shapes=[(1,)])
        outer.input()
        outer.add("scan", 0, shape=1, extra=Extra(loop=(2, 0, (0, 1, 0, 0, 0), body)))
        outer.add("view", 1)
        outer.outputs = [2]
        body = outer
    return body


def body_of(*outputs, n_inputs=3, guards=()):
    body = scalars(n_inputs=n_inputs)
    body.outputs, body.guards = list(outputs), list(guards)
    return body


def changed(draft: Draft, change: Callable[[Draft], None]) -> Draft:
    change(draft)
    return draft


def scalars(*instructions, n_inputs=1, operands=()):
    draft = Draft(operands=list(operands))
    for _ in range(n_inputs):
        draft.input()
    for op, *args in instructions:
        draft.add(op, *args)
    return draft


GOOD = {
    "scalar row": scalars(("sin", 0), ("mul", 0, 1)),
    "broadcast": binary("add", (3, 1), (4,), (3, 4)),
    "empty": unary("as_strided", (0,), (0, 3), Extra(strides=(1, 1))),
    "reshape": unary("view", (6,), (2, 3)),
    "view backwards": unary("as_strided", (4,), (4,), Extra((-1,), offset=3)),
    "sum": unary("sum", (3, 4), (3,), Extra(strides=(1, 0))),
    "sum to a scalar": unary("sum", (3,), None, Extra(strides=(0,))),
    "max": unary("amax", (3, 4), (4,), Extra(strides=(0, 1))),
    "gather": unary("index", (3,), (4,), Extra(index=[0, -1, 2, 2])),
    "gather_add": unary("index_add", (2,), (3,), Extra(index=[2, -5])),
    "put": put([3, 0]),
    "put one value": put([3, 0, 1], y=(1,)),
    "cumsum": unary("cumsum", (2, 3), (2, 3), Extra(axis=1)),
    "cat": binary("cat", (2, 3), (2, 1), (2, 4), Extra(axis=1)),
    "matmul": binary("matmul", (5, 2, 3), (3, 4), (5, 2, 4)),
    "matmul transposed": binary("matmul", (3, 2), (4, 3), (2, 4), Extra(flags=6)),
    "constant": constant((2,), ((2,), (1.0, 2.0))),
    "stop": unary("stop_gradient", (3,), (3,)),
    "loop": loop(shape=(5,)),
    "loop that keeps its carry": loop(flags=2),
    "loops in loops": nested(30),
    "pack": changed(
        Draft(shapes=[(2,)]), lambda d: (d.input(), d.add("pack", 0, 0, shape=1))
    ),
    "guard": changed(scalars(), lambda d: d.guards.append((0, 1.0))),
}

BAD = {
    "an operand above": scalars(("sin", 1)),
    "itself as operand": scalars(("sin", NONE)),
    "too few operands": scalars(("mul", 0)),
    "too many operands": scalars(("sin", 0, 0)),
    "an operand of none": scalars(("const", 0)),
    "an input after others": scalars(("sin", 0), ("input",)),
    "too few inputs": changed(scalars(), lambda d: setattr(d, "n_inputs", 2)),
    "too many inputs": changed(
        scalars(n_inputs=2), lambda d: setattr(d, "n_inputs", 1)
    ),
    "no such shape": changed(Draft(), lambda d: d.add("const", shape=7)),
    "no such attributes": changed(Draft(), lambda d: d.add("const", extra=3)),
    "no such output": changed(scalars(), lambda d: d.outputs.append(1)),
    "no such guard": changed(scalars(), lambda d: d.guards.append((1, 0.0))),
    "a guard on an array": changed(start((2,)), lambda d: d.guards.append((0, 0.0))),
    "a shape without axes": start(()),
    "33 axes": start((1,) * 33),
    "a negative extent": start((-1,)),
    "extents that overflow": start((BIG, BIG)),
    "extents that overflow beside a zero": start((0, BIG, BIG)),
    "too many elements": start(*[(2**46,)] * 3),
    "shapes that do not broadcast": binary("add", (3,), (4,), (4,)),
    "another shape than operands make": binary("add", (3,), (3,), (4,)),
    "an array made of scalars": changed(
        Draft(shapes=[(2,)]), lambda d: (d.input(), d.add("sin", 0, shape=1))
    ),
    "a reshape to more": unary("view", (6,), (7,)),
    "strides missing": unary("as_strided", (4,), (4,)),
    "strides too many": unary("as_strided", (4,), (4,), Extra((1, 1))),
    "a stride out": unary("as_strided", (4,), (3,), Extra((2,))),
    "a stride out below": unary("as_strided", (4,), (3,), Extra((-1,), offset=1)),
    "an offset out": unary("as_strided", (4,), None, Extra(offset=4)),
    "a negative offset": unary("as_strided", (4,), None, Extra(offset=-1)),
    "a stride that overflows": unary("as_strided", (4,), (3,), Extra((BIG,))),
    "strides that overflow together": unary(
        "as_strided", (4,), (3, 3), Extra((BIG, -BIG))
    ),
    "an absurd stride over nothing": unary("as_strided", (4,), (0,), Extra((BIG,))),
    "an offset out of nothing": unary("as_strided", (4,), (0,), Extra((1,), 0, BIG)),
    "a view of nothing": unary("as_strided", (0,), (1,), Extra((0,))),
    "a sum out": unary("sum", (4,), (3,), Extra((1,))),
    "a maximum out": unary("amax", (4,), (3,), Extra((1,))),
    "no index": unary("index", (3,), (3,)),
    "a short index": unary("index", (3,), (3,), Extra(index=[0, 1])),
    "a position out": unary("index", (3,), (2,), Extra(index=[0, 3])),
    "a position out of a sum": unary("index_add", (2,), (3,), Extra(index=[0, 3])),
    "a position of nothing": unary("index", (0,), (1,), Extra(index=[0])),
    "a put out": put([4, 0]),
    "a put below": put([-1, 0]),
    "a put of too little": put([1, 2, 3]),
    "a put of nothing": put([1], y=(0,)),
    "a negative axis": unary("cumsum", (2,), (2,), Extra(axis=-1)),
    "an axis too far": unary("cumsum", (2,), (2,), Extra(axis=1)),
    "an axis of a scalar": unary("cumsum", None, None, Extra()),
    "cat of nothing": changed(Draft(), lambda d: d.add("cat")),
    "cat of scalars": scalars(("cat", 0, 0)),
    "cat along no axis": binary("cat", (2,), (2,), (4,), Extra(axis=1)),
    "cat of unlike shapes": binary("cat", (2, 3), (3, 3), (2, 6), Extra(axis=1)),
    "cat of lost operands": scalars(("cat", 5)),
    "matmul of vectors": binary("matmul", (3,), (3,), (3,)),
    "matmul that does not fit": binary("matmul", (2, 3), (2, 3), (2, 3)),
    "a constant without elements": changed(
        Draft(shapes=[(2,)]), lambda d: d.add("const", shape=1)
    ),
    "a constant of another shape": constant((2,), ((3,), (1.0, 2.0, 3.0))),
    "a number with elements": changed(
        Draft(), lambda d: d.add("const", extra=Extra(value=((1,), (1.0,))))
    ),
    "a function of Python's": scalars(("function", 0)),
    "a loop with too few steps": loop(n_steps=2),
    "a loop with too many steps": loop(n_steps=BIG),
    "a loop with a negative count": loop(n_steps=-1),
    "a loop of another size": loop(shape=(6,)),
    "a loop with lost outputs": loop(body=body_of(0, 0)),
    "a loop with lost inputs": loop(body=body_of(0, 0, 0, n_inputs=2)),
    "a loop whose counts overflow": loop(counts=(1, 1, 1, 1, 2**32 - 1)),
    "a loop with guards": loop(body=body_of(0, 0, 0, guards=[(0, 1.0)])),
    "a loop whose body is none": loop(body=body_of(0, 0, 7)),
    "a loop with a count too many": loop(flags=8),
    "a loop with an exit too many": loop(flags=4),
    "a loop without a body": scalars(("scan", 0)),
    "too many loops in loops": nested(40),
    "pack of arrays": unary("pack", (1,), (1,)),
    "pack into another size": changed(
        Draft(shapes=[(3,)]), lambda d: (d.input(), d.add("pack", 0, 0, shape=1))
    ),
    "stop with another shape": unary("stop_gradient", (3,), (4,)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_keeps_the_rules_is_a_program(name):
    draft = GOOD[name]
    assert draft.load().to_bytes() == draft.to_bytes()


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_a_rule_is_refused(name):
    with pytest.raises(ProgramError):
        BAD[name].load()


def many_operands(start, n):
    """cat of n operands that stand at `start` of three rows of operands."""
    draft = Draft(shapes=[(1,), (4,)], operands=[0] * 4)
    draft.input(1)
    draft.add("cat", start, shape=2, extra=Extra())
    data = bytearray(draft.to_bytes()[:-8])
    at = data.rindex(struct.pack("<HIII", 1, 1, start, 2)) + 2
    data[at : at + 4] = n.to_bytes(4, "little")
    return sealed(bytes(data))


def test_operands_beyond_the_third_are_found_among_the_operands():
    program = _core.program_from_bytes(many_operands(0, 4))
    assert program.instructions()[1].args == (0, 0, 0, 0)
    for start, n in ((1, 4), (0, 5), (NONE, 4), (0, 0xFFFF)):
        with pytest.raises(ProgramError, match="not all there"):
            _core.program_from_bytes(many_operands(start, n))


def test_the_error_names_the_instruction_and_the_operation():
    with pytest.raises(ProgramError, match="instruction 1, as_strided: a stride"):
        BAD["a stride out"].load()
