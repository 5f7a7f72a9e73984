"""Rosenbrock: as a loop over x[i], on whole arrays, Hessian products, a dense Hessian.

CasADi and the loop take the same text; the vector form is what NumPy users write.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import floor
import peers
from harness import Answer, Bar, Case, TimeRow
from rows import sampled

N, N_SMALL = 100_000, 200

SOURCE = """
double value_and_grad(const double *x, double *g, int64_t n)
{
    double value = 0;
    for (int64_t i = 0; i < n; i++)
        g[i] = 0;
    for (int64_t i = 0; i + 1 < n; i++) {
        double u = x[i + 1] - x[i] * x[i], v = 1 - x[i];
        value += 100 * u * u + v * v;
        g[i] -= 400 * u * x[i] + 2 * v;
        g[i + 1] += 200 * u;
    }
    return value;
}
void hvp(const double *x, const double *v, double *h, int64_t n)
{
    h[0] = 0;
    for (int64_t i = 0; i + 1 < n; i++) {
        double d = 1200 * x[i] * x[i] - 400 * x[i + 1] + 2, e = -400 * x[i];
        h[i] += d * v[i] + e * v[i + 1];
        h[i + 1] = 200 * v[i + 1] + e * v[i];
    }
}
void hessian(const double *x, double *h, int64_t n)
{
    for (int64_t i = 0; i < n * n; i++)
        h[i] = 0;
    for (int64_t i = 0; i + 1 < n; i++) {
        h[i * n + i] += 1200 * x[i] * x[i] - 400 * x[i + 1] + 2;
        h[(i + 1) * n + i + 1] = 200;
        h[i * n + i + 1] = h[(i + 1) * n + i] = -400 * x[i];
    }
}
"""


def loop(x: Any) -> Any:
    """Return the function, element by element."""
    n = x.shape[0]
    s = 0.0
    for i in range(n - 1):
        s = s + 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return s


def vector(lib: Any, x: Any) -> Any:
    """Return the function on whole arrays."""
    return lib.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def point(n: int) -> tuple[Any, Any]:
    """Return a point and a direction."""
    numpy = peers.load("numpy")
    i = numpy.arange(n)
    return 1.0 + 0.3 * numpy.sin(i), numpy.cos(0.7 * i)


def case(call: Callable[[], Any], names: tuple[str, ...]) -> Case:
    """Return a case of a call with so many results."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call()
        return found

    def answer() -> Answer:
        found = call()
        return sampled(
            **dict(zip(names, found if len(names) > 1 else [found], strict=True))
        )

    return Case(run, answer, first=call)


VALUE, PRODUCT, HESSIAN = ("value", "gradient"), ("product",), ("hessian",)


def ours(form: str, what: str, n: int) -> Case:
    ad = peers.load("autodiff")
    x, v = point(n)
    f = ad.compile(loop if form == "loop" else partial(vector, ad))
    if what == "hvp":
        return case(lambda: f.hvp(x, v), PRODUCT)
    if what == "hessian":
        return case(lambda: f.hessian(x), HESSIAN)
    return case(lambda: f.value_and_grad(x), VALUE)


def c_floor(what: str, n: int) -> Case:
    import ctypes

    numpy = peers.load("numpy")
    x, v = point(n)
    out = numpy.empty((n, n) if what == "hessian" else n)
    library = floor.build(SOURCE)
    library.value_and_grad.restype = ctypes.c_double
    given = [x, v, out] if what == "hvp" else [x, out]
    arguments = *map(floor.at, given), floor.count(n)
    function = getattr(library, what)
    if what == "value_and_grad":
        return case(lambda: (function(*arguments), out), VALUE)

    def call() -> Any:
        function(*arguments)
        return out

    return case(call, (what if what == "hessian" else "product",))


def torch_case(form: str, what: str, n: int) -> Case:
    torch = peers.load("torch")
    x, v = map(torch.tensor, point(n))
    f = loop if form == "loop" else partial(vector, torch)
    if what == "hvp":
        return case(lambda: torch.func.jvp(torch.func.grad(f), (x,), (v,))[1], PRODUCT)
    if what == "hessian":
        h = torch.func.hessian(f)
        return case(lambda: h(x), HESSIAN)

    def call() -> Any:
        leaf = x.clone().requires_grad_()
        value = f(leaf)
        return value.detach(), torch.autograd.grad(value, leaf)[0]

    return case(call, VALUE)


