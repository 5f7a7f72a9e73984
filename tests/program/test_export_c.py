"""Programs as C: compiled without a warning, they compute what a replay does."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from program_format import record

import autodiff as ad
from autodiff import _core
from autodiff.errors import ArgumentError
from autodiff.programs.c_helpers import helpers
from autodiff.programs.export_c import number, to_c
from autodiff.programs.loops import scan

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
FLAGS = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror"]
FLAGS += ["-pedantic", "-fPIC", "-shared"]


def compiled(text, folder):
    """Compile C text; return the library."""
    (folder / "f.c").write_text(text, encoding="ascii")
    command = [CC, *FLAGS, str(folder / "f.c"), "-o", str(folder / "f.so"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(folder / "f.so"))


def call(library, name, program, inputs, text):
    """Call a function of ours; return its outputs and what it returned."""
    n_work = int(text.split(f"enum {{ {name}_work = ")[1].split(" }")[0])
    given = [np.ascontiguousarray(x, np.float64) for x in inputs]
    outputs = [np.full(shape, np.nan) for shape in program.output_shapes]
    pointer = ctypes.POINTER(ctypes.c_double)

    def pointers(arrays):
        return (pointer * (len(arrays) + 1))(
            *[x.ctypes.data_as(pointer) for x in arrays]
        )

    guard = np.pi  # behind the work: nobody may write there
    work = np.full(n_work + 1, guard)
    function = getattr(library, name)
    status = function(pointers(given), pointers(outputs), work.ctypes.data_as(pointer))
    assert work[-1] == guard
    return outputs, status


def check(function, inputs, folder, rtol=1e-13):
    """Value and gradient as C against the program, one operation after another."""
    program = record(function, *inputs)
    gradient = program.reverse([True] * len(inputs))
    text = to_c({"f": program, "f_gradient": gradient})
    library = compiled(text, folder)
    seeds = [np.ones(shape) if shape else 1.0 for shape in program.output_shapes]
    for name, q, given in (
        ("f", program, inputs),
        ("f_gradient", gradient, [*inputs, *seeds]),
    ):
        outputs, status = call(library, name, q, given, text)
        assert status == -1
        expected, _ = q.evaluate([x if np.shape(x) else float(x) for x in given])
        for a, b in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(a, np.asarray(b), rtol=rtol, atol=1e-300)


X = np.array([0.5, 1.5, 2.0])
A = np.arange(12.0).reshape(3, 4) / 7
FUNCTIONS = {
    "scalars": (lambda x, y: [ad.sin(x) * y + x**2, ad.exp(-y)], 0.7, 1.3),
    "negative numbers": (lambda x: x * -2.0 - -3.0, 0.5),
    "helpers": (lambda x: ad.sigmoid(x) * ad.digamma(x + 1) + ad.log_ndtr(x), X),
    "elementwise": (lambda x: ad.sin(x) / (1 + x * x), X),
    "broadcast": (lambda a, b: a * b + ad.exp(b), np.ones((3, 1)), np.arange(4.0)),
    "a scalar beside an array": (lambda a, x: a * x + a, 2.0, X),
    "elements": (lambda x: [x[i] * x[i + 1] for i in range(2)], X),
    "slices": (lambda x: (x[1:] - x[:-1] ** 2) * x[::-1][:2], X),
    "transposed": (lambda a: ad.sin(a.T), A),
    "sums": (lambda a: [a.sum(), a.sum(0), a.mean(1)], A),
    "maxima": (lambda a: [a.max(), ad.amin(ad.sin(a), 1)], A),
    "gather": (lambda x: x[np.array([2, 0, 2])] * x, X),
    "padded": (lambda x: ad.pad(x * x, (1, 2)), X),
    "cumsum": (lambda a: [ad.cumsum(a, 0), ad.cumsum(a, 1)], A),
    "cat": (lambda x, y: ad.cat([x, y * y, x]), X, X + 1),
    "cat along columns": (lambda a: ad.cat([a, ad.sin(a)], 1), A),
    "stack": (lambda x, y: ad.stack([x, y, x * y]), 1.0, 2.0),
    "matmul": (lambda a, b: a @ b, A, np.ones((4, 2))),
    "matmul transposed": (lambda a, b: a.T @ b, A, np.ones((3, 2))),
    "products of a batch": (lambda a, b: a @ b, np.ones((2, 3, 4)), A.T[None] + 1),
    "product": (lambda x: x.prod(), X),
    "norm": (lambda x: (x * x).sum() ** 0.5, X),
    "loop with carry": (
        lambda x, r: scan(lambda c, y: (c * y + ad.sin(c), c), x, r),
        0.5,
        X,
    ),
    "loop of arrays": (
        lambda x, a: scan(lambda c, y: (c * ad.cos(y), c.sum()), x, a),
        np.ones(4),
        A,
    ),
    "outputs that are inputs": (lambda x, y: [x, y, x * 1.0, 3.0 * y], X, 2.0),
    "no elements": (lambda x: [x * 2, x.sum()], np.ones(0)),
}


@needs_compiler
@pytest.mark.parametrize("name", FUNCTIONS)
def test_exported_values_and_gradients_are_those_of_the_program(name, tmp_path):
    function, *inputs = FUNCTIONS[name]
    check(function, inputs, tmp_path)


@needs_compiler
def test_every_elementwise_row_can_be_exported(tmp_path):
    """Values of all rows at once, the internal ones too: bit for bit."""
    rows = _core.ops(internal=True)

    def f(x, y, w):
        return [_core.apply_row(row.name, *(x, y, w)[: row.n_args]) for row in rows]

    for inputs in ((0.3, 1.2, 0.6), (2.0, 0.7, -0.5), (-0.4, 3.5, 0.0)):
        program = record(f, *inputs)
        text = to_c({"f": program})
        folder = tmp_path / str(inputs[0])
        folder.mkdir()
        outputs, _ = call(compiled(text, folder), "f", program, inputs, text)
        expected, _ = program.evaluate(list(inputs))
        for row, a, b in zip(rows, outputs, expected, strict=True):
            np.testing.assert_equal(float(a), float(b), err_msg=row.name)


@needs_compiler
def test_the_status_is_the_first_guard_that_came_out_otherwise(tmp_path):
    def f(x, y):
        z = ad.exp(x) if x > 0 else x
        return z * y if y < 5 else z

    program = record(f, 1.0, 1.0)
    text = to_c({"f": program, "g": program.reverse([True, True])})
    library = compiled(text, tmp_path)
    for x, y, status in ((1, 1, -1), (-1, 1, 0), (1, 6, 1), (-1, 6, 0), (np.nan, 1, 0)):
        assert call(library, "f", program, (x, y), text)[1] == status
    gradient = program.reverse([True, True])
    assert call(library, "g", gradient, (1.0, 6.0, 1.0), text)[1] == 1


@needs_compiler
def test_a_loaded_program_is_exported_like_the_one_that_was_saved():
    program = record(lambda x: ad.sin(x).sum(), X)
    loaded = _core.program_from_bytes(program.to_bytes())
    assert to_c({"f": loaded}) == to_c({"f": program})


def test_only_math_is_included_and_only_needed_helpers_are_printed():
    text = to_c({"f": record(lambda x: ad.sin(x), 1.0)})
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "#include <math.h>"
    ]
    assert "static" not in text
    assert "ad_digamma" in to_c({"f": record(ad.digamma, 1.0)})
    assert "ad_digamma" not in to_c({"f": record(ad.sigmoid, 1.0)})


def test_work_is_used_again():
    def f(x):
        for _ in range(50):
            x = ad.sin(x)
        return x

    assert "f_work = 2000 " in to_c({"f": record(f, np.ones(1000))})


def test_helpers_come_behind_what_they_need():
    text = helpers("digamma(x)")
    assert text.index("typedef") < text.index("ad_digamma(double x)")
    assert text.index("ad_digamma(double x)") < text.index("double digamma(")


def test_linear_algebra_is_refused_by_name():
    program = record(lambda a: ad.linalg.inv(a), np.eye(2))
    with pytest.raises(ArgumentError, match=r"solve cannot|inv cannot"):
        to_c({"f": program})


@pytest.mark.parametrize("name", ["", "1f", "a-b", "f(", "_f"])
def test_a_name_must_be_one_of_c(name):
    with pytest.raises(ArgumentError):
        to_c({name: record(lambda x: x, 1.0)})


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.1, "0.1"), (-2.0, "(-2.0)"), (np.inf, "INFINITY"), (-0.0, "(-0.0)")],
)
def test_numbers_keep_all_digits(x, text):
    assert number(x) == text


STEPS = {
    "a body without rows": lambda a: ad.scan(lambda c, _: (c * a, None), 1.0, length=5)[
        0
    ],
    "rows": lambda a: ad.scan(lambda c, x: (c * a + x, c), a, X)[1].sum(),
    "rows from the last": lambda a: ad.scan(
        lambda c, x: (c * a + x, c), a, X, reverse=True
    )[1].sum(),
    "an exit": lambda a: ad.while_loop(lambda c: c < 10, lambda c: c * a + 1, a),
    "few carries": lambda a: ad.fori_loop(
        0, 9, lambda i, c: c * a + i, a, checkpoint=2
    ),
    "loops in loops": lambda a: ad.fori_loop(
        0, 3, lambda i, c: ad.fori_loop(0, 4, lambda j, d: d * a + i * j, c), a
    ),
    "a choice": lambda a: ad.scan(
        lambda c, x: (c + x * a if x > 1 else c * x, None), a, X
    )[0],
    "rows as lanes": lambda a: ad.map(lambda x: ad.sin(x * a), X).sum(),
    "a root": lambda a: ad.root(lambda x, a: x * x - a, 1.0, a),
    "an argument that is not read": lambda a: X.sum() + 0.0 * ad.stop_gradient(a),
}


@needs_compiler
@pytest.mark.parametrize("name", STEPS)
def test_a_compiled_function_is_exported_without_a_warning(name, tmp_path):
    f = ad.compile(STEPS[name])
    expected, slope = f.value_and_grad(1.5)
    library = compiled(f.to_c(1.5), tmp_path)
    number_at = ctypes.c_double * 1
    pointer = ctypes.POINTER(ctypes.c_double)
    work = (ctypes.c_double * 4096)()

    def run(function, n_outputs):
        given = [number_at(1.5)]
        made = [number_at() for _ in range(n_outputs)]
        arrays = [
            (pointer * len(them))(*[ctypes.cast(x, pointer) for x in them])
            for them in (given, made)
        ]
        assert function(*arrays, work) == -1
        return [x[0] for x in made]

    found = run(library.f, 1) + run(library.f_gradient, 2)
    assert found == pytest.approx([expected, expected, slope], rel=1e-12)
