"""Functions of neural networks: by hand, at the edges, twice derived, and refused."""

import itertools

import numpy as np
import pytest

import autodiff as ad
import autodiff.nn.functional as F


def naive_conv2d(x, w, b, stride, padding, dilation, groups):
    """Correlate by the definition, one output element at a time."""
    n = x.shape[0]
    o, per, k1, k2 = w.shape
    p = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    sizes = [
        (p.shape[2 + i] - dilation[i] * (w.shape[2 + i] - 1) - 1) // stride[i] + 1
        for i in range(2)
    ]
    z = np.zeros((n, o, *sizes))
    for m, q, i, j in itertools.product(*map(range, z.shape)):
        first = q // (o // groups) * per
        rows = slice(i * stride[0], i * stride[0] + dilation[0] * k1, dilation[0])
        cols = slice(j * stride[1], j * stride[1] + dilation[1] * k2, dilation[1])
        part = p[m, first : first + per, rows, cols][:, :k1, :k2]
        z[m, q, i, j] = (part * w[q]).sum() + b[q]
    return z


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        ((1, 1), (0, 0), (1, 1), 1),
        ((2, 3), (0, 0), (1, 1), 1),
        ((1, 1), (2, 1), (1, 1), 1),
        ((1, 1), (0, 0), (2, 3), 1),
        ((1, 1), (0, 0), (1, 1), 2),
        ((2, 1), (1, 2), (2, 1), 4),
    ],
)
def test_convolution_is_its_definition(stride, padding, dilation, groups, rng):
    x = rng.standard_normal((2, 4, 8, 9))
    w = rng.standard_normal((8, 4 // groups, 3, 2))
    b = rng.standard_normal(8)
    z = F.conv2d(x, w, b, stride, padding, dilation, groups)
    expected = naive_conv2d(x, w, b, stride, padding, dilation, groups)
    np.testing.assert_allclose(z.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_the_adjoint_of_convolution_is_its_transpose(rng):
    x, y = rng.standard_normal((2, 3, 6, 7)), rng.standard_normal((2, 4, 3, 3))
    w = rng.standard_normal((4, 3, 2, 3))
    forward = F.conv2d(x, w, stride=2).numpy()
    back = F.conv_transpose2d(y, w, stride=2, output_padding=(0, 0)).numpy()
    padded = np.zeros_like(x)
    padded[:, :, : back.shape[2], : back.shape[3]] = back
    assert (forward * y).sum() == pytest.approx((x * padded).sum(), rel=1e-12)


# ---- Pooling -------------------------------------------------------------------------


def pool_gradient(x, **options):
    leaf = ad.tensor(x, requires_grad=True)
    F.max_pool2d(leaf, **options).sum().backward()
    return leaf.grad.numpy()


def test_a_tie_goes_to_the_first_in_reading_order():
    found = pool_gradient(np.ones((1, 2, 2)), kernel_size=2)
    assert found.tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


def test_overlapping_windows_add_up_at_a_common_winner():
    x = np.zeros((1, 3, 3))
    x[0, 1, 1] = 1.0
    found = pool_gradient(x, kernel_size=2, stride=1)
    assert found[0, 1, 1] == 4.0
    assert found.sum() == 4.0


def test_a_compiled_pool_chooses_anew_at_each_call():
    f = ad.compile(lambda x: F.max_pool1d(x, 2).sum())
    assert f.grad(np.array([[1.0, 2.0]])).tolist() == [[0.0, 1.0]]
    assert f.grad(np.array([[3.0, 2.0]])).tolist() == [[1.0, 0.0]]
    assert f.grad(np.array([[2.0, 2.0]])).tolist() == [[1.0, 0.0]]


def test_a_nan_wins():
    z = F.max_pool1d(ad.tensor([[1.0, np.nan, 3.0, 2.0]]), 2).numpy()
    assert np.isnan(z[0, 0])
    assert z[0, 1] == 3.0


def test_a_border_of_minus_infinity_never_wins():
    z = F.max_pool2d(-ad.ones(1, 2, 2), 2, stride=1, padding=1)
    assert z.tolist() == [[[-1.0] * 3] * 3]


# ---- Twice derived, and inside transforms --------------------------------------------

TWICE = {
    "conv2d": (
        lambda x, w: F.conv2d(x, w, stride=2, padding=1),
        [(1, 2, 4, 3), (2, 2, 2, 2)],
    ),
    "conv_transpose2d": (
        lambda x, w: F.conv_transpose2d(x, w, stride=2),
        [(1, 2, 2, 2), (2, 1, 2, 2)],
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x * x, 2), [(1, 4, 4)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x * x, 2, 1, 1), [(1, 3, 3)]),
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), [(4, 2)]),
    "layer_norm": (lambda x, w: F.layer_norm(x, 3, w), [(2, 3), (3,)]),
    "gelu": (F.gelu, [(3,)]),
    "silu": (F.silu, [(3,)]),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, ad.tensor([0, 2]), label_smoothing=0.1),
        [(2, 3)],
    ),
    "bce": (
        lambda x: F.binary_cross_entropy_with_logits(x, ad.tensor([0.0, 1.0, 0.3])),
        [(3,)],
    ),
    "cosine": (F.cosine_similarity, [(2, 3), (2, 3)]),
    "linear": (lambda x, w, b: F.linear(x, w, b) ** 2, [(2, 3), (2, 3), (2,)]),
}


