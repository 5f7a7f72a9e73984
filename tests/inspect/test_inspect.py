"""autodiff.inspect: graphs as text and pictures, gradients of layers, reasons."""

import xml.etree.ElementTree

import numpy as np
import pytest

import autodiff as ad

inspect = ad.inspect


@pytest.fixture
def w():
    return ad.tensor(2.0, requires_grad=True)


# ---- Graphs --------------------------------------------------------------------------


def test_a_tree_has_operations_values_shapes_and_gradients(w):
    text = inspect.tree(ad.exp(w * 0.0) + 1.0, names={"w": w})
    assert text.splitlines() == [
        "add () = 2, grad 1",
        "`-- exp () = 1, grad 1",
        "    `-- mul () = 0, grad 1",
        "        `-- w () = 2, grad 0",
    ]


def test_a_shared_operand_is_shown_once(w):
    assert "w, see above" in inspect.tree(w * w, names={"w": w})


def test_a_tree_touches_no_grad_and_calls_no_hook(w):
    called = []
    w.register_hook(called.append)
    loss = w * w
    inspect.tree(loss)
    assert w.grad is None
    assert called == []
    loss.backward()
    assert w.grad.item() == 4.0


def test_names_come_from_a_module():
    net = ad.nn.Linear(2, 1)
    text = inspect.tree(net(ad.ones(3, 2)).sum(), names=net)
    assert "weight (1, 2)" in text
    assert "bias (1,)" in text


def test_lines_are_shown_where_they_are_known(w):
    with ad.detect_anomaly():
        loss = w * 3.0
    assert "test_inspect.py" in inspect.tree(loss)
    assert "test_inspect.py" not in inspect.tree(w * 3.0)


def test_a_vector_is_shown_without_gradients_unless_a_seed_is_given(w):
    z = w * ad.tensor([1.0, 2.0])
    assert "grad" not in inspect.tree(z)
    assert "grad 3" in inspect.tree(z, gradient=ad.tensor([1.0, 1.0]))


def test_a_long_chain_is_cut_and_says_so(w):
    x = w
    for _ in range(10_000):
        x = x + 1.0
    text = inspect.tree(x, max_nodes=5)
    assert len(text.splitlines()) == 6
    assert "more" in text.splitlines()[-1]


def test_a_graph_that_was_swept_is_an_error_that_says_what_to_do(w):
    loss = w * w
    loss.backward()
    with pytest.raises(ad.GraphError, match="retain_graph=True"):
        inspect.tree(loss)


@pytest.mark.parametrize("x", [1.0, ad.tensor(1.0)], ids=["number", "passive"])
def test_what_has_no_graph_is_an_error(x):
    with pytest.raises(ad.ArgumentError, match="expected a tensor with a graph"):
        inspect.tree(x)


def test_a_dot_graph_has_a_node_for_each_operation_and_arrows(w):
    text = inspect.to_dot(ad.sin(w) * w, names={"w": w})
    assert text.count("label=") == 3
    assert text.count("->") == 3
    assert text.startswith("digraph")


def test_a_picture_is_an_svg_with_a_box_for_each_operation(w):
    text = inspect.to_svg(ad.sin(w) * w, names={"w <&>": w})
    root = xml.etree.ElementTree.fromstring(text)
    boxes = [part for part in root if part.tag.endswith("rect")]
    assert root.tag.endswith("svg")
    assert len(boxes) == 3


# ---- Gradients -----------------------------------------------------------------------


def with_gradient(weight, gradient):
    p = ad.tensor(weight, requires_grad=True)
    p.grad = None if gradient is None else ad.tensor(gradient)
    return p


def test_a_report_has_the_numbers_of_each_layer():
    p = with_gradient([3.0, 4.0], [0.0, -2.0])
    [layer] = inspect.gradient_report({"p": p}, lr=0.5).layers
    assert (layer.name, layer.norm, layer.min, layer.max) == ("p", 2.0, -2.0, 0.0)
    assert (layer.zeros, layer.ratio, layer.flags) == (0.5, 0.2, ())


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: ad.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1),
        lambda ps: ad.optim.Adam(ps, lr=0.1),
        lambda ps: ad.optim.RMSprop(ps, lr=0.1, centered=True),
    ],
)
def test_with_an_optimiser_the_ratio_is_of_the_step_it_then_takes(make):
    a = with_gradient([3.0, 4.0], [0.0, -2.0])
    b = with_gradient(2.0, 1.0)
    optimizer = make([a, b])
    for _ in range(2):
        report = inspect.gradient_report({"a": a, "b": b}, optimizer=optimizer)
        before = [p.detach().clone() for p in (a, b)]
        optimizer.step()
        for layer, old, new in zip(report.layers, before, (a, b), strict=True):
            moved = (new.detach() - old).norm() / old.norm()
            assert layer.ratio == pytest.approx(moved.item(), rel=1e-14)


