"""A small CNN on real digits: 8x8 pixels, trained in seconds on one core.

Two convolutions, one pooling, one linear layer: 1400 images to learn from, 397 to be
tested on, which training never sees. Time goes to stderr: it is not the same twice.
"""

import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy starts its threads

import numpy as np

import autodiff as torch
from gallery import digits, picture

nn = torch.nn
F = nn.functional
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
rng = np.random.default_rng(0)
EPOCHS, BATCH, N_TRAIN = 20, 32, 1400

images, labels = digits()
order = rng.permutation(len(images))
images, labels = images[order], labels[order]
train_x, test_x = torch.tensor(images[:N_TRAIN]), torch.tensor(images[N_TRAIN:])
train_y, test_y = torch.tensor(labels[:N_TRAIN]), torch.tensor(labels[N_TRAIN:])

model = nn.Sequential(
    nn.Conv2d(1, 16, kernel_size=3, padding=1),  # 16 x 8 x 8
    nn.ReLU(),
    nn.MaxPool2d(2),  # 16 x 4 x 4
    nn.Conv2d(16, 32, kernel_size=3, padding=1),  # 32 x 4 x 4
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(32 * 4 * 4, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)


def accuracy(x, y):
    """Return the share of images that are read right."""
    with torch.no_grad():
        return (model(x).argmax(dim=1) == y).sum().item() / len(y)


print("parameters:", sum(p.numel() for p in model.parameters()))
start, losses, scores = time.perf_counter(), [], []
for _ in range(EPOCHS):
    order = rng.permutation(N_TRAIN)
    total = 0.0
    for first in range(0, N_TRAIN, BATCH):
        batch = order[first : first + BATCH]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(train_x[batch]), train_y[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    scheduler.step()
    losses.append(total / N_TRAIN)
    scores.append(100 * accuracy(test_x, test_y))
print(f"training loss of the last epoch: {losses[-1]:.2f}")
print(f"test accuracy: {scores[-1]:.1f} %, at least 97 %: {scores[-1] >= 97.0}")
print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr)
picture(("loss", {"training": losses}), ("accuracy, %", {"test": scores}))
