"""Linear algebra: NumPy's values, derivatives of every order, and clear failures."""

import gc

import numpy as np
import pytest

import autodiff as ad
from autodiff import _core, linalg
from autodiff._lapack import KERNELS
from autodiff.programs.vmapped import vmap

RNG = np.random.default_rng(3)
A = RNG.standard_normal((3, 3))
BATCH = RNG.standard_normal((2, 3, 3))
WIDE = RNG.standard_normal((2, 4))
TALL = RNG.standard_normal((4, 2))
PAIR = RNG.standard_normal((2, 2, 3))
V = RNG.standard_normal(3)
RIGHT = RNG.standard_normal((3, 2))
SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])


def mirrored(x):
    """A symmetric matrix of any matrix."""
    return (x + ad.swapaxes(x, -1, -2)) / 2


def positive(x):
    """A symmetric positive definite matrix of any matrix."""
    return x @ ad.swapaxes(x, -1, -2) + np.eye(x.shape[-1])


# Name: (function, NumPy's, operands); the functions are smooth at the operands.
CASES = {
    "solve for a vector": (linalg.solve, np.linalg.solve, A, V),
    "solve for a matrix": (linalg.solve, np.linalg.solve, A, RIGHT),
    "solve a batch": (linalg.solve, np.linalg.solve, BATCH, RIGHT),
    "solve for a batch": (
        linalg.solve, np.linalg.solve, A, np.stack([RIGHT, RIGHT + 1])
    ),
    "solve from the right": (
        lambda a, b: linalg.solve(a, b, left=False),
        lambda a, b: b @ np.linalg.inv(a), A, RIGHT.T,
    ),
    "inv": (linalg.inv, np.linalg.inv, A),
    "inv of a batch": (linalg.inv, np.linalg.inv, BATCH),
    "inv of 1 x 1": (linalg.inv, np.linalg.inv, A[:1, :1]),
    "det": (linalg.det, np.linalg.det, A),
    "det of a batch": (linalg.det, np.linalg.det, BATCH),
    "det of 1 x 1": (linalg.det, np.linalg.det, A[:1, :1]),
    "det of 2 x 2": (linalg.det, np.linalg.det, A[:2, :2]),
    "det of 4 x 4": (linalg.det, np.linalg.det, np.vstack([WIDE, TALL.T])),
    "slogdet": (
        lambda a: linalg.slogdet(a).logabsdet, lambda a: np.linalg.slogdet(a)[1], A
    ),
    "slogdet of a batch": (
        lambda a: linalg.slogdet(a).logabsdet, lambda a: np.linalg.slogdet(a)[1], BATCH
    ),
    "cholesky": (
        lambda a: linalg.cholesky(positive(a)),
        lambda a: np.linalg.cholesky(a @ a.T + np.eye(3)), A,
    ),
    "upper cholesky of a batch": (
        lambda a: linalg.cholesky(positive(a), upper=True),
        lambda a: np.linalg.cholesky(a @ a.mT + np.eye(3)).mT, BATCH,
    ),
    "eigenvalues": (
        lambda a: linalg.eigvalsh(mirrored(a)),
        lambda a: np.linalg.eigvalsh((a + a.T) / 2), A,
    ),
    "eigenvectors": (
        lambda a: linalg.eigh(mirrored(a)).eigenvectors,
        lambda a: np.linalg.eigh((a + a.T) / 2)[1], A,
    ),
    "eigenvectors of a batch by the upper triangle": (
        lambda a: linalg.eigh(mirrored(a), "U").eigenvectors,
        lambda a: np.linalg.eigh((a + a.mT) / 2, "L")[1], BATCH,
    ),
    "singular values": (
        linalg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False), A
    ),
    "singular values of a wide matrix": (
        linalg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False), WIDE
    ),
    "left singular vectors of a tall matrix": (
        lambda a: linalg.svd(a, False).U,
        lambda a: np.linalg.svd(a, full_matrices=False)[0], TALL,
    ),
    "right singular vectors of a wide batch": (
        lambda a: linalg.svd(a, False).Vh,
        lambda a: np.linalg.svd(a, full_matrices=False)[2], PAIR,
    ),
    "lstsq of a tall matrix": (
        lambda a, b: linalg.lstsq(a, b).solution,
        lambda a, b: np.linalg.lstsq(a, b)[0], TALL, WIDE.T,
    ),
    "lstsq of a wide matrix and a vector": (
        lambda a, b: linalg.lstsq(a, b).solution,
        lambda a, b: np.linalg.lstsq(a, b)[0], WIDE, V[:2],
    ),
    "residuals of lstsq": (
        lambda a, b: linalg.lstsq(a, b).residuals,
        lambda a, b: np.linalg.lstsq(a, b)[1], TALL, WIDE.T,
    ),
    "pinv of a tall matrix": (linalg.pinv, np.linalg.pinv, TALL),
    "pinv of a wide batch": (linalg.pinv, np.linalg.pinv, PAIR),
    **{
        f"matrix norm {order}": (
            lambda a, order=order: linalg.norm(a, order),
            lambda a, order=order: np.linalg.norm(a, order), TALL,
        )
        for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    },
    "matrix norms of a batch": (
        lambda a: linalg.norm(a, "nuc", (0, 2), True),
        lambda a: np.linalg.norm(a, "nuc", (0, 2), True), PAIR,
    ),
    "vector norms": (
        lambda a: linalg.norm(a, 3, 1), lambda a: np.linalg.norm(a, 3, 1), TALL
    ),
    "norm of all": (linalg.norm, lambda a: np.linalg.norm(a.ravel()), PAIR),
}  # fmt: skip

