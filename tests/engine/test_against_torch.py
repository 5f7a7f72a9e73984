"""The engine beside PyTorch's: random graphs, and scripts that name what they look at.

Each script runs with `m` being one module and then the other; what it returns, or the
exception it raises, must agree. Values to a few roundings.
"""

import random
import warnings

import numpy as np
import pytest

import autodiff as ad

torch = pytest.importorskip("torch")

TOLERANCE = {"rtol": 1e-11, "atol": 1e-12}


@pytest.fixture(autouse=True)
def double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def plain(found):
    """Tensors as arrays, in whatever they are nested."""
    if isinstance(found, (list, tuple)):
        return [plain(item) for item in found]
    if hasattr(found, "detach"):
        return np.array(found.detach().tolist())
    return found


def outcome(script, m):
    """("value", what it returns) or ("error", whether it is a RuntimeError)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "value", plain(script(m))
        except (RuntimeError, TypeError, ValueError) as error:
            return "error", isinstance(error, RuntimeError)


def assert_same(ours, theirs):
    assert ours[0] == theirs[0], (ours, theirs)
    compare(ours[1], theirs[1])


def compare(ours, theirs):
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            compare(a, b)
    elif isinstance(theirs, np.ndarray):
        assert np.shape(ours) == theirs.shape
        np.testing.assert_allclose(ours, theirs, **TOLERANCE)
    else:
        assert ours == theirs


# ---- Random graphs -----------------------------------------------------------------

UNARY = "sin cos tanh exp sigmoid square neg".split()


class Graph:
    """A random graph on scalars and arrays, the same for every module."""

    def __init__(self, m, seed, *, has_hooks):
        self.m, self.random, self.has_hooks = m, random.Random(seed), has_hooks
        self.leaves = [self.leaf(shape) for shape in [(), (), (3,), (3,), (2, 3)]]
        self.pool = list(self.leaves)
        self.log = []
        for step in range(25):
            z = m.tanh(self.result())
            if has_hooks and self.random.random() < 0.3:
                z.register_hook(self.hook(f"hook {step}"))
            if has_hooks and self.random.random() < 0.3:
                z.retain_grad()
            self.pool.append(z)
            if len(self.pool) > 12:
                del self.pool[self.random.randrange(len(self.leaves), len(self.pool))]
        top, x, y = self.pool[-3:]
        self.loss = top.sum() + (x * y).sum()

    def leaf(self, shape):
        values = [self.random.uniform(-1, 1) for _ in range(int(np.prod(shape)))]
        values = np.array(values).reshape(shape).tolist()
        return self.m.tensor(values, requires_grad=True)

    def hook(self, name):
        scale = self.random.choice([None, 0.5, -1.0])

        def hook(gradient):
            self.log += [name, gradient.detach().clone()]
            return None if scale is None else gradient * scale

        return hook

    def result(self):
        m, x, y = self.m, self.random.choice(self.pool), self.random.choice(self.pool)
        row = getattr(m, self.random.choice(UNARY))
        make = self.random.choice(
            [
                lambda: row(x * 0.5),
                lambda: row(x - y),
                lambda: x + y,
                lambda: x * y,
                lambda: x - 0.5 * y,
                lambda: m.sin(x).sum(),
                lambda: m.stack([x.mean(), y.sum() * 0.1, m.sin(x).sum()]),
                lambda: (x * 1.0).mul_(m.tanh(y).mean()),
                lambda: m.where(x > 0, m.sin(x), x * x),
                lambda: m.tanh(x) / (2.0 + y * y),
            ]
        )
        return make()


def first_order(m, seed):
    """Hooks and retained gradients, in two sweeps."""
    graph = Graph(m, seed, has_hooks=True)
    found = m.autograd.grad(
        graph.loss, graph.leaves, retain_graph=True, allow_unused=True
    )
    graph.loss.backward()
    kept = [z.grad for z in graph.pool if z.retains_grad or z.is_leaf]
    return [graph.loss, found, kept, graph.log]


def second_order(m, seed):
    """Gradients of the gradients' norm. (Without hooks: what a second sweep sends
    through a result depends on what the rules are written in.)"""
    graph = Graph(m, seed, has_hooks=False)
    found = m.autograd.grad(
        graph.loss, graph.leaves, create_graph=True, allow_unused=True
    )
    norm = sum((g * g).sum() for g in found if g is not None)
    again = m.autograd.grad(norm, graph.leaves, allow_unused=True, retain_graph=True)
    graph.loss.backward()
    return [found, again, [leaf.grad for leaf in graph.leaves]]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("script", [first_order, second_order])
def test_random_graphs_agree(script, seed):
    assert_same(
        outcome(lambda m: script(m, seed), ad),
        outcome(lambda m: script(m, seed), torch),
    )


# ---- Scripts -------------------------------------------------------------------------

SHAPES = {"0-d": 2.0, "n-d": [2.0, 0.5]}


def leaf(m, value):
    return m.tensor(value, requires_grad=True)


def accumulate(m, v):
    x = leaf(m, v)
    for _ in range(3):
        (x * x).sum().backward()
    return x.grad


def accumulate_into_an_assigned_gradient(m, v):
    x = leaf(m, v)
    x.grad = m.ones_like(x)
    g = x.grad
    (x * x).sum().backward()
    return [g, x.grad is g]


def second_sweep(m, v):
    y = (leaf(m, v) * 2.0).exp().sum()
    y.backward()
    y.backward()


def second_sweep_of_a_part(m, v):
    x = leaf(m, v)
    y = x.exp()
    y.sum().backward()
    (y * 2.0).sum().backward()


def second_sweep_retained(m, v):
    x = leaf(m, v)
    y = x.exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def second_sweep_of_sums(m, v):
    x = leaf(m, v)
    y = (x + x).sum()
    y.backward()
    y.backward()
    return x.grad


def unused_input(m, v):
    x, u = leaf(m, v), leaf(m, v)
    return m.autograd.grad((x * x).sum(), [x, u])


def unused_input_allowed(m, v):
    x, u = leaf(m, v), leaf(m, v)
    return m.autograd.grad((x * x).sum(), [x, u], allow_unused=True)


def unused_input_materialized(m, v):
    x, u = leaf(m, v), leaf(m, v)
    return m.autograd.grad((x * x).sum(), [x, u], materialize_grads=True)


def no_seed(m, v):
    leaf(m, [1.0, 2.0]).exp().backward()


def wrong_seed(m, v):
    leaf(m, [1.0, 2.0]).exp().backward(m.ones(3))


def two_roots(m, v):
    x = leaf(m, v)
    y = x * x
    m.autograd.backward([y.sum(), y.exp()], [None, m.ones_like(y)])
    return x.grad


def inputs_only(m, v):
    x, w = leaf(m, v), leaf(m, v)
    (x * w).sum().backward(inputs=[w])
    return [x.grad, w.grad]


def changed_operand(m, v):
    x = leaf(m, v)
    y = x * 3.0
    z = y * y
    y.add_(1.0)
    z.sum().backward()


def changed_result(m, v):
    y = leaf(m, v).exp()
    y.mul_(2.0)
    y.sum().backward()


def changed_after_a_sum(m, v):
    x = leaf(m, v)
    y = x * 3.0
    z = y + 1.0
    y.add_(1.0)
    (z + y).sum().backward()
    return x.grad


def changed_leaf(m, v):
    leaf(m, v).add_(1.0)


def changed_leaf_that_was_saved(m, v):
    x = leaf(m, v)
    y = x * x
    with m.no_grad():
        x.mul_(2.0)
    y.sum().backward()


def changed_through_detach(m, v):
    x = leaf(m, v)
    y = x * 3.0
    z = y * y
    y.detach().add_(1.0)
    z.sum().backward()


def changed_through_detach_then_used(m, v):
    x = leaf(m, v)
    y = x * 3.0
    y.detach().add_(1.0)
    z = y * y
    z.sum().backward()
    return [z, x.grad]


def changed_under_no_grad_then_used(m, v):
    x = leaf(m, v)
    y = x * 3.0
    with m.no_grad():
        y.add_(1.0)
    z = y * y
    z.sum().backward()
    return [z, x.grad]


def changed_through_data(m, v):
    x = leaf(m, v)
    y = x * 3.0
    y.data.add_(1.0)
    z = y * y
    z.sum().backward()
    return [z, x.grad]


def zeroed(m, v):
    x = leaf(m, v)
    y = x * 3.0
    y.zero_()
    (y * 2.0 + x).sum().backward()
    return [y.requires_grad, x.grad]


def copied(m, v):
    x = leaf(m, v)
    y = x * 3.0
    y.copy_(x.exp())
    (y * y).sum().backward()
    return x.grad


def copied_into_passive(m, v):
    x = leaf(m, v)
    y = m.tensor(v)
    y.copy_(x * x)
    y.mul_(x)
    y.sum().backward()
    return [y.requires_grad, y.is_leaf, x.grad]


def hooks_in_order(m, v):
    x = leaf(m, v)
    order = []
    y = x * 1.0
    z = y * 1.0
    x.register_hook(lambda g: order.append("x"))
    y.register_hook(lambda g: order.append("y 1"))
    y.register_hook(lambda g: order.append("y 2"))
    z.register_hook(lambda g: order.append("z"))
    z.sum().backward()
    return order


def hooks_that_replace(m, v):
    x = leaf(m, v)
    y = x * 1.0
    y.retain_grad()
    y.register_hook(lambda g: g + 1.0)
    y.register_hook(lambda g: g * 10.0)
    x.register_hook(lambda g: g * 2.0)
    y.sum().backward()
    return [y.grad, x.grad]


def hooks_around_a_change(m, v):
    x = leaf(m, v)
    seen = []
    y = x * 3.0
    y.register_hook(lambda g: seen.append(g))
    y.mul_(2.0)
    y.register_hook(lambda g: seen.append(g))
    (y * y).sum().backward()
    return seen


def hook_removed(m, v):
    x = leaf(m, v)
    seen = []
    x.register_hook(seen.append).remove()
    (x * x).sum().backward()
    return len(seen)


def hook_on_passive(m, v):
    m.tensor(v).register_hook(print)


def retained_through_a_change(m, v):
    x = leaf(m, v)
    y = x * 3.0
    y.retain_grad()
    y.mul_(2.0)
    (y * y).sum().backward()
    return [y.grad, x.grad]


def detached(m, v):
    x = leaf(m, v)
    y = (x * x).detach()
    return [y.requires_grad, y.is_leaf, y.grad_fn is None]


def detached_in_place(m, v):
    y = leaf(m, v) * 2.0
    y.detach_()
    return [y.requires_grad, y.is_leaf, y.grad_fn is None]


def frozen_and_thawed(m, v):
    x = leaf(m, v)
    y = x * 3.0
    x.requires_grad_(False)
    x.requires_grad_(True)
    y.sum().backward()
    return x.grad


def frozen_result(m, v):
    (leaf(m, v) * 2.0).requires_grad_(False)


def requires_grad_of_a_result(m, v):
    y = leaf(m, v) * 2.0
    return y.requires_grad_().is_leaf


def mode_decorators(m, v):
    x = leaf(m, v)
    off = m.no_grad()(lambda: x * x)
    on = m.enable_grad()(lambda: x * x)
    also_off = m.set_grad_enabled(False)(lambda: x * x)
    with m.no_grad():
        inner = on()
    return [t.requires_grad for t in (off(), on(), also_off(), inner, x * x)]


def create_graph_backward(m, v):
    x = leaf(m, v)
    (x * x * x).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.sum().backward()
    return [g.requires_grad, x.grad]


def third_derivative(m, v):
    x = leaf(m, v)
    y = m.sin(x).sum()
    for _ in range(3):
        (g,) = m.autograd.grad(y, x, create_graph=True)
        y = g.sum()
    return g


def seed_with_a_graph(m, v):
    x, s = leaf(m, v), leaf(m, v)
    (g,) = m.autograd.grad(x * x, x, s, create_graph=True)
    g.sum().backward()
    return [x.grad, s.grad]


def gradient_of_an_inner_result(m, v):
    x = leaf(m, v)
    y = x * x
    return m.autograd.grad(y.exp().sum(), [y, x])


def function_with_saved_tensors(m, v):
    class Cube(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    x = leaf(m, v)
    y = Cube.apply(x)
    (g,) = m.autograd.grad(y.sum(), x, create_graph=True)
    g.sum().backward()
    return [y, g, x.grad, y.grad_fn.name()]


def function_swept_twice(m, v):
    class Double(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            assert ctx.saved_tensors
            return g * 2

    y = Double.apply(leaf(m, v)).sum()
    y.backward()
    y.backward()


def function_with_too_many_gradients(m, v):
    class Wrong(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g, g

    Wrong.apply(leaf(m, v)).sum().backward()


def function_with_mixed_outputs(m, v):
    class Both(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, c):
            return x * c, x.sum()

        @staticmethod
        def backward(ctx, g, h):
            return g * 3.0 + h, None

    x = leaf(m, v)
    a, b = Both.apply(x, 3.0)
    (a.sum() + b * b).backward()
    return [a, b, x.grad]


def names_of_nodes(m, v):
    x = leaf(m, v)
    y = (x * x).exp().sin()
    names, node = [], y.grad_fn
    while node.next_functions:
        names.append(node.name())
        node = node.next_functions[0][0]
    return names


def anomaly(m, v):
    with (
        m.autograd.set_detect_anomaly(True)
        if m is torch
        else m.set_detect_anomaly(True)
    ):
        x = leaf(m, [0.0, 1.0])
        ((x - 1.0).sqrt() * x).sum().backward()


def version(m, v):
    x = m.tensor(v)
    before = x._version
    x.add_(1.0)
    x.detach().add_(1.0)
    return x._version - before


SCRIPTS = [
    value
    for value in list(globals().values())
    if getattr(value, "__code__", None) and value.__code__.co_varnames[:2] == ("m", "v")
]


@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_scripts_give_the_same(script, value):
    ours = outcome(lambda m: script(m, value), ad)
    theirs = outcome(lambda m: script(m, value), torch)
    assert_same(ours, theirs)


def test_the_comparison_can_fail():
    with pytest.raises(AssertionError):
        assert_same(("value", [np.array(2.001)]), ("value", [np.array(2.0)]))