@pytest.mark.parametrize("name", TWICE)
def test_second_derivatives_agree_with_differences(name, rng):
    function, shapes = TWICE[name]
    inputs = [ad.tensor(rng.standard_normal(s), requires_grad=True) for s in shapes]
    assert ad.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("name", TWICE)
def test_a_hessian_inside_a_compiled_function_is_the_eager_one(name, rng):
    function, shapes = TWICE[name]
    inputs = [rng.standard_normal(s) for s in shapes]

    def loss(x):
        return (function(x, *inputs[1:]) ** 2).sum()

    expected = ad.hessian(loss)(inputs[0])
    found = ad.compile(loss).hessian(inputs[0])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


# ---- Nothing to do -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda x: F.conv2d(x, ad.ones(2, 3, 2, 2), ad.ones(2), padding=1), (2, 5, 5)),
        (lambda x: F.max_pool2d(x, 2), (3, 2, 2)),
        (lambda x: F.max_pool2d(x, 3, padding=1), (3, 2, 2)),
        (lambda x: F.avg_pool2d(x, 2), (3, 2, 2)),
        (lambda x: F.batch_norm(x, ad.zeros(3), ad.ones(3)), (3, 4, 4)),
        (lambda x: F.layer_norm(x, 4), (3, 4, 4)),
        (lambda x: F.linear(x, ad.ones(5, 4)), (3, 4, 5)),
    ],
)
def test_no_rows_give_no_rows_and_a_gradient_of_none(call, shape):
    x = ad.tensor(np.zeros((0, 3, 4, 4)), requires_grad=True)
    z = call(x)
    assert tuple(z.shape) == (0, *shape)
    z.sum().backward()
    assert tuple(x.grad.shape) == (0, 3, 4, 4)


def test_no_labels_give_a_mean_that_is_nan_and_a_sum_of_zero():
    x = ad.tensor(np.zeros((0, 3)), requires_grad=True)
    labels = ad.tensor(np.zeros(0))
    assert F.cross_entropy(x, labels, reduction="sum").item() == 0.0
    assert np.isnan(F.cross_entropy(x, labels).item())


# ---- Refused -------------------------------------------------------------------------

IMAGES = np.zeros((2, 4, 5, 6))