each_case = pytest.mark.parametrize("name", CASES)


def leaves_of(name):
    function, _, *arrays = CASES[name]
    return function, [ad.tensor(a, requires_grad=True) for a in arrays]


@each_case
def test_values_are_those_of_numpy(name):
    ours, numpys, *arrays = CASES[name]
    found, expected = ours(*map(ad.tensor, arrays)), numpys(*arrays)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-13)


@each_case
def test_gradients_agree_with_differences(name):
    assert ad.testing.gradcheck(*leaves_of(name))


@each_case
def test_second_derivatives_agree_with_differences(name):
    function, leaves = leaves_of(name)
    assert ad.testing.gradgradcheck(function, leaves, rtol=1e-4, atol=1e-5)


@each_case
def test_the_tangent_agrees_with_the_adjoint(name, rng):
    function, leaves = leaves_of(name)
    z = function(*leaves)
    directions = [ad.tensor(rng.standard_normal(x.shape)) for x in leaves]
    seed = ad.tensor(rng.standard_normal(z.shape))
    (z_dot,) = ad.autograd.tangent(z, leaves, directions)
    found = ad.autograd.grad(z, leaves, seed)
    forward = (z_dot * seed).sum().item()
    reverse = sum((g * d).sum().item() for g, d in zip(found, directions, strict=True))
    assert forward == pytest.approx(reverse, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["solve for a vector", "det", "cholesky", "eigenvalues", "singular values"]
)
def test_third_derivatives_agree_with_differences(name):
    function, (x, *others) = leaves_of(name)

    def slope(x):
        (first,) = ad.autograd.grad(function(x, *others).sum(), [x], create_graph=True)
        return first

    assert ad.testing.gradgradcheck(slope, x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["solve for a matrix", "lstsq of a tall matrix"])
@pytest.mark.parametrize("k", [0, 1])
def test_one_operand_may_be_a_plain_array(name, k):
    function, leaves = leaves_of(name)
    plain = leaves[1 - k].detach().numpy()
    one = (lambda x: function(x, plain)) if k == 0 else (lambda x: function(plain, x))
    assert ad.testing.gradgradcheck(one, leaves[k], rtol=1e-4, atol=1e-5)


# ---- Closed forms --------------------------------------------------------------------


def gradient(function, a, *, create_graph=False):
    x = ad.tensor(a, requires_grad=True)
    (found,) = ad.autograd.grad(function(x).sum(), [x], create_graph=create_graph)
    return found.detach().numpy()


def test_the_gradient_of_the_log_determinant_is_the_inverse_transposed():
    found = gradient(lambda x: linalg.slogdet(x).logabsdet, A)
    np.testing.assert_allclose(found, np.linalg.inv(A).T, rtol=1e-12)


