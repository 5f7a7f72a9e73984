"""Fits of more rows than one pass holds: the same answers, and no row kept."""

import tracemalloc

import numpy as np
import pytest

import autodiff as ad
from autodiff.fit.solve.observed import observe
from autodiff.fit.solve.passes import CHUNK, PIECE, chunks, over_chunks

N = 3 * CHUNK + 77


@pytest.fixture(scope="module")
def table():
    x = np.linspace(0.0, 5.0, N)
    noise = np.random.default_rng(3).standard_normal(N)
    y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.05 * noise
    return {"x": x, "y": y, "s": 0.04 + 0.01 * x}


def test_chunks_are_all_rows_in_order():
    rows = chunks(N)
    assert np.concatenate([np.arange(N)[part] for part in rows]).tolist() == list(
        range(N)
    )
    assert chunks(0) == []
    assert chunks(5, 2, first=3) == [slice(3, 5)]


def test_an_error_in_one_of_many_chunks_arrives():
    def fails(rows):
        if rows.start == 4 * PIECE:
            raise ArithmeticError("here")
        return rows.start

    with pytest.raises(ArithmeticError, match="here"):
        over_chunks(fails, chunks(N))


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_a_response_as_a_whole(table, offset):
    y, root = table["y"] + offset, 1.0 / table["s"]
    for weight_root in (1.0, root):
        found = observe(y, weight_root)
        w = np.broadcast_to(np.square(weight_root), y.shape).astype(np.longdouble)
        z = y.astype(np.longdouble)
        mean = (w @ z) / w.sum()
        assert found.largest == np.abs(y).max()
        assert found.largest_standard == pytest.approx(np.abs(weight_root * y).max())
        assert found.square == pytest.approx(float(w @ (z * z)), rel=1e-13)
        about = float(w @ ((z - mean) ** 2))
        assert found.about_mean == pytest.approx(
            about, rel=1e-12 if not offset else 1e-8
        )


def test_a_constant_response_does_not_vary():
    assert observe(np.full(N, 0.1), 1.0).about_mean == 0.0
    assert observe(np.full(N, 0.1), np.linspace(1.0, 2.0, N)).about_mean == 0.0


@pytest.mark.parametrize("options", [{}, {"sigma": "s"}, {"weight": "1/s^2"}])
def test_statistics_are_those_of_all_rows_at_once(table, options):
    fit = ad.fit("y ~ a*exp(-b*x) + c", table, **options)
    assert fit.converged
    a, b, c = fit.point
    residual = a * np.exp(-b * table["x"]) + c - table["y"]
    np.testing.assert_allclose(fit.residuals, residual, rtol=0, atol=1e-14)
    np.testing.assert_allclose(fit.fitted, residual + table["y"], atol=1e-14)
    w = 1.0 / table["s"] ** 2 if options else np.ones(N)
    e = np.exp(-b * table["x"])
    jacobian = np.stack([e, -a * table["x"] * e, np.ones(N)], axis=1)
    gradient = jacobian.T @ (w * residual)
    size = np.sqrt((jacobian**2).T @ w) * np.sqrt(w @ residual**2)
    assert np.abs(gradient / size).max() < 1e-13
    rss = float(w @ residual**2)
    assert fit.rss == pytest.approx(rss, rel=1e-12)
    assert fit.largest_residual == pytest.approx(np.abs(residual).max(), rel=1e-12)
    mean = (w @ table["y"]) / w.sum()
    tss = w @ (table["y"] - mean) ** 2
    assert fit.r_squared == pytest.approx(1.0 - rss / tss, rel=1e-12)
    unit = 1.0 if "sigma" in options else rss / (N - 3)
    cov = unit * np.linalg.inv(jacobian.T @ (w[:, None] * jacobian))
    np.testing.assert_allclose(fit.cov, cov, rtol=1e-9)


def test_errors_of_the_hessian_are_not_those_of_a_sample(table):
    """The curvature that steps of many rows are taken with is only about right."""
    fit = ad.fit("y ~ a*exp(-b*x) + c", table, se="hessian")
    a, b, _ = fit.point
    x, r, e = table["x"], fit.residuals, np.exp(-b * table["x"])
    jacobian = np.stack([e, -a * x * e, np.ones(N)], axis=1)
    hessian = jacobian.T @ jacobian
    hessian[0, 1] += r @ (-x * e)
    hessian[1, 0] += r @ (-x * e)
    hessian[1, 1] += r @ (a * x * x * e)
    expected = fit.rss / (N - 3) * np.linalg.inv(hessian)
    np.testing.assert_allclose(fit.cov, expected, rtol=1e-10)


def test_no_row_is_kept(table):
    def peak_of(times):
        data = {name: np.tile(table[name], times) for name in ("x", "y")}
        tracemalloc.start()
        ad.fit("y ~ a*exp(-b*x) + c", data, ci="wald")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_of(1)
    column = 8 * N
    assert peak_of(4) - peak_of(1) < column / 4


@pytest.mark.parametrize("loss", ["poisson", "huber"])
def test_blocks_of_other_losses_are_merged(loss):
    rng = np.random.default_rng(5)
    x = np.linspace(0.0, 1.0, 60_000)
    mean = np.exp(0.5 + 1.5 * x)
    y = rng.poisson(mean).astype(float) if loss == "poisson" else mean
    if loss == "huber":
        y = mean + rng.standard_t(2, len(x))
    fit = ad.fit("y ~ exp(a + b*x)", {"x": x, "y": y}, {"a": 0, "b": 1}, loss=loss)
    assert fit.converged
    assert fit.params["a"] == pytest.approx(0.5, abs=0.05)
    assert fit.params["b"] == pytest.approx(1.5, abs=0.05)
    if loss == "poisson":
        a, b = fit.point
        rest = np.exp(a + b * x) - y
        assert abs(rest.sum()) < 1e-8 * y.sum()
        assert abs(rest @ x) < 1e-8 * y.sum()
