"""External seeds: backward() of a vector is a product with its Jacobian.

A loss is one number, and its sweep starts with dloss/dloss = 1. A vector y has no such
start: you give the seed v, one number for each element, and get v'J, the gradient of
the weighted sum v'y. Rows of J are seeds with a single 1.
"""

import autodiff as ad

w = ad.tensor(1.0, requires_grad=True)
x = ad.tensor(2.0, requires_grad=True)


def both(w, x):
    """Return [ab, a + b] for a = w + x and b = w + 1."""
    a, b = w + x, w + 1
    return ad.cat([(a * b).reshape(1), (a + b).reshape(1)])


y = both(w, x)
print("y =", y.detach().numpy())
try:
    y.backward()
except RuntimeError as error:
    print("without a seed:", str(error).split(";")[0])

# d(ab)/dw = 5 and d(a + b)/dw = 2, so seeds [1, 1] give 7 and [1, 2] give 9.
for seed in ([1.0, 1.0], [1.0, 2.0]):
    w.grad = x.grad = None
    both(w, x).backward(gradient=ad.tensor(seed))
    print(f"seed {seed}: dw = {w.grad.item()}, dx = {x.grad.item()}")

# The same by the whole Jacobian, which nobody needs for one seed: J has a row for each
# element of y and a column for each input.
columns = ad.jacobian(both, argnums=(0, 1))(1.0, 2.0)
jacobian = ad.tensor(columns).t()
print("J =", jacobian.numpy().tolist())
for seed in ([1.0, 1.0], [1.0, 2.0]):
    print(f"{seed} J =", (ad.tensor(seed) @ jacobian).numpy().tolist())
