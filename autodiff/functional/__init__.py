"""Transforms of functions: derivatives of any order, and rules for their parts.

    engine      the one way to a derivative of a flat function: the seam below
    arguments   nested arguments and results, argnums, aux; values in and out
    gradients   grad, value_and_grad, jvp, vjp, hvp
    jacobians   jacobian, hessian
    custom      stop_gradient, custom_vjp, custom_jvp
    remat       checkpoint
    implicit    root, fixed_point; solve has their solver

The names that users want are in `autodiff` itself.
"""