def test_the_log_determinant_has_its_gradient_where_the_determinant_overflows():
    scaled = 1e200 * np.eye(3)
    assert gradient(lambda x: linalg.slogdet(x)[1], scaled)[0, 0] == 1e-200


def test_gradients_of_cholesky_and_eigh_are_symmetric():
    a = A @ A.T + np.eye(3)
    for function in (linalg.cholesky, lambda x: linalg.eigh(x).eigenvectors[0] ** 2):
        found = gradient(function, a)
        np.testing.assert_allclose(found, found.T, rtol=1e-12, atol=1e-13)


def test_only_one_triangle_is_read():
    a = A @ A.T + np.eye(3)
    junk = a + np.triu(np.full((3, 3), 9.0), 1)
    upper = junk.T
    np.testing.assert_array_equal(
        linalg.cholesky(junk).numpy(), linalg.cholesky(a).numpy()
    )
    np.testing.assert_array_equal(
        linalg.cholesky(upper, upper=True).numpy(), linalg.cholesky(a, upper=True)
    )
    np.testing.assert_array_equal(linalg.eigvalsh(junk), linalg.eigvalsh(a))
    np.testing.assert_array_equal(linalg.eigvalsh(upper, "U"), linalg.eigvalsh(a))


def test_the_sign_of_slogdet_is_numpys():
    found = linalg.slogdet(np.stack([A, -A, 0 * A]))
    expected = np.linalg.slogdet(np.stack([A, -A, 0 * A]))
    np.testing.assert_array_equal(found.sign.numpy(), expected[0])


def test_lstsq_returns_rank_and_singular_values_of_numpy():
    found = linalg.lstsq(ad.tensor(TALL), np.ones(4))
    _, residuals, rank, values = np.linalg.lstsq(TALL, np.ones(4), rcond=None)
    assert found.rank == rank
    np.testing.assert_allclose(found.singular_values, values, rtol=1e-14)
    np.testing.assert_allclose(found.residuals.numpy(), residuals, rtol=1e-12)


@pytest.mark.parametrize("a", [WIDE, A, np.ones((3, 2))])
def test_lstsq_has_no_residuals_unless_tall_and_of_full_rank(a):
    assert linalg.lstsq(a, np.ones(len(a))).residuals.shape == (0,)


def test_lstsq_differentiates_along_a_family_of_one_rank():
    y = np.array([1.0, 2.0, 4.0])
    t = ad.tensor(0.7, requires_grad=True)

    def solution(t):  # two equal columns: rank 1, whatever t is
        column = ad.stack([t, t * t, 1.0 + t])
        return linalg.lstsq(ad.stack([column, column], 1), y).solution

    assert ad.testing.gradcheck(solution, t)


# ---- Awkward points ------------------------------------------------------------------


def test_the_determinant_of_a_singular_matrix_has_its_cofactors_as_gradient():
    found = gradient(linalg.det, SINGULAR)
    minors = [
        [
            (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(SINGULAR, i, 0), j, 1))
            for j in range(3)
        ]
        for i in range(3)
    ]
    np.testing.assert_allclose(found, minors, atol=1e-13)


def test_the_determinant_of_a_matrix_of_lower_rank_has_gradient_0():
    assert not gradient(linalg.det, np.zeros((3, 3))).any()
    np.testing.assert_allclose(gradient(linalg.det, np.ones((3, 3))), 0, atol=1e-15)


def test_a_singular_member_of_a_batch_leaves_the_gradients_of_the_others():
    found = gradient(linalg.det, np.stack([A, SINGULAR]))
    np.testing.assert_allclose(found[0], gradient(linalg.det, A), rtol=1e-13)
    np.testing.assert_allclose(found[1], gradient(linalg.det, SINGULAR), rtol=1e-13)


def test_second_derivatives_of_a_2_by_2_determinant_are_right_where_it_is_singular():
    x = ad.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    assert ad.testing.gradgradcheck(linalg.det, x)


def test_a_singular_matrix_that_does_not_count_makes_no_nan():
    found = gradient(
        lambda x: ad.where(np.array([True, False]), linalg.slogdet(x)[1], 0.0),
        np.stack([2 * np.eye(3), SINGULAR]),
    )
    np.testing.assert_array_equal(found, np.stack([np.eye(3) / 2, np.zeros((3, 3))]))


