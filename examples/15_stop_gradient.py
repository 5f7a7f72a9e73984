"""Stop-gradient: two towers that learn without labels, and collapse without one detach.

SimSiam on toy data. Two noisy views of a point go through the same encoder; a predictor
is to guess the features of one view from those of the other. There is a cheap answer:
map everything to one point. Without stop-gradient the network finds it. With it, the
features of the other view are a target that does not come to meet the guess, and the
features stay spread out.

Measured as in the paper (Chen and He, 2021): the standard deviation of features scaled
to length 1. In d dimensions it is 1 / sqrt(d) where they are spread evenly, 0 if
collapsed.
"""

import numpy as np

import autodiff as torch
from gallery import picture

nn, F = torch.nn, torch.nn.functional
torch.set_default_dtype(torch.float64)
D_IN, D, STEPS, BATCH = 8, 4, 300, 64


def train(has_stop):
    """Return the spread of the features over time, and the last features."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Linear(D_IN, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, D)
    )
    predictor = nn.Sequential(nn.Linear(D, 16), nn.ReLU(), nn.Linear(16, D))
    params = [*encoder.parameters(), *predictor.parameters()]
    optimizer = torch.optim.SGD(params, lr=0.05, momentum=0.9)
    # A point lies near one of twelve centres; a view adds noise to it.
    centres = 2.0 * rng.standard_normal((12, D_IN))

    def similarity(guess, target):
        if has_stop:
            target = target.detach()  # the whole trick
        return F.cosine_similarity(guess, target, dim=1).mean()

    spreads = []
    for _ in range(STEPS):
        points = centres[rng.integers(12, size=BATCH)]
        points = points + 0.5 * rng.standard_normal(points.shape)
        one, two = (
            encoder(torch.tensor(points + 0.3 * rng.standard_normal(points.shape)))
            for _ in range(2)
        )
        loss = -0.5 * (
            similarity(predictor(one), two) + similarity(predictor(two), one)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        features = F.normalize(one.detach(), dim=1)
        spreads.append(features.numpy().std(axis=0).mean())
    return loss.item(), spreads, features.numpy()


print(f"evenly spread in {D} dimensions: {D**-0.5:.2f}")
results = {}
for name, has_stop in (("with stop-gradient", True), ("without", False)):
    loss, spreads, features = results[name] = train(has_stop)
    print(
        f"{name:18}: spread {spreads[0]:.2f} at first, {spreads[-1]:.2f} after "
        f"{STEPS} steps; loss {loss:.2f}"
    )
print("The loss does not tell: the collapsed network has the better one.")
picture(
    ("spread of features", {name: r[1] for name, r in results.items()}),
    ("two of the features", {name: r[2][:, :2] for name, r in results.items()}),
)