def kernel(*shape):
    return np.zeros(shape)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: F.conv2d(IMAGES, kernel(1, 4, 6, 1)),
            ad.ShapeError,
            r"larger than the input: \(n \+ 2p .* n = 5.*k = 6.* at most 5",
        ),
        (
            lambda: F.conv2d(IMAGES, kernel(1, 4, 3, 1), dilation=3),
            ad.ShapeError,
            "larger than the input.*d = 3",
        ),
        (
            lambda: F.conv2d(IMAGES, kernel(6, 1, 2, 2), groups=3),
            ad.ArgumentError,
            "groups = 3 does not divide 4 input channels and 6",
        ),
        (
            lambda: F.conv2d(IMAGES, kernel(6, 2, 2, 2), groups=4),
            ad.ArgumentError,
            "groups = 4 does not divide",
        ),
        (
            lambda: F.conv2d(IMAGES, kernel(6, 3, 2, 2)),
            ad.ShapeError,
            "takes 3 channels, the input of shape .* has 4",
        ),
        (
            lambda: F.conv2d(IMAGES, kernel(6, 4, 2, 2), kernel(5)),
            ad.ShapeError,
            r"bias must have shape \(6,\)",
        ),
        (
            lambda: F.conv2d(kernel(5, 6), kernel(6, 4, 2, 2)),
            ad.ShapeError,
            "4 axes",
        ),
        (
            lambda: F.conv2d(IMAGES, kernel(6, 4, 2, 2), stride=0),
            ad.ArgumentError,
            "stride must be a whole number from 1",
        ),
        (
            lambda: F.conv2d(IMAGES, kernel(6, 4, 2, 2), padding=-1),
            ad.ArgumentError,
            "padding must be a whole number from 0",
        ),
        (
            lambda: F.conv_transpose2d(IMAGES, kernel(4, 1, 2, 2), output_padding=1),
            ad.ArgumentError,
            "output_padding must be below",
        ),
        (
            lambda: F.max_pool2d(IMAGES, 7),
            ad.ShapeError,
            "larger than the input",
        ),
        (
            lambda: F.max_pool2d(IMAGES, 2, padding=2),
            ad.ArgumentError,
            "at most half the kernel",
        ),
        (
            lambda: F.cross_entropy(kernel(2, 3), np.array([0, 3])),
            ad.ArgumentError,
            "label 3 at 1 is out of range; labels are whole numbers from 0 to 2",
        ),
        (
            lambda: F.cross_entropy(kernel(2, 3), np.array([0, -1])),
            ad.ArgumentError,
            "label -1 at 1",
        ),
        (
            lambda: F.nll_loss(kernel(2, 3), np.array([0.5, 1])),
            ad.ArgumentError,
            "label 0.5 at 0",
        ),
        (
            lambda: F.cross_entropy(kernel(2, 3), np.array([0, 1, 1])),
            ad.ShapeError,
            r"target must have shape \(2,\), got \(3,\)",
        ),
        (
            lambda: F.cross_entropy(kernel(2, 3), np.array([0, 1]), np.ones(2)),
            ad.ShapeError,
            "one number for each of 3 classes",
        ),
        (
            lambda: F.embedding(np.array([0, 7]), kernel(7, 2)),
            ad.ArgumentError,
            "index 7 is out of range for a table of 7",
        ),
        (
            lambda: F.mse_loss(kernel(3), kernel(3, 1)),
            ad.ShapeError,
            "input has shape .* and target",
        ),
        (
            lambda: F.mse_loss(kernel(3), kernel(3), reduction="average"),
            ad.ArgumentError,
            "'mean', 'sum' or 'none'",
        ),
        (
            lambda: F.binary_cross_entropy(np.array([1.5]), np.array([1.0])),
            ad.ArgumentError,
            "probabilities in .*with_logits",
        ),
        (
            lambda: F.batch_norm(kernel(1, 3), None, None, training=True),
            ad.ArgumentError,
            "more than one value for each channel",
        ),
        (
            lambda: F.batch_norm(kernel(2, 3), None, None),
            ad.ArgumentError,
            "needed when not training",
        ),
        (
            lambda: F.layer_norm(kernel(2, 3), 2),
            ad.ShapeError,
            "does not end in normalized_shape",
        ),
        (
            lambda: F.linear(kernel(2, 3), kernel(4, 2)),
            ad.ShapeError,
            "does not meet a weight",
        ),
        (
            lambda: F.dropout(kernel(2), float("nan")),
            ad.ArgumentError,
            "probability",
        ),
        (
            lambda: F.gelu(kernel(2), approximate="erf"),
            ad.ArgumentError,
            "'none' or 'tanh'",
        ),
    ],
)
def test_what_does_not_fit_is_a_clear_error(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_a_weight_that_does_not_fit_moves_no_statistics():
    mean, variance = ad.zeros(3), ad.ones(3)
    with pytest.raises(ad.ShapeError):
        F.batch_norm(kernel(4, 3), mean, variance, kernel(2), training=True)
    assert mean.tolist() == [0.0] * 3
    assert variance.tolist() == [1.0] * 3


# ---- Labels and weights as arguments of recorded functions ---------------------------

LOGITS = np.array([[0.5, -1.0, 2.0], [0.0, 1.0, -0.5], [1.5, 0.2, 0.1]])
LABELS = [[0.0, 1.0, 2.0], [2.0, 2.0, 0.0], [1.0, -100.0, 1.0]]
WEIGHTS = [[1.0, 2.0, 3.0], [0.5, 0.1, 1.0], [1.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, t, w: F.cross_entropy(x, t),
        lambda x, t, w: F.cross_entropy(x, t, w),
        lambda x, t, w: F.cross_entropy(x, t, w, label_smoothing=0.2),
        lambda x, t, w: F.cross_entropy(x, t, w, reduction="sum"),
        lambda x, t, w: F.nll_loss(x, t, w, reduction="none"),
    ],
)
def test_labels_and_weights_are_arguments_of_one_program(loss):
    recorded = ad.compile(loss)
    for labels, weights in zip(LABELS, WEIGHTS, strict=True):
        args = LOGITS, np.array(labels), np.array(weights)
        expected = loss(*map(ad.tensor, args))
        np.testing.assert_allclose(recorded(*args), expected.tolist(), rtol=1e-14)
    assert len(recorded.programs) == 1


def test_a_label_out_of_range_is_an_error_in_a_recorded_function():
    recorded = ad.compile(lambda x, t: F.cross_entropy(x, t))
    recorded(LOGITS, np.array(LABELS[0]))
    with pytest.raises(ad.ArgumentError, match="label 3 at 1 is out of range"):
        recorded(LOGITS, np.array([0.0, 3.0, 1.0]))


@pytest.mark.parametrize(
    "function",
    [
        lambda t: F.one_hot(t, 3),
        lambda t: F.one_hot(t),
        lambda t: F.embedding(t, ad.tensor(LOGITS)),
        lambda t: F.cosine_embedding_loss(LOGITS, LOGITS[::-1].copy(), t - 1.0),
    ],
)
def test_numbers_of_classes_are_no_constants_in_a_recorded_function(function):
    recorded = ad.compile(function)
    for labels in ([0.0, 1.0, 2.0], [2.0, 2.0, 0.0], [0.0, 0.0, 1.0]):
        expected = function(ad.tensor(labels)).tolist()
        np.testing.assert_allclose(recorded(np.array(labels)), expected, rtol=1e-14)


# ---- Where it was not PyTorch's ------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [F.relu, F.relu6, F.elu, F.selu, F.silu, F.leaky_relu, F.hardtanh],
)
def test_an_activation_in_place_has_the_gradient_of_the_other(function):
    gradients = []
    for inplace in (False, True):
        x = ad.tensor([-2.0, -0.5, 0.5, 7.0], requires_grad=True)
        y = x * x * x
        z = function(y, inplace=inplace)
        assert (z is y) == inplace
        (z * z).sum().backward()
        gradients.append(x.grad.tolist())
    assert gradients[0] == gradients[1]