def test_the_log_determinant_of_a_singular_matrix_has_no_gradient():
    assert linalg.slogdet(SINGULAR).logabsdet.item() == -np.inf
    assert np.isnan(gradient(lambda x: linalg.slogdet(x)[1], SINGULAR)).all()


def test_equal_eigenvalues_have_gradients():
    found = gradient(lambda x: linalg.eigvalsh(x) * np.arange(1.0, 4.0), 2 * np.eye(3))
    np.testing.assert_array_equal(found, np.diag([1.0, 2.0, 3.0]))


def test_eigenvectors_of_equal_eigenvalues_have_none():
    found = gradient(lambda x: linalg.eigh(x).eigenvectors[0], np.eye(3))
    assert not np.isfinite(found).all()


def test_equal_singular_values_have_gradients():
    found = gradient(linalg.svdvals, np.eye(3))
    np.testing.assert_array_equal(found, np.eye(3))


@pytest.mark.parametrize("order", [None, "fro", "nuc", 2, 1, np.inf])
def test_the_gradient_of_a_norm_of_0_is_0(order):
    assert not gradient(lambda x: linalg.norm(x, order), np.zeros((2, 3))).any()
    assert not gradient(lambda x: linalg.norm(x, 2), np.zeros(3)).any()


@pytest.mark.parametrize(
    "function",
    [linalg.inv, linalg.det, linalg.cholesky, linalg.eigvalsh,
     lambda x: linalg.slogdet(x)[1], lambda x: linalg.solve(x, np.ones(2))],
    ids="inv det cholesky eigvalsh slogdet solve".split(),
)  # fmt: skip
def test_nan_goes_through_and_into_the_gradient(function):
    x = ad.tensor([[1.0, 0.0], [np.nan, 2.0]], requires_grad=True)
    z = function(x).sum()
    z.backward()
    assert np.isnan(z.item())
    assert np.isnan(x.grad.numpy()).any()


SQUARE = {
    "solve": lambda x: linalg.solve(x, np.ones((x.shape[-1], 2))),
    "inv": linalg.inv,
    "det": linalg.det,
    "slogdet": lambda x: linalg.slogdet(x)[1],
    "cholesky": linalg.cholesky,
    "eigh": lambda x: linalg.eigh(x)[1],
}
ANY = {
    "svdvals": linalg.svdvals,
    "pinv": linalg.pinv,
    "lstsq": lambda x: linalg.lstsq(x, np.ones((x.shape[-2], 2))).solution,
    "nuclear norm": lambda x: linalg.norm(x, "nuc", (-2, -1)),
}


@pytest.mark.parametrize("name", [*SQUARE, *ANY])
@pytest.mark.parametrize("shape", [(0, 0), (0, 2, 2), (2, 0, 0), (0, 3), (3, 0)])
def test_nothing_has_values_as_numpys_and_an_empty_gradient(name, shape):
    if shape[-2] != shape[-1] and name in SQUARE:
        return
    x = ad.tensor(np.zeros(shape), requires_grad=True)
    z = (SQUARE | ANY)[name](x)
    (found,) = ad.autograd.grad(z.sum(), [x])
    assert found.shape == shape
    if name == "det":
        np.testing.assert_array_equal(
            z.detach().numpy(), np.linalg.det(np.zeros(shape))
        )


# ---- Failures ------------------------------------------------------------------------

