"""Convolution by hand: im2col turns it into one product of matrices.

Each place of the kernel is a patch of the image. Lay the patches out as columns: then
the kernel, as a row, times the columns is the convolution. Everything about gradients
follows from this picture. A weight is shared by all places, so its gradient is a sum
over them, and so is the bias's. A pixel lies in several patches, so its gradient is a
sum over those: that is the adjoint of im2col, col2im.
"""

import numpy as np

import autodiff as ad

F = ad.nn.functional
rng = np.random.default_rng(0)
N, C, H, W, K, SIZE, STRIDE, PAD = 2, 3, 6, 7, 4, 3, 2, 1


def places(n):
    """Return how many places there are along n pixels: (n + 2p - k) / s + 1."""
    return (n + 2 * PAD - SIZE) // STRIDE + 1


def patch(i, j):
    """Return the slices of the padded image under the kernel at place (i, j)."""
    top, left = i * STRIDE, j * STRIDE
    return ..., slice(top, top + SIZE), slice(left, left + SIZE)


ROWS, COLS = places(H), places(W)
PLACES = [(i, j) for i in range(ROWS) for j in range(COLS)]


def im2col(x):
    """Return the patches as columns: (N, C * SIZE * SIZE, places)."""
    padded = np.pad(x, ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD)))
    return np.stack([padded[patch(i, j)].reshape(N, -1) for i, j in PLACES], axis=2)


def col2im(columns):
    """Return the adjoint of im2col: each pixel collects from all of its patches."""
    padded = np.zeros((N, C, H + 2 * PAD, W + 2 * PAD))
    for number, (i, j) in enumerate(PLACES):
        padded[patch(i, j)] += columns[:, :, number].reshape(N, C, SIZE, SIZE)
    return padded[:, :, PAD:-PAD, PAD:-PAD]


def forward(x, weight, bias):
    """Return the convolution and the columns, which the way back needs."""
    columns = im2col(x)
    y = weight.reshape(K, -1) @ columns + bias[:, None]
    return y.reshape(N, K, ROWS, COLS), columns


def backward(g, columns, weight):
    """Return the gradients of image, weight and bias from that of the result."""
    g = g.reshape(N, K, -1)
    dweight = np.einsum("nkp,ncp->kc", g, columns)  # shared: summed over places
    dcolumns = weight.reshape(K, -1).T @ g
    return col2im(dcolumns), dweight.reshape(weight.shape), g.sum(axis=(0, 2))


x, g = rng.standard_normal((N, C, H, W)), rng.standard_normal((N, K, ROWS, COLS))
weight, bias = rng.standard_normal((K, C, SIZE, SIZE)), rng.standard_normal(K)
y, columns = forward(x, weight, bias)
by_hand = y, *backward(g, columns, weight)

leaves = [ad.tensor(v, requires_grad=True) for v in (x, weight, bias)]
result = F.conv2d(*leaves, stride=STRIDE, padding=PAD)
result.backward(gradient=ad.tensor(g))
by_engine = [result.detach(), *(leaf.grad for leaf in leaves)]

print(f"image {H} x {W}, kernel {SIZE}, stride {STRIDE}, padding {PAD}:", (ROWS, COLS))
print("columns:", columns.shape)
for name, a, b in zip(("y", "dx", "dweight", "dbias"), by_hand, by_engine, strict=True):
    apart = np.abs(a - b.numpy()).max()
    print(f"{name:8} {a.shape!s:13} equal to 1e-12: {apart < 1e-12}")

# An adjoint is told by <im2col(x), c> = <x, col2im(c)>, for any x and c.
c = rng.standard_normal(columns.shape)
apart = abs((im2col(x) * c).sum() - (x * col2im(c)).sum())
print("col2im is the adjoint of im2col:", apart < 1e-11)
try:
    F.conv2d(ad.zeros(1, 1, 2, 2), ad.zeros(1, 1, 3, 3))
except ValueError as error:
    print("a kernel that does not fit:", str(error).split(";")[0])
