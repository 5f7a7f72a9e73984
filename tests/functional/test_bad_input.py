"""What is wrong is said: where, what was expected, and what to do."""

import math

import numpy as np
import pytest

import autodiff as ad


def raises(kind, *texts):
    return pytest.raises(kind, match=".*".join(texts))


# ---- The function --------------------------------------------------------------------


@pytest.mark.parametrize("transform", ["grad", "value_and_grad", "jacobian", "hessian"])
@pytest.mark.parametrize("name", ["hvp", "checkpoint", "custom_vjp", "custom_jvp"])
def test_a_transform_of_a_number_is_refused(transform, name):
    for each in (transform, name):
        with raises(TypeError, "takes a function, got 'float'"):
            getattr(ad, each)(3.0)


@pytest.mark.parametrize("argnums", ["x", 1.0, True, (0, None), [1.5]])
def test_argnums_that_are_no_ints_are_refused(argnums):
    for transform in (ad.grad, ad.jacobian, ad.hessian, ad.hvp):
        with raises(TypeError, "argnums must be an int"):
            transform(lambda x: x, argnums)


@pytest.mark.parametrize("argnums", [2, -3, (0, 5)])
def test_argnums_out_of_range_are_refused(argnums):
    def area(x, y):
        return x * y

    with raises(TypeError, "argnums names argument", "area", "2 positional arguments"):
        ad.grad(area, argnums)(1.0, 2.0)


def test_argnums_that_name_an_argument_twice_are_refused():
    with raises(ValueError, "twice"):
        ad.grad(lambda x, y: x * y, (0, -2))(1.0, 2.0)


def test_an_argument_by_keyword_cannot_be_differentiated():
    with raises(TypeError, "by", "position"):
        ad.grad(lambda x: x * x)(x=1.0)


# ---- Arguments and results -----------------------------------------------------------


@pytest.mark.parametrize("x", ["1.0", 1j, np.ones(2, complex), object(), {"a": "b"}])
def test_arguments_that_are_no_real_numbers_are_refused(x):
    with raises(TypeError, "argument 0 of", "expected real numbers"):
        ad.grad(lambda x: x)(x)


@pytest.mark.parametrize("result", ["text", 1j, {1.0}, object(), (y for y in [1.0])])
@pytest.mark.parametrize("transform", [ad.grad, ad.jacobian, ad.value_and_grad])
def test_results_that_are_no_real_numbers_are_refused(transform, result):
    def model(x):
        return result

    with raises(TypeError, "the result of model", "expected real numbers"):
        transform(model)(1.0)


def test_a_generator_function_is_refused():
    def f(x):
        yield x

    with raises(TypeError, "the result of f", "generator", "list or a tuple"):
        ad.jacobian(f)(1.0)


def test_a_missing_return_is_guessed():
    def f(x):
        x * x

    for transform in (ad.grad, ad.jacobian):
        with raises(TypeError, "result of f is None", "return missing"):
            transform(f)(1.0)


@pytest.mark.parametrize("result", [lambda x: x * 2, lambda x: (x * 2)[None, :1]])
def test_a_gradient_of_a_vector_names_jacobian(result):
    with raises(ad.ShapeError, "one number", "shape", "jacobian"):
        ad.grad(result)(np.ones(2))


def test_a_gradient_of_a_tuple_names_aux():
    with raises(TypeError, "one number", "has_aux"):
        ad.grad(lambda x: (x, x))(1.0)


@pytest.mark.parametrize("result", [1.0, (1.0,), (1.0, 2.0, 3.0), [1.0, 2.0]])
def test_aux_must_come_in_a_pair(result):
    with raises(TypeError, r"pair \(result, aux\)"):
        ad.grad(lambda x: result, has_aux=True)(1.0)


def test_modes_are_checked():
    with raises(ValueError, "mode"):
        ad.jacobian(lambda x: x, mode="backward")
    with raises(ValueError, "mode"):
        ad.hvp(lambda x: x, mode=None)


# ---- Seeds ---------------------------------------------------------------------------


def test_primals_and_tangents_must_be_tuples_of_one_length():
    with raises(TypeError, r"primals must be a tuple", r"\(primal,\)"):
        ad.jvp(lambda x: x, 1.0, (1.0,))
    with raises(TypeError, "1 primals and 2 tangents"):
        ad.jvp(lambda x: x, (1.0,), (1.0, 2.0))


