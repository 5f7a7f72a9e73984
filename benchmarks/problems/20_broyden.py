"""Broyden's tridiagonal residual: its Jacobian as CSR, n = 10,000.

JAX is told the three colours of the band; CasADi finds them, as we do. All but the
floor and CasADi return a new csr_array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import floor
import peers
from harness import Answer, Bar, Case, TimeRow
from rows import sampled

N = 10_000

SOURCE = """
void jacobian(const double *x, double *values, int64_t n)
{
    *values++ = 3 - 4 * x[0];
    *values++ = -2;
    for (int64_t i = 1; i + 1 < n; i++) {
        values[0] = -1;
        values[1] = 3 - 4 * x[i];
        values[2] = -2;
        values += 3;
    }
    values[0] = -1;
    values[1] = 3 - 4 * x[n - 1];
}
"""


def residual(lib: Any, x: Any) -> Any:
    """Return the residual; lib has concatenate and zeros."""
    zero = lib.zeros(1)
    left, right = lib.concatenate([zero, x[:-1]]), lib.concatenate([x[1:], zero])
    return (3.0 - 2.0 * x) * x - left - 2.0 * right + 1.0


def point() -> Any:
    """Return where the Jacobian is asked for."""
    numpy = peers.load("numpy")
    return numpy.sin(numpy.arange(N))


def band() -> tuple[Any, Any, Any, Any]:
    """Return indices, pointers, seeds of three colours and places in their products."""
    numpy = peers.load("numpy")
    rows = numpy.repeat(numpy.arange(N), 3)
    columns = rows + numpy.tile([-1, 0, 1], N)
    inside = (columns >= 0) & (columns < N)
    rows, columns = rows[inside], columns[inside].astype(numpy.int32)
    pointers = numpy.r_[0, numpy.cumsum(numpy.bincount(rows))].astype(numpy.int32)
    seeds = (numpy.arange(N) % 3 == numpy.arange(3)[:, None]).astype(float)
    return columns, pointers, seeds, columns % 3 * N + rows


def case(call: Callable[[], Any], values: Callable[[Any], Any]) -> Case:
    """Return a case of a call; values: the entries, row by row, of what it returns."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call()
        return found

    return Case(run, lambda: _answer(values(call())), first=call)


def _answer(entries: Any) -> Answer:
    return sampled(jacobian=entries)


def ours() -> Case:
    ad = peers.load("autodiff")
    x = point()
    f = ad.compile(lambda x: residual(peers.load("numpy"), x))
    return case(lambda: f.jacobian(x, sparse=True), lambda m: m.data)


def c_floor() -> Case:
    numpy = peers.load("numpy")
    x, values = point(), numpy.empty(3 * N - 2)
    function = floor.build(SOURCE).jacobian
    arguments = floor.at(x), floor.at(values), floor.count(N)
    return case(lambda: function(*arguments), lambda _: values)


def jax_case() -> Case:
    import scipy.sparse as sparse

    jax, numpy = peers.load("jax"), peers.load("numpy")
    columns, pointers, seeds, places = band()
    x, given = jax.numpy.array(point()), jax.numpy.array(seeds)

    @jax.jit
    def entries(x: Any) -> Any:
        _, push = jax.linearize(lambda x: residual(jax.numpy, x), x)
        return jax.vmap(push)(given).reshape(-1)[places]

    def call() -> Any:
        values = numpy.asarray(entries(x))
        return sparse.csr_array((values, columns, pointers), (N, N))

    return case(call, lambda m: m.data)


def casadi_case() -> Case:
    casadi, numpy = peers.load("casadi"), peers.load("numpy")
    x, calls = point(), []

    def call() -> Any:
        if not calls:
            s = casadi.SX.sym("x", N)
            left = casadi.vertcat(0.0, s[:-1])
            right = casadi.vertcat(s[1:], 0.0)
            y = (3.0 - 2.0 * s) * s - left - 2.0 * right + 1.0
            jacobian = casadi.jacobian(y, s)
            function = casadi.Function("f", [s], [jacobian])
            out = numpy.empty(jacobian.nnz())
            buffer, run = function.buffer()
            buffer.set_arg(0, memoryview(x))
            buffer.set_res(0, memoryview(out))
            sparsity = function.sparsity_out(0)
            order = numpy.lexsort((sparsity.get_triplet()[1], sparsity.row()))
            calls[:] = [run, out, order, buffer, function]
        calls[0]()
        return calls[1]

    return case(call, lambda out: out[calls[2]])


ROWS = (
    TimeRow(
        "jacobian",
        "Broyden tridiagonal, n = 10,000, sparse Jacobian",
        "run",
        {
            "autodiff": ours,
            "floor": c_floor,
            "jax": jax_case,
            "casadi": casadi_case,
        },
        (
            Bar("value", 0.1e-3, reach=0.04e-3),
            Bar("times", 1.0, "jax"),
            Bar("times", 1.0, "casadi"),
        ),
        has_first=True,
    ),
)
