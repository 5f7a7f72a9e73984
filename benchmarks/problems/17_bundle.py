"""Bundle adjustment: the block-sparse Jacobian of 1,255,268 reprojections, as CSR.

Each row has a camera (rotation by Rodrigues' formula, with its branch at zero,
translation, focal length, two coefficients of radial distortion, principal point), a
point and a weight: 15 inputs, 2 outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peers
from harness import Answer, Bar, Case, TimeRow
from rows import sampled

N, N_CAMERAS, N_POINTS = 1_255_268, 1_000, 300_000


def data() -> Any:
    """Return a row of 15 inputs for each observation."""
    numpy = peers.load("numpy")
    random = numpy.random.default_rng(4)
    camera = random.standard_normal((N_CAMERAS, 11)) * 0.1
    camera[:, 5] += 5.0
    camera[:, 6] += 500.0
    points = random.standard_normal((N_POINTS, 3))
    rows = numpy.empty((N, 15))
    rows[:, :11] = camera[random.integers(N_CAMERAS, size=N)]
    rows[:, 11:14] = points[random.integers(N_POINTS, size=N)]
    rows[:, 14] = 1.0
    return rows


def places() -> tuple[Any, Any]:
    """Return row pointers and columns of the sparse Jacobian."""
    numpy = peers.load("numpy")
    random = numpy.random.default_rng(5)
    camera = random.integers(N_CAMERAS, size=N).astype(numpy.int32)
    point = random.integers(N_POINTS, size=N).astype(numpy.int32)
    first = 11 * N_CAMERAS
    columns = numpy.concatenate(
        [
            11 * camera[:, None] + numpy.arange(11, dtype=numpy.int32),
            first + 3 * point[:, None] + numpy.arange(3, dtype=numpy.int32),
            (first + 3 * N_POINTS + numpy.arange(N, dtype=numpy.int32))[:, None],
        ],
        axis=1,
    )
    columns = numpy.repeat(columns, 2, axis=0).ravel()
    return numpy.arange(0, 30 * N + 1, 15, dtype=numpy.int32), columns


def project(lib: Any, q: Any, choose: Callable[..., Any]) -> tuple[Any, Any]:
    """Return the weighted pixel of one observation; q: sequence of 15 numbers."""
    r0, r1, r2 = q[0], q[1], q[2]
    x, y, z = q[11], q[12], q[13]
    square = r0 * r0 + r1 * r1 + r2 * r2
    c0, c1, c2 = r1 * z - r2 * y, r2 * x - r0 * z, r0 * y - r1 * x

    def turned() -> Any:
        angle = lib.sqrt(square)
        cosine, sine = lib.cos(angle), lib.sin(angle) / angle
        along = (r0 * x + r1 * y + r2 * z) * (1.0 - cosine) / square
        return (
            x * cosine + c0 * sine + r0 * along,
            y * cosine + c1 * sine + r1 * along,
            z * cosine + c2 * sine + r2 * along,
        )

    u, v, w = choose(square, turned, lambda: (x + c0, y + c1, z + c2))
    u, v, w = u + q[3], v + q[4], w + q[5]
    u, v = u / w, v / w
    n = u * u + v * v
    scale = q[6] * (1.0 + n * (q[7] + n * q[8]))
    return q[14] * (scale * u + q[9]), q[14] * (scale * v + q[10])


def by_if(square: Any, turned: Any, straight: Any) -> Any:
    """Choose as Python does."""
    return turned() if square > 0.0 else straight()


def case(call: Callable[[], Any]) -> Case:
    """Return a case of a call that returns a CSR matrix."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call()
        return found

    def answer() -> Answer:
        return sampled(jacobian=call().data)

    return Case(run, answer, first=call)


def ours() -> Case:
    import scipy.sparse as sparse

    ad = peers.load("autodiff")
    rows, (pointers, columns) = data(), places()
    shape = (2 * N, int(columns.max()) + 1)
    f = ad.vmap(
        ad.jacobian(lambda q: ad.stack(project(ad, q, by_if)), mode="reverse"),
        threads=1,
    )

    def call() -> Any:
        return sparse.csr_array((f(rows).reshape(-1), columns, pointers), shape)

    return case(call)


def torch_case() -> Case:
    import scipy.sparse as sparse

    numpy, torch = peers.load("numpy"), peers.load("torch")
    rows, (pointers, columns) = torch.tensor(data()), places()
    shape = (2 * N, int(columns.max()) + 1)

    def call() -> Any:
        q = [rows[:, k].clone().requires_grad_() for k in range(15)]
        u, v = project(torch, q, lambda _, turned, __: turned())
        found = numpy.empty((N, 2, 15))
        for row, z in enumerate((u, v)):
            each = torch.autograd.grad(z.sum(), q, retain_graph=True, allow_unused=True)
            for k, g in enumerate(each):
                found[:, row, k] = 0.0 if g is None else g.numpy()
        return sparse.csr_array((found.reshape(-1), columns, pointers), shape)

    return case(call)


def jax_case() -> Case:
    import scipy.sparse as sparse

    jax, numpy = peers.load("jax"), peers.load("numpy")
    jnp = jax.numpy
    rows, (pointers, columns) = jnp.array(data()), places()
    shape = (2 * N, int(columns.max()) + 1)

    def one(q: Any) -> Any:
        return jnp.stack(project(jnp, q, lambda _, turned, __: turned()))

    f = jax.jit(jax.vmap(jax.jacrev(one)))

    def call() -> Any:
        found = numpy.asarray(f(rows)).reshape(-1)
        return sparse.csr_array((found, columns, pointers), shape)

    return case(call)


ROWS = (
    TimeRow(
        "jacobian",
        "1,255,268 reprojections, block-sparse Jacobian as CSR",
        "run",
        {"autodiff": ours, "torch": torch_case, "jax": jax_case},
        (Bar("value", 1.0, reach=0.46), Bar("times", 1.0, "jax")),
        has_first=True,
    ),
)
