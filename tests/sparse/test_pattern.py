"""Patterns of programs: exactly the entries that can be other than zero."""

import numpy as np
import pytest
from program_format import Draft, Extra, record

import autodiff as ad
from autodiff.programs.loops import scan
from autodiff.sparse import Pattern


def dense_jacobian(program, inputs):
    """The Jacobian by unit tangents: rows and columns of all elements."""
    sizes = [np.size(x) for x in inputs]
    forward = program.forward([True] * len(inputs), False)
    columns = []
    for unit in np.eye(sum(sizes)):
        parts = np.split(unit, np.cumsum(sizes)[:-1])
        tangents = [
            part.reshape(np.shape(x)) if np.shape(x) else float(part[0])
            for part, x in zip(parts, inputs, strict=True)
        ]
        outputs, _ = forward.evaluate([*inputs, *tangents])
        columns.append(np.concatenate([np.ravel(np.asarray(z)) for z in outputs]))
    return np.array(columns).T


def neighbours(x):
    return ad.cat([x[1:], x[:1] * 0.5]) * x + ad.sin(x)


MATRIX = np.arange(12.0).reshape(3, 4) + 1
BANDED = np.diag([1.0, 2.0, 3.0]) + np.diag([4.0, 5.0], 1)
MATRICES = np.array([[[2.0, 0.5], [0.25, 1.0]], [[1.0, 0.3], [0.2, 3.0]]])
FUNCTIONS = {
    "scalars": (lambda x, y: [x * y, ad.exp(x), y**2 + 1], 0.5, 1.5),
    "elementwise": (lambda x: x * ad.sin(x), np.arange(1.0, 4.0)),
    "broadcast": (lambda a, b: a * b + b, np.ones((3, 1)), np.arange(1.0, 3.0)),
    "a scalar beside an array": (lambda a, x: a * x, 2.0, np.arange(1.0, 4.0)),
    "neighbours": (neighbours, np.arange(1.0, 6.0)),
    "elements": (lambda x: [x[i] * x[i + 1] for i in range(3)], np.arange(1.0, 5.0)),
    "transposed": (lambda a: a.T * 2, MATRIX),
    "backwards": (lambda x: ad.flip(x, 0) * x, np.arange(1.0, 5.0)),
    "sum along an axis": (lambda a: a.sum(0), MATRIX),
    "sum of all": (lambda a: a.sum(), MATRIX),
    "product": (lambda x: x.prod(), np.arange(1.0, 4.0)),
    "gather": (lambda x: x[np.array([2, 0, 2])], np.arange(3.0)),
    "padded": (lambda x: ad.pad(x, (1, 2)), np.arange(1.0, 4.0)),
    "cumsum": (lambda x: ad.cumsum(x, 0), np.arange(1.0, 5.0)),
    "cumsum along columns": (lambda a: ad.cumsum(a, 1), MATRIX),
    "cat": (lambda x, y: ad.cat([x, y * y, x]), np.ones(2), np.arange(1.0, 4.0)),
    "cat along columns": (lambda a: ad.cat([a, 2 * a], 1), MATRIX),
    "stack": (lambda x, y: ad.stack([x, y, x * y]), 1.0, 2.0),
    "matmul": (lambda a, b: a @ b, MATRIX, np.ones((4, 2))),
    "matmul transposed": (lambda a, b: a.T @ b, MATRIX, np.ones((3, 2))),
    "matmul by a sparse constant": (lambda x: BANDED @ x, np.arange(1.0, 4.0)),
    "constant from the right": (lambda x: x @ BANDED, np.ones((2, 3))),
    "products of a batch": (lambda a: a @ a, np.ones((2, 3, 3))),
    "solve": (lambda a, b: ad.linalg.solve(a, b), MATRICES, np.ones((2, 2, 3))),
    "inverse": (lambda a: ad.linalg.inv(a), MATRICES),
    "determinant": (lambda a: ad.linalg.det(a), MATRICES),
    "a mask": (lambda x: x * np.array([1.0, 0.0, 2.0]), np.ones(3)),
    "chosen by a constant": (
        lambda x, y: ad.where(np.array([True, False]), x, y * y),
        np.ones(2),
        np.ones(2),
    ),
    "loop with carry": (
        lambda x: scan(lambda c, r: (c * r, c + r), x[0], x[1:]),
        np.arange(1.0, 6.0),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_pattern_holds_what_is_other_than_zero_and_no_more(name):
    function, *inputs = FUNCTIONS[name]
    program = record(function, *inputs)
    expected = dense_jacobian(program, inputs) != 0
    assert np.array_equal(Pattern.of_program(program).dense(), expected)


def test_a_hessian_s_pattern_is_that_of_the_gradient_s_program():
    def f(x):
        return (x[1:] * ad.sin(x[:-1])).sum() + x[0] ** 3 + 5 * x.sum()

    x = np.linspace(0.5, 1.5, 6)
    gradient = record(f, x).reverse([True], False)
    pattern = Pattern.of_program(gradient, [True, False])
    forward = gradient.forward([True, False], False)
    columns = [forward.evaluate([x, 1.0, unit])[0][0] for unit in np.eye(6)]
    assert np.array_equal(pattern.dense(), np.asarray(columns).T != 0)
    assert pattern.is_symmetric()


def test_what_has_no_derivative_is_not_in_the_pattern():
    def f(x, y):
        with ad.no_grad():
            stopped = 2 * x
        return [ad.floor(x) * y, stopped + y, ad.sign(x), abs(x)]

    pattern = Pattern.of_program(record(f, 1.5, 2.0))
    assert pattern.dense().tolist() == [[0, 1], [0, 1], [0, 0], [1, 0]]


def test_inputs_and_outputs_can_be_chosen():
    program = record(lambda x, y: [x * y, y + 1], np.ones(2), np.ones(2))
    pattern = Pattern.of_program(program, [False, True], [True, False])
    assert pattern.dense().tolist() == [[1, 0], [0, 1]]


def test_rows_that_depend_on_many_inputs_are_found():
    n = 300  # more than a set lists

    def f(x):
        total = x.sum()
        return ad.cat([ad.cumsum(x, 0), x * total, x[:5] + x[200], x[:1]])

    dense = Pattern.of_program(record(f, np.ones(n))).dense()
    assert np.array_equal(dense[:n], np.tri(n, dtype=bool))
    assert dense[n : 2 * n].all()
    assert dense[2 * n :].sum(1).tolist() == [2] * 5 + [1]
    assert dense[2 * n + 3].nonzero()[0].tolist() == [3, 200]


def test_a_time_stepping_loop_has_the_pattern_of_its_cone():
    n, n_steps = 200, 40

    def f(u):
        for _ in range(n_steps):
            u = u + 0.1 * (ad.roll(u, 1, 0) - 2 * u + ad.roll(u, -1, 0))
        return u

    dense = Pattern.of_program(record(f, np.ones(n))).dense()
    distance = abs(np.subtract.outer(np.arange(n), np.arange(n)))
    assert np.array_equal(dense, np.minimum(distance, n - distance) <= n_steps)


def test_a_long_chain_of_scalars_is_not_quadratic():
    n = 20_000  # as sets of numbers this would be 200 million

    def f(x):
        total = 0.0
        for i in range(n - 1):
            total = total + x[i] * x[i + 1]
        return total

    program = record(f, np.ones(n))
    assert Pattern.of_program(program).n_entries == n
    gradient = program.reverse([True], False)
    pattern = Pattern.of_program(gradient, [True, False])
    assert pattern.n_entries == 2 * (n - 1)
    assert pattern.color("symmetric").n_colors <= 3


def loop_pattern(n_steps, flags, counts, body, sizes, n_out, count=False):
    """The pattern of a loop alone, with inputs of these sizes."""
    draft = Draft(shapes=[(n,) for n in sizes] + [(n_out,)])
    if count:
        draft.input()
    for k in range(len(sizes)):
        draft.input(k + 1)
    args = range(draft.n_inputs)
    draft.operands = list(args) if len(args) > 3 else []
    extra = Extra(loop=(n_steps, flags, counts, body))
    draft.add(
        "scan", *([0] if len(args) > 3 else args), shape=len(sizes) + 1, extra=extra
    )
    draft.outputs = [draft.n_inputs]
    return Pattern.of_program(draft.load(), [False] * count + [True] * len(sizes))


def test_a_loop_that_may_stop_early_depends_on_every_step():
    body = Draft()
    for _ in range(2):
        body.input()  # carry, row
    body.outputs = [1]  # the next carry is the row
    pattern = loop_pattern(3, 8, (0, 1, 1, 0, 0), body, [1, 3], 1, count=True)
    assert pattern.dense().any(0).sum() == 4
    pattern = loop_pattern(3, 0, (0, 1, 1, 0, 0), body, [1, 3], 1)
    assert pattern.dense().tolist() == [[0, 0, 0, 1]]
    pattern = loop_pattern(3, 1, (0, 1, 1, 0, 0), body, [1, 3], 1)
    assert pattern.dense().tolist() == [[0, 1, 0, 0]]


def test_a_step_of_a_loop_forgets_what_the_one_before_made():
    body = Draft(shapes=[(1,)])
    body.input()  # carry
    body.input()  # row
    body.add("sin", 1)
    body.add("view", 2, shape=1)
    body.add("cos", 3, shape=1)
    body.add("view", 4)
    body.outputs = [5, 4]  # the next carry, and a row out
    pattern = loop_pattern(2, 0, (0, 1, 1, 1, 0), body, [1, 2], 3)
    assert pattern.dense().tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_a_loop_of_many_steps_ends_when_nothing_changes():
    body = Draft()
    body.input()  # shared
    body.input()  # carry
    body.add("mul", 0, 1)
    body.outputs = [2]
    pattern = loop_pattern(2**40, 0, (1, 1, 0, 0, 0), body, [1, 1], 1)
    assert pattern.dense().tolist() == [[1, 1]]


def test_an_empty_program_has_an_empty_pattern():
    pattern = Pattern.of_program(record(lambda x: x * 2, np.ones(0)))
    assert (pattern.shape, pattern.n_entries) == ((0, 0), 0)
