"""detect_anomaly: lines of operations and of changes, NaN in sweeps."""

import pathlib

import pytest

import autodiff as ad

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def line_of(text):
    """The line of this file that ends in a comment with that text."""
    lines = pathlib.Path(__file__).read_text(encoding="utf-8").splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.endswith("# " + text)]
    return number


def test_a_nan_gradient_is_an_error_that_names_the_operation_and_its_line():
    x = ad.tensor(0.0, requires_grad=True)
    with ad.detect_anomaly():
        y = ad.sqrt(x)  # the root
        z = y * 0.0
        with pytest.raises(ad.AnomalyError, match=r"'sqrt' returned nan") as error:
            z.backward(strict_nan=True)
    assert f'test_anomaly.py", line {line_of("the root")}' in str(error.value)


def test_a_nan_in_an_array_is_found():
    x = ad.tensor([1.0, 0.0], requires_grad=True)
    with ad.detect_anomaly():
        z = (ad.sqrt(x) * ad.tensor([1.0, 0.0])).sum()
        with pytest.raises(ad.AnomalyError, match=r"'sqrt' returned nan"):
            z.backward(strict_nan=True)


def test_a_nan_of_a_function_is_found():
    class Bad(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1.0

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    x = ad.tensor(1.0, requires_grad=True)
    with ad.detect_anomaly(), pytest.raises(ad.AnomalyError):
        Bad.apply(x).backward()


def test_without_it_a_nan_is_no_error():
    x = ad.tensor(0.0, requires_grad=True)
    (ad.sqrt(x) * 0.0).backward(strict_nan=True)
    assert x.grad.isnan()


def test_nan_need_not_be_checked():
    x = ad.tensor(0.0, requires_grad=True)
    with ad.detect_anomaly(check_nan=False):
        (ad.sqrt(x) * 0.0).backward(strict_nan=True)
    assert x.grad.isnan()


@pytest.mark.parametrize("value", [2.0, [2.0, 3.0]], ids=["0-d", "n-d"])
def test_a_changed_value_names_both_lines(value):
    with ad.detect_anomaly():
        x = ad.tensor(value, requires_grad=True)
        y = x * 3.0
        z = y * y  # the square
        y.add_(1.0)  # the change
        loss = z.sum()
        with pytest.raises(ad.GraphError) as error:
            loss.backward()
    text = str(error.value)
    assert f'recorded at File "{__file__}", line {line_of("the square")}' in text
    assert f'changed at File "{__file__}", line {line_of("the change")}' in text


@pytest.mark.parametrize("value", [2.0, [2.0, 3.0]], ids=["0-d", "n-d"])
def test_a_changed_leaf_names_the_line_of_the_change(value):
    with ad.detect_anomaly():
        x = ad.tensor(value, requires_grad=True)
        loss = (x * x).sum()
        with ad.no_grad():
            x.mul_(2.0)  # the update
        with pytest.raises(ad.GraphError) as error:
            loss.backward()
    assert f'changed at File "{__file__}", line {line_of("the update")}' in str(
        error.value
    )


def test_a_line_is_that_of_the_users_code_however_deep_the_call():
    with ad.detect_anomaly():
        x = ad.tensor([1.0, 2.0], requires_grad=True)
        y = ad.softmax(x, 0)  # the softmax
    assert y.grad_fn.metadata["line"].endswith(f"line {line_of('the softmax')}")


def test_an_operation_recorded_outside_has_no_line():
    x = ad.tensor(2.0, requires_grad=True)
    with ad.detect_anomaly():
        kept = [x * 1.0 for _ in range(10)]
    kept.clear()
    after = [x * 1.0 for _ in range(10)]
    assert {y.grad_fn.metadata["line"] for y in after} == {None}


def test_lines_move_with_their_operations():
    x = ad.tensor(2.0, requires_grad=True)
    with ad.detect_anomaly():
        dead = [x * 1.0 for _ in range(10)]
        y = ad.exp(x)  # the exponential
        top = y * 1.0
    dead.clear()
    ad._core.collect()
    assert y.grad_fn.metadata["line"].endswith(f"line {line_of('the exponential')}")
    assert top.item() == y.item()


def test_it_is_a_decorator():
    @ad.detect_anomaly()
    def square(x):
        return x * x

    x = ad.tensor(2.0, requires_grad=True)
    assert square(x).grad_fn.metadata["line"] is not None
    assert (x * x).grad_fn.metadata["line"] is None


def test_it_can_be_set_at_once():
    x = ad.tensor(2.0, requires_grad=True)
    ad.set_detect_anomaly(True)
    y = x * x
    ad.set_detect_anomaly(False)
    assert y.grad_fn.metadata["line"] is not None
    assert (x * x).grad_fn.metadata["line"] is None


def test_setting_it_is_a_context():
    x = ad.tensor(2.0, requires_grad=True)
    with ad.set_detect_anomaly(True):
        with ad.set_detect_anomaly(False):
            outside = x * x
        inside = x * x
    assert outside.grad_fn.metadata["line"] is None
    assert inside.grad_fn.metadata["line"] is not None
    assert (x * x).grad_fn.metadata["line"] is None


def test_gradients_are_the_same_inside():
    x = ad.tensor(2.0, requires_grad=True)
    with ad.detect_anomaly():
        (ad.sin(x) * x).backward()
    inside = x.grad.item()
    x.grad = None
    (ad.sin(x) * x).backward()
    assert x.grad.item() == inside
