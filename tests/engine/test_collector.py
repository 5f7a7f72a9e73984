"""Random programs against a tape in plain Python, with collections at any moment.

A program makes tensors, drops them, changes them in place, hangs hooks on them,
detaches, sweeps and collects, in random order. The reference keeps every value and
every local derivative in Python objects that are never reused. Whatever the collector
moves or drops, gradients must agree.
"""

import gc
import math
import random

import pytest

import autodiff as ad
from autodiff import _core


class Reference:
    """A value and how it came about: [(operand, derivative), ...]."""

    def __init__(self, value, parents=()):
        self.value = value
        self.parents = parents
        self.scales = []  # of hooks

    def ancestors(self):
        """This and everything below, results before operands."""
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, is_done = stack.pop()
            if is_done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((parent, False) for parent, _ in node.parents)
        return order[::-1]

    def gradients(self, seed=1.0):
        """Adjoints of everything below, after hooks: {id: adjoint}."""
        adjoint = {id(self): seed}
        for node in self.ancestors():
            if id(node) not in adjoint:
                continue
            for scale in node.scales:
                adjoint[id(node)] *= scale
            for parent, partial in node.parents:
                adjoint[id(parent)] = (
                    adjoint.get(id(parent), 0.0) + partial * adjoint[id(node)]
                )
        return adjoint


class Pair:
    """A tensor and its reference."""

    def __init__(self, tensor, reference, leaves):
        self.tensor, self.reference, self.leaves = tensor, reference, leaves
        self.is_fresh = True  # not read since its last change in place


UNARY = {
    "sin": (math.sin, math.cos),
    "tanh": (math.tanh, lambda x: 1 / math.cosh(x) ** 2),
    "neg": (lambda x: -x, lambda x: -1.0),
    "square": (lambda x: x * x, lambda x: 2 * x),
}