def test_cosines_of_what_broadcasts_are_those_of_the_broadcast():
    a = np.random.default_rng(0).normal(size=(2, 4, 3))
    b = np.random.default_rng(1).normal(size=(1, 4, 1))
    for dim in (0, 1, 2):
        spread = F.cosine_similarity(a, np.broadcast_to(b, a.shape).copy(), dim)
        found = F.cosine_similarity(a, b, dim)
        np.testing.assert_allclose(found.numpy(), spread.numpy(), rtol=1e-15)


def test_a_wrong_certainty_has_the_large_slope_of_pytorch():
    p = ad.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, ad.tensor([1.0, 0.0, 0.0, 1.0]), reduction="sum")
    loss.backward()
    assert loss.item() == 200.0
    assert p.grad.tolist() == [-1e12, 1e12, 0.0, 0.0]


def test_a_mean_over_no_weight_is_nan_and_so_is_its_slope():
    x = ad.tensor(LOGITS, requires_grad=True)
    loss = F.cross_entropy(x, ad.tensor([0, 0, 0]), ad.tensor([0.0, 1.0, 1.0]))
    loss.backward()
    assert np.isnan(loss.item())
    assert np.isnan(x.grad.numpy()).all()


def test_with_ceil_mode_a_window_may_be_larger_than_what_is_there():
    x = ad.tensor([[[1.0, 2.0, 4.0]]])
    assert F.max_pool1d(x, 4, ceil_mode=True).tolist() == [[[4.0]]]
    with pytest.raises(ad.ShapeError, match="larger than the input"):
        F.max_pool1d(x, 4)


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (5, 4), (7, 7)])
def test_adaptive_windows_cover_the_input(sizes):
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    z = F.adaptive_avg_pool2d(x, sizes).numpy()
    for i, j in np.ndindex(sizes):
        rows = slice(i * 5 // sizes[0], -(-(i + 1) * 5 // sizes[0]))
        columns = slice(j * 4 // sizes[1], -(-(j + 1) * 4 // sizes[1]))
        mean = x[:, :, rows, columns].mean((2, 3))
        np.testing.assert_allclose(z[:, :, i, j], mean, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("mode", "widths"),
    [("reflect", (3, 0)), ("circular", (0, 4)), ("circular", (-2, 2))],
)
def test_a_border_of_more_than_there_is_to_copy_is_an_error(mode, widths):
    with pytest.raises(ad.ShapeError, match=f"{mode}.* at most"):
        F.pad(ad.zeros(1, 1, 3), widths, mode=mode)


def test_a_border_of_copies_shows_what_was_there_before_a_cut():
    x = ad.tensor([[[1.0, 2.0, 3.0]]])
    assert F.pad(x, (2, -1), mode="reflect").tolist() == [[[3.0, 2.0, 1.0, 2.0]]]
    assert F.pad(x, (-2, 2), mode="replicate").tolist() == [[[3.0, 3.0, 3.0]]]
    assert F.pad(x, (2, -1), mode="circular").tolist() == [[[1.0, 2.0, 1.0, 2.0]]]


def test_a_padding_row_out_of_the_table_is_an_error():
    with pytest.raises(ad.ArgumentError, match="padding_idx 3"):
        F.embedding(ad.tensor([0.0]), ad.zeros(3, 2), padding_idx=3)