def jax_case(what: str, n: int) -> Case:
    jax = peers.load("jax")
    x, v = map(jax.numpy.array, point(n))
    f = partial(vector, jax.numpy)
    if what == "hvp":
        g = jax.jit(lambda x, v: jax.jvp(jax.grad(f), (x,), (v,))[1])
        return case(lambda: g(x, v).block_until_ready(), PRODUCT)
    if what == "hessian":
        h = jax.jit(jax.hessian(f))
        return case(lambda: h(x).block_until_ready(), HESSIAN)
    both = jax.jit(jax.value_and_grad(f))
    return case(lambda: jax.block_until_ready(both(x)), VALUE)


def casadi_case(form: str, what: str, n: int) -> Case:
    casadi, numpy = peers.load("casadi"), peers.load("numpy")
    x, v = point(n)
    value, out = numpy.empty(1), numpy.empty(n)
    dense = numpy.empty((n, n)) if what == "hessian" else None
    calls: list[Any] = []

    def build() -> Any:
        if form == "loop":
            s = casadi.SX.sym("x", n)
            y = loop(s)
        else:
            s = casadi.MX.sym("x", n)
            u, w = s[1:] - s[:-1] ** 2, 1.0 - s[:-1]
            y = 100.0 * casadi.dot(u, u) + casadi.dot(w, w)
        if what == "value_and_grad":
            return casadi.Function("f", [s], [y, casadi.gradient(y, s)])
        if what == "hessian":
            h = casadi.densify(casadi.hessian(y, s)[0])
            return casadi.Function("f", [s], [h])
        d = type(s).sym("v", n)
        product = casadi.jtimes(casadi.gradient(y, s), s, d)
        return casadi.Function("f", [s, d], [product])

    def call() -> Any:
        if not calls:
            function = build()
            buffer, run = function.buffer()
            buffer.set_arg(0, memoryview(x))
            if what == "hvp":
                buffer.set_arg(1, memoryview(v))
            places = [value, out] if what == "value_and_grad" else [out]
            for k, place in enumerate(
                [dense.reshape(-1)] if dense is not None else places
            ):
                buffer.set_res(k, memoryview(place))
            calls[:] = [run, buffer, function]
        calls[0]()
        return (
            (value, out)
            if what == "value_and_grad"
            else out
            if dense is None
            else dense
        )

    names = {"value_and_grad": VALUE, "hvp": PRODUCT, "hessian": HESSIAN}
    return case(call, names[what])


def _row(
    name: str, title: str, form: str, what: str, n: int, bars: tuple[Bar, ...],
    without: tuple[str, ...] = (),
) -> TimeRow:  # fmt: skip
    cases = {
        "autodiff": partial(ours, form, what, n),
        "floor": partial(c_floor, what, n),
        "torch": partial(torch_case, form, what, n),
        "jax": partial(jax_case, what, n),
        "casadi": partial(casadi_case, form, what, n),
    }
    chosen = {k: v for k, v in cases.items() if k not in without}
    return TimeRow(name, f"Rosenbrock, {title}", "run", chosen, bars, has_first=True)


ROWS = (
    _row(
        "loop", "N = 100,000, a loop over x[i], value and gradient",
        "loop", "value_and_grad", N,
        (
            Bar("value", 2.4e-3), Bar("times", 1.0, "casadi"),
            Bar("value", 1.0, metric="first"),
        ),
        without=("torch", "jax"),  # ten seconds a run; does not compile
    ),
    _row(
        "vector", "N = 100,000, whole arrays, value and gradient",
        "vector", "value_and_grad", N,
        (Bar("value", 0.3e-3), Bar("times", 2.0, "floor")),
    ),
    _row(
        "hvp", "N = 100,000, whole arrays, Hessian times vector",
        "vector", "hvp", N, (Bar("value", 0.5e-3, reach=0.23e-3),),
    ),
    _row(
        "hessian", "N = 200, whole arrays, dense Hessian",
        "vector", "hessian", N_SMALL, (Bar("value", 40e-6, reach=17e-6),),
    ),
    _row(
        "hessian_loop", "N = 200, a loop over x[i], dense Hessian",
        "loop", "hessian", N_SMALL, (Bar("value", 40e-6, reach=17e-6),),
        without=("torch", "jax"),
    ),
)  # fmt: skip