class Machine:
    """Runs one random program on both."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.leaves = []
        self.live = []
        self.nodes = []  # grad_fn objects, held for a while
        for _ in range(3):
            self.make_leaf()

    def make_leaf(self):
        value = self.random.uniform(-1, 1)
        tensor = ad.tensor(value, requires_grad=True)
        leaf = Pair(tensor, Reference(value), None)
        self.leaves.append(leaf)
        self.live.append(leaf)

    def pick(self):
        pair = self.random.choice(self.live)
        pair.is_fresh = False
        return pair

    def add(self, tensor, reference):
        self.live.append(Pair(tensor, reference, None))

    def unary(self):
        x = self.pick()
        name = self.random.choice(list(UNARY))
        f, df = UNARY[name]
        v = x.reference.value
        self.add(getattr(ad, name)(x.tensor), Reference(f(v), [(x.reference, df(v))]))

    def binary(self):
        x, y = self.pick(), self.pick()
        a, b = x.reference, y.reference
        kind = self.random.randrange(4)
        if kind == 0:
            self.add(
                x.tensor + y.tensor, Reference(a.value + b.value, [(a, 1.0), (b, 1.0)])
            )
        elif kind == 1:
            self.add(
                x.tensor - y.tensor, Reference(a.value - b.value, [(a, 1.0), (b, -1.0)])
            )
        elif kind == 2:
            z = ad.tanh(x.tensor * y.tensor)
            t = math.tanh(a.value * b.value)
            d = 1 / math.cosh(a.value * b.value) ** 2
            self.add(z, Reference(t, [(a, d * b.value), (b, d * a.value)]))
        else:
            c = self.random.uniform(-1, 1)
            self.add(x.tensor * c, Reference(a.value * c, [(a, c)]))

    def array(self):
        pairs = [self.pick() for _ in range(self.random.randint(1, 4))]
        v = ad.stack([p.tensor for p in pairs])
        w = ad.sin(v) * 0.5
        z = (w * w + v[0]).sum() * 0.1
        n = len(pairs)
        value, parents = 0.0, []
        for p in pairs:
            s, c = math.sin(p.reference.value), math.cos(p.reference.value)
            value += 0.1 * 0.25 * s * s
            parents.append((p.reference, 0.1 * 0.5 * s * c))
        value += 0.1 * n * pairs[0].reference.value
        parents.append((pairs[0].reference, 0.1 * n))
        self.add(z, Reference(value, parents))

    def in_place(self):
        results = [p for p in self.live if p.is_fresh and p not in self.leaves]
        if not results:
            return
        x = self.random.choice(results)
        y = self.random.choice(self.leaves)
        a, b = x.reference, y.reference
        if not a.parents:
            return
        if self.random.random() < 0.5:
            x.tensor += y.tensor
            x.reference = Reference(a.value + b.value, [(a, 1.0), (b, 1.0)])
        else:
            x.tensor.mul_(0.5)
            x.reference = Reference(a.value * 0.5, [(a, 0.5)])

    def detach(self):
        x = self.pick()
        self.add(x.tensor.detach(), Reference(x.reference.value))

    def hook(self):
        x = self.pick()
        if not x.tensor.requires_grad:
            return
        scale = self.random.choice([0.5, 2.0, -1.0])
        x.tensor.register_hook(lambda g: g * scale)
        x.reference.scales.append(scale)

    def hold_node(self):
        self.nodes.append(self.pick().tensor.grad_fn)
        if len(self.nodes) > 5:
            del self.nodes[self.random.randrange(len(self.nodes))]

    def walk(self):
        for node in self.nodes:
            if node is not None:
                assert node.name()
                assert all(n is None or n.name() for n, _ in node.next_functions)

    def drop(self):
        candidates = [p for p in self.live if p not in self.leaves]
        for pair in candidates:
            if self.random.random() < 0.5:
                self.live.remove(pair)

    def collect(self):
        self.random.choice([_core.collect, gc.collect])()

    def sweep(self):
        root = self.pick()
        if not root.tensor.requires_grad:
            return
        expected = root.reference.gradients(0.75)
        leaves = [leaf.tensor for leaf in self.leaves]
        how = self.random.randrange(3)
        if how == 0:
            for leaf in leaves:
                leaf.grad = None
            root.tensor.backward(ad.tensor(0.75), retain_graph=True)
            found = [leaf.grad for leaf in leaves]
        else:
            found = ad.autograd.grad(
                root.tensor,
                leaves,
                ad.tensor(0.75),
                retain_graph=True,
                create_graph=how == 2,
                allow_unused=True,
            )
        for leaf, gradient in zip(self.leaves, found, strict=True):
            wanted = expected.get(id(leaf.reference), 0.0)
            got = 0.0 if gradient is None else gradient.item()
            assert got == pytest.approx(wanted, rel=1e-9, abs=1e-12)

    def inner_gradient(self):
        root, inner = self.pick(), self.pick()
        if not (root.tensor.requires_grad and inner.tensor.requires_grad):
            return
        (found,) = ad.autograd.grad(
            root.tensor, inner.tensor, retain_graph=True, allow_unused=True
        )
        wanted = root.reference.gradients().get(id(inner.reference), 0.0)
        got = 0.0 if found is None else found.item()
        assert got == pytest.approx(wanted, rel=1e-9, abs=1e-12)

    def run(self, n_steps):
        rare = "array in_place detach hook hold_node walk drop collect sweep"
        names = ["unary", "binary"] * 6 + f"{rare} inner_gradient make_leaf".split()
        for _ in range(n_steps):
            getattr(self, self.random.choice(names))()
            if len(self.live) > 60:
                self.drop()
            if len(self.leaves) > 8:
                self.leaves.clear()
                self.live.clear()
                self.make_leaf()


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_agree_with_a_tape_that_never_forgets(seed):
    gc.collect()
    _core.collect()
    before = ad.tape_info()
    machine = Machine(seed)
    machine.run(400)
    del machine
    gc.collect()
    _core.collect()
    after = ad.tape_info()
    assert (after.entries, after.array_bytes) == (before.entries, before.array_bytes)


def test_the_comparison_can_fail():
    machine = Machine(0)
    x = machine.leaves[0]
    machine.add(
        x.tensor * 2.0, Reference(2 * x.reference.value, [(x.reference, 2.001)])
    )
    machine.live = [machine.live[-1]]
    with pytest.raises(AssertionError):
        machine.sweep()


@pytest.mark.parametrize("seed", range(5))
def test_handles_that_die_in_any_order_leave_the_rest_right(seed):
    chooser = random.Random(seed)
    x = ad.tensor(0.5, requires_grad=True)
    held = [x * 1.0]
    powers = [1]
    for step in range(2000):
        k = chooser.randrange(len(held))
        held.append(held[k] * x)
        powers.append(powers[k] + 1)
        if len(held) > 30:
            gone = chooser.randrange(len(held))
            del held[gone], powers[gone]
        if step % 97 == 0:
            _core.collect()
    for tensor, power in zip(held, powers, strict=True):
        (g,) = ad.autograd.grad(tensor, x, retain_graph=True)
        assert g.item() == pytest.approx(power * 0.5 ** (power - 1))