def test_a_parameter_that_is_not_the_optimisers_has_the_ratio_of_the_rate():
    a, b = with_gradient(2.0, 1.0), with_gradient(2.0, 1.0)
    optimizer = ad.optim.Adam([a], lr=0.5)
    report = inspect.gradient_report([a, b], optimizer=optimizer, lr=0.1)
    assert [layer.ratio for layer in report.layers] == pytest.approx([0.25, 0.05])


def test_an_optimiser_that_needs_a_closure_cannot_say_its_step():
    p = with_gradient(2.0, 1.0)
    with pytest.raises(ad.ArgumentError, match=r"LBFGS .* leave it out"):
        inspect.gradient_report(p, optimizer=ad.optim.LBFGS([p]))


@pytest.mark.parametrize(
    ("gradient", "flag"),
    [
        (None, "no gradient"),
        ([0.0, 0.0], "dead"),
        ([1e-9, 1e-9], "vanishing"),
        ([2e3, 0.0], "exploding"),
        ([np.nan, 0.0], "nan"),
        ([np.inf, 0.0], "inf"),
    ],
)
def test_a_layer_in_trouble_is_flagged(gradient, flag):
    params = {
        "good": with_gradient([1.0], [1.0]),
        "bad": with_gradient([1.0, 1.0], gradient),
    }
    report = inspect.gradient_report(params)
    assert [layer.name for layer in report.flagged] == ["bad"]
    assert flag in report.flagged[0].flags
    if flag == "nan":
        assert report.flagged[0].flags == ("nan",)
    assert "bad" in str(report)


def test_a_deep_net_of_sigmoids_vanishes():
    ad.manual_seed(1)
    layers = [m for _ in range(12) for m in (ad.nn.Linear(4, 4), ad.nn.Sigmoid())]
    net = ad.nn.Sequential(*layers)
    net(ad.ones(2, 4)).sum().backward()
    report = inspect.gradient_report(net)
    assert "vanishing" in report.layers[0].flags
    assert report.layers[-1].flags == ()


@pytest.mark.parametrize("bad", [[], {}, 3.0, [1.0]])
def test_a_report_on_no_tensors_is_an_error(bad):
    with pytest.raises(ad.ArgumentError, match="gradient_report"):
        inspect.gradient_report(bad)


# ---- Reasons -------------------------------------------------------------------------


def test_a_result_is_told_to_retain_grad(w):
    assert "retain_grad()" in inspect.why_no_grad(2.0 * w)


def test_a_result_that_retains_is_told_that_nothing_reached_it(w):
    z = 2.0 * w
    z.retain_grad()
    assert "no backward() has reached it" in inspect.why_no_grad(z)


def test_a_leaf_that_was_not_reached_says_so(w):
    assert "no backward() has reached it" in inspect.why_no_grad(w)


def test_a_plain_leaf_is_told_about_requires_grad():
    assert "without requires_grad=True" in inspect.why_no_grad(ad.tensor(1.0))


@pytest.mark.parametrize("data", [1.0, [1.0, 2.0]])
@pytest.mark.parametrize("cut", [lambda x: x.detach(), lambda x: x.data])
def test_a_detached_tensor_says_from_what(data, cut):
    x = 2.0 * ad.tensor(data, requires_grad=True)
    found = inspect.why_no_grad(cut(x))
    assert "detached" in found
    assert "result of mul" in found


@pytest.mark.parametrize("data", [1.0, [1.0, 2.0]])
def test_under_detect_anomaly_the_line_of_the_cut_is_named(data):
    x = ad.tensor(data, requires_grad=True)
    with ad.detect_anomaly():
        y = x.detach()
        with ad.no_grad():
            z = x * 2.0
    for cut, what in ((y, "cut off by .detach()"), (z, "computed under no_grad()")):
        found = inspect.why_no_grad(cut)
        assert what in found
        assert "test_inspect.py" in found


def test_a_tensor_with_a_gradient_says_so(w):
    (w * w).backward()
    assert inspect.why_no_grad(w).startswith("It has a gradient")


def test_a_plain_number_has_no_reason():
    with pytest.raises(ad.ArgumentError, match="takes a tensor, got a 'float'"):
        inspect.why_no_grad(1.0)


@pytest.mark.parametrize("lr", [np.nan, np.inf])
def test_a_report_for_a_rate_that_is_not_finite_is_refused(lr):
    with pytest.raises(ad.ArgumentError, match="lr must be a finite number"):
        inspect.gradient_report(with_gradient([1.0], [1.0]), lr=lr)