NO_RESULT = {
    "inv": (lambda: linalg.inv(np.ones((2, 2))), "singular.*lstsq"),
    "solve": (lambda: linalg.solve(np.zeros((2, 2)), np.ones(2)), "singular"),
    "one of a batch": (
        lambda: linalg.inv(np.stack([np.eye(2), np.ones((2, 2))])), r"at \(1,\) of"
    ),
    "not positive": (lambda: linalg.cholesky(-np.eye(2)), "positive definite.*add"),
    "one not positive": (
        lambda: linalg.cholesky(np.stack([np.eye(2), -np.eye(2)])), r"at \(1,\) of"
    ),
    "svd of NaN": (lambda: linalg.svdvals(np.full((2, 2), np.nan)), "NaN"),
    "lstsq of NaN": (lambda: linalg.pinv(np.full((2, 2), np.nan)), "NaN"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_RESULT)
@pytest.mark.parametrize("kind", [ad.LinAlgError, np.linalg.LinAlgError, RuntimeError])
def test_a_matrix_without_the_result_is_an_error_that_says_which(name, kind):
    function, text = NO_RESULT[name]
    with pytest.raises(kind, match=text):
        function()


def test_a_failure_leaves_the_tape_usable():
    x = ad.tensor(np.ones((2, 2)), requires_grad=True)
    y = x * 2
    with pytest.raises(ad.LinAlgError):
        linalg.inv(y)
    y.sum().backward()
    assert (x.grad.numpy() == 2).all()


BAD = {
    "not square": (lambda: linalg.solve(TALL, V), r"square.*\(4, 2\)"),
    "a vector": (lambda: linalg.det(V), "2 axes"),
    "a scalar": (lambda: linalg.inv(2.0), "2 axes"),
    "rows": (lambda: linalg.solve(A, np.ones(2)), "rows"),
    "rows of lstsq": (lambda: linalg.lstsq(TALL, V), "rows"),
    "batches": (lambda: linalg.solve(BATCH, np.ones((3, 3, 1))), "batches"),
    "a scalar on the right": (lambda: linalg.solve(A, 1.0), "right-hand"),
    "a vector on the left": (lambda: linalg.solve(A, V, left=False), "left"),
    "UPLO": (lambda: linalg.eigh(A, "X"), "UPLO"),
    "full matrices": (lambda: linalg.svd(TALL), "full_matrices=False"),
    "rcond": (lambda: linalg.lstsq(TALL, np.ones(4), 0.1), "rcond"),
    "order of a matrix": (lambda: linalg.norm(A, 3), "order"),
    "order of a vector": (lambda: linalg.norm(V, "fro"), "order"),
    "three axes": (lambda: linalg.norm(BATCH, 2), "name the axes"),
    "two axes wanted": (lambda: linalg.matrix_norm(A, dim=(0,)), "two axes"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_named(name):
    function, text = BAD[name]
    with pytest.raises((ad.ShapeError, ad.ArgumentError), match=text):
        function()


@pytest.mark.parametrize("operands", [[1.0, V], [V, V], [A, V], [BATCH, np.ones(0)]])
def test_the_core_checks_shapes_itself(operands):
    for name in ("solve", "lstsq"):
        with pytest.raises(ad.ShapeError):
            _core.linalg(name, [ad.as_tensor(x) for x in operands])


# ---- The tape ------------------------------------------------------------------------


def test_a_matrix_that_was_changed_in_place_is_noticed():
    x = ad.tensor(A, requires_grad=True)
    y = x * 1
    z = linalg.inv(y)
    y[0, 0] = 5.0
    with pytest.raises(ad.GraphError, match="solve"):
        z.sum().backward()


def test_what_no_rule_reads_may_change_in_place():
    x, b = ad.tensor(A, requires_grad=True), ad.tensor(V, requires_grad=True)
    right = b * 1
    z = linalg.solve(x, right)
    right[0] = 5.0
    z.sum().backward()
    np.testing.assert_allclose(b.grad.numpy(), np.linalg.solve(A.T, np.ones(3)))


def test_a_collection_during_a_decomposition_moves_nothing_under_it(monkeypatch):
    class Garbage:
        def __init__(self, value):
            self.value, self.me = value, self

    def solve(*args):
        gc.collect()
        plain(*args)

    plain = KERNELS["solve"]
    x = ad.tensor(A, requires_grad=True)
    for _ in range(50):  # large arrays, below what is still needed, in a dead cycle
        Garbage(ad.ones(400, 400, requires_grad=True) * x[0, 0])
    y = x * 2
    _core.set_linalg({"solve": solve})
    try:
        z = linalg.inv(y)
    finally:
        _core.set_linalg({"solve": plain})
    z.sum().backward()
    expected = -np.outer(*[np.linalg.inv(A).sum(axis=i) for i in (0, 1)]) / 2
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-10)


def test_nan_report_finds_the_decomposition_that_made_the_nan():
    x = ad.tensor([[1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    report = ad.nan_report(linalg.slogdet(x).logabsdet)
    assert "slogdet" in str(report)


def test_constants_record_nothing():
    before = ad.tape_info().entries
    linalg.svdvals(linalg.inv(A))
    assert ad.tape_info().entries == before


# ---- Programs ------------------------------------------------------------------------


def recorded(function, arrays):
    trace = _core.Recording()
    trace.begin()
    try:
        inputs = [trace.input(np.asarray(a)) for a in arrays]
        outputs = [function(*inputs)]
    finally:
        trace.end()
    return trace.finish(outputs)


@each_case
def test_a_program_has_the_values_and_gradients_of_the_tape(name, rng):
    function, _, *arrays = CASES[name]
    program = recorded(function, arrays)
    _, leaves = leaves_of(name)
    z = function(*leaves)
    seed = rng.standard_normal(z.shape)
    expected = [z, *ad.autograd.grad(z, leaves, ad.tensor(seed))]
    found, _ = program.reverse([True] * len(arrays)).evaluate([*arrays, seed])
    for ours, tapes in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            ours.numpy(), tapes.detach().numpy(), rtol=1e-9, atol=1e-10
        )


@each_case
def test_a_program_has_the_tangents_and_second_derivatives_of_the_tape(name, rng):
    function, _, *arrays = CASES[name]
    program = recorded(function, arrays)
    _, leaves = leaves_of(name)
    z = function(*leaves)
    directions = [rng.standard_normal(a.shape) for a in arrays]
    along = [ad.tensor(d) for d in directions]
    (z_dot,) = ad.autograd.tangent(z, leaves, along)
    forward = program.forward([True] * len(arrays))
    (_, found), _ = forward.evaluate([*arrays, *directions])
    np.testing.assert_allclose(
        found.numpy(), z_dot.detach().numpy(), rtol=1e-9, atol=1e-10
    )
    gradients = ad.autograd.grad(z_dot.sum(), leaves, allow_unused=True)
    wanted = [True] * len(arrays) + [False] * len(arrays)
    second = forward.reverse(wanted, False)
    seeds = [np.zeros(z.shape), np.ones(z.shape)]
    found, _ = second.evaluate([*arrays, *directions, *seeds])
    for ours, tapes, a in zip(found, gradients, arrays, strict=True):
        tapes = np.zeros(a.shape) if tapes is None else tapes.numpy()
        np.testing.assert_allclose(ours.numpy(), tapes, rtol=1e-7, atol=1e-8)


def test_a_program_refuses_a_singular_matrix_when_it_runs():
    program = recorded(linalg.inv, [A])
    with pytest.raises(ad.LinAlgError):
        program.evaluate([SINGULAR])


@each_case
def test_the_machine_runs_the_gradient_program_as_the_tape_would(name, rng):
    function, _, *arrays = CASES[name]
    program = recorded(function, arrays)
    seed = rng.standard_normal(program.output_shapes[0])
    backward = program.reverse([True] * len(arrays))
    expected, _ = backward.evaluate([*arrays, seed])
    inputs = [np.ascontiguousarray(a) for a in arrays]
    inputs.append(np.array(seed) if np.ndim(seed) else float(seed))
    found = _core.Code(backward).run(inputs)[0]
    for ours, tapes in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, tapes.numpy())


def test_the_machine_says_which_operation_found_a_singular_matrix():
    code = _core.Code(recorded(linalg.inv, [A]))
    with pytest.raises(ad.LinAlgError, match="singular"):
        code.run([SINGULAR])


@pytest.mark.parametrize("threads", [1, 2])
def test_lanes_have_the_values_of_each_row(threads, rng):
    rows = rng.standard_normal((50, 3, 3))

    def function(a):
        return linalg.svdvals(a) @ linalg.solve(a, V) + linalg.det(a)

    found = vmap(function, threads=threads)(rows)
    expected = [function(ad.tensor(a)).item() for a in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_singular_matrix_in_one_lane_is_an_error():
    rows = np.stack([A, SINGULAR, A])
    with pytest.raises(ad.LinAlgError, match="singular"):
        vmap(linalg.inv)(rows)