def test_seeds_of_other_shapes_or_structures_are_refused():
    with raises(ad.ShapeError, "tangents", r"\(2,\)", r"\(3,\)"):
        ad.jvp(lambda x: x, (np.ones(2),), (np.ones(3),))
    with raises(ad.ShapeError, "the adjoint", r"\(2,\)", r"\(\)"):
        ad.vjp(lambda x: x, np.ones(2))[1](1.0)
    with raises(TypeError, "the adjoint", "expected the structure"):
        ad.vjp(lambda x: (x, x), 1.0)[1](1.0)
    with raises(TypeError, r"tangents\[0\]", "expected the structure"):
        ad.jvp(lambda x: x["a"], ({"a": 1.0},), ({"b": 1.0},))
    with raises(ad.ShapeError, "the vector"):
        ad.hvp(lambda x: (x * x).sum())(np.ones(2), np.ones(3))


def test_hvp_without_a_vector_says_where_it_goes():
    with raises(TypeError, "second place"):
        ad.hvp(lambda x: x * x)(1.0)


# ---- Values --------------------------------------------------------------------------


def test_nan_and_infinity_pass_through():
    assert math.isnan(ad.grad(lambda x: x * x)(math.nan))
    assert ad.grad(ad.sqrt)(0.0) == math.inf
    value, g = ad.value_and_grad(lambda x: (x * x).sum())(np.array([np.nan, 1.0]))
    assert math.isnan(value)
    np.testing.assert_array_equal(g, [np.nan, 2.0])


def test_what_does_not_count_makes_no_nan():
    f = ad.grad(lambda x: ad.where(x > 0, ad.log(x), 0.0))
    assert f(0.0) == 0.0


def test_arguments_that_are_changed_in_place_are_the_functions_own():
    def f(p):
        p["x"][0] = p["x"][1] * 3.0
        p["x"] += 1.0
        return (p.pop("x") ** 2).sum()

    p = {"x": np.array([1.0, 2.0])}
    np.testing.assert_array_equal(ad.grad(f)(p)["x"], [0.0, 2 * 7 * 3 + 2 * 3])
    np.testing.assert_array_equal(p["x"], [1.0, 2.0])


def test_a_scalar_argument_may_be_rebound_in_place():
    def f(x):
        x += 1.0
        x *= x
        return x

    assert ad.grad(f)(2.0) == 6.0
    assert ad.grad(ad.grad(f))(2.0) == 2.0


def test_a_tensor_argument_is_not_changed_either():
    x = ad.tensor([1.0, 2.0])

    def f(x):
        x[0] = 0.0
        return (x * x).sum()

    np.testing.assert_array_equal(ad.grad(f)(x), [0.0, 4.0])
    assert x.tolist() == [1.0, 2.0]


def test_recursion_in_the_function_is_a_recursion_error_and_leaves_nothing():
    def f(x):
        return f(x) * x

    with pytest.raises(RecursionError):
        ad.grad(f)(1.0)
    assert ad.grad(lambda x: x * x)(1.0) == 2.0


def test_arguments_in_the_place_of_argnums_say_where_they_go():
    x = np.ones(2)
    with pytest.raises(TypeError, match=r"hvp\(f\)\(x, v\)"):
        ad.hvp(lambda x: x.sum(), (x,), (x,))


def test_a_list_that_is_used_as_a_vector_says_so():
    with pytest.raises(TypeError) as caught:
        ad.grad(lambda x: (x[1:] - x[:-1]).sum())([1.0, 2.0, 3.0])
    assert "np.array" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("product", [lambda a, x: a @ x, lambda a, x: x @ a])
def test_a_product_with_a_sparse_matrix_says_what_to_write(product):
    sparse = pytest.importorskip("scipy.sparse")
    a = sparse.csr_array(np.eye(2))
    with pytest.raises(TypeError, match=r"A\.toarray\(\) @ x"):
        ad.grad(lambda x: ad.sum(product(a, x)))(np.ones(2))
    with pytest.raises(TypeError, match=r"A\.toarray\(\) @ x"):
        ad.compile(lambda x: ad.sum(product(a, x)))(np.ones(2))
