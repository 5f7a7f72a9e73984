"""Pooling by hand: where the gradients of sixteen pixels go.

Average pooling spreads a gradient evenly over its window. Max pooling sends all of it
to the winner, and a tie to the first. Where windows overlap, a pixel that wins twice
gets both gradients, so nothing is lost: the sum stays the same.
"""

import numpy as np

import autodiff as ad

F = ad.nn.functional
image = np.array([[1, 3, 2, 1], [4, 2, 0, 5], [0, 1, 7, 7], [6, 2, 3, 4]], float)
x = ad.tensor(image.reshape(1, 1, 4, 4), requires_grad=True)


def pooled(values, size, stride, kind):
    """Return the pooled image, and the gradient of its sum, by two loops."""
    n = (len(values) - size) // stride + 1
    result, gradient = np.zeros((n, n)), np.zeros(values.shape)
    for i in range(n):
        for j in range(n):
            rows = slice(i * stride, i * stride + size)
            cols = slice(j * stride, j * stride + size)
            window = values[rows, cols]
            if kind == "max":
                result[i, j] = window.max()
                winner = np.unravel_index(window.argmax(), window.shape)  # the first
                gradient[rows, cols][winner] += 1.0
            else:
                result[i, j] = window.mean()
                gradient[rows, cols] += 1.0 / size**2
    return result, gradient


print("image:", *image.astype(int).tolist(), sep="\n  ")
for kind, function in (("max", F.max_pool2d), ("avg", F.avg_pool2d)):
    for size, stride in ((2, 2), (3, 1)):
        result, gradient = pooled(image, size, stride, kind)
        x.grad = None
        y = function(x, size, stride)
        y.sum().backward()
        same = np.allclose(y.detach().numpy()[0, 0], result, rtol=1e-14)
        same &= np.allclose(x.grad.numpy()[0, 0], gradient, rtol=1e-14)
        windows = "apart" if stride == size else "overlapping"
        print(f"{kind} of {size} x {size}, {windows}: the engine agrees: {same}")
        print("  result  ", np.round(result, 3).tolist())
        for row in gradient:
            print("  gradient", np.round(row, 3).tolist())
        print("  sum of gradients:", round(float(x.grad.sum()), 10))
