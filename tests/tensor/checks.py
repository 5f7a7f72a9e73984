"""Gradients compared with central differences, of first and second order."""

import numpy as np

import autodiff as ad

STEP = 6e-6  # cube root of the rounding error: the error of a difference is about 1e-10


def weighted(result):
    """A scalar that depends on every element of the result, each in its own way."""
    parts = result if isinstance(result, (tuple, list)) else [result]
    total = ad.tensor(0.0)
    for part in parts:
        if isinstance(part, ad.Tensor):
            weights = np.cos(1.0 + np.arange(part.numel())).reshape(part.shape)
            total = total + (part * weights).sum()
    return total


def gradients(function, arrays, **options):
    """The gradients of weighted(function(*arrays)), and the leaves."""
    leaves = [ad.tensor(a, requires_grad=True) for a in arrays]
    total = weighted(function(*leaves))
    if not total.requires_grad:
        return [ad.zeros(x.shape) for x in leaves], leaves
    found = ad.autograd.grad(total, leaves, allow_unused=True, **options)
    pairs = zip(found, leaves, strict=True)
    return [ad.zeros(x.shape) if g is None else g for g, x in pairs], leaves


def differences(scalar, arrays):
    """Central differences of scalar(*arrays), element by element."""
    found = []
    for k, a in enumerate(arrays):
        g = np.zeros(a.shape)
        for at in np.ndindex(a.shape):
            ends = []
            for step in (STEP, -STEP):
                moved = [np.array(b, dtype=float) for b in arrays]
                moved[k][at] += step
                ends.append(scalar(*moved))
            g[at] = (ends[0] - ends[1]) / (2 * STEP)
        found.append(g)
    return found


def assert_close(found, expected, tolerance):
    for g, e in zip(found, expected, strict=True):
        assert g.shape == e.shape
        scale = max(np.abs(e).max(initial=0.0), 1.0)
        np.testing.assert_allclose(
            g.detach().numpy(), e, rtol=0, atol=tolerance * scale
        )


def check_gradients(function, *arrays, tolerance=1e-7):
    """Backward agrees with differences of values, and backward of it with its own."""
    arrays = [np.asarray(a, dtype=float) for a in arrays]

    def value(*moved):
        with ad.no_grad():
            return weighted(function(*map(ad.tensor, moved))).item()

    first, leaves = gradients(function, arrays, create_graph=True)
    assert_close(first, differences(value, arrays), tolerance)

    def slope(*moved):
        found, _ = gradients(function, moved)
        return sum(weighted(g).item() for g in found)

    total = weighted(first)
    second = [ad.zeros(x.shape) for x in leaves]
    if total.requires_grad:
        found = ad.autograd.grad(total, leaves, allow_unused=True)
        pairs = zip(found, second, strict=True)
        second = [zero if g is None else g for g, zero in pairs]
    assert_close(second, differences(slope, arrays), tolerance)


def assert_values(result, expected, ulp=0):
    """Values agree to `ulp` units in the last place (0: exactly), and shapes too."""
    values = result.detach().numpy() if isinstance(result, ad.Tensor) else result
    expected = np.asarray(expected, dtype=float)
    assert np.shape(values) == expected.shape
    if ulp:
        np.testing.assert_array_almost_equal_nulp(np.asarray(values), expected, ulp)
    else:
        np.testing.assert_array_equal(values, expected)
