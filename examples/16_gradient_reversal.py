"""Gradient reversal and label flipping: two ways to learn what two domains share.

Two moons with labels are the source, the same moons turned by 30 degrees and without
labels the target. Features shall serve the labels, and shall not tell the domains
apart: a second head tries to tell them, and the features learn to make it fail.

Reversal: one loss and one optimiser; between features and head the gradient changes its
sign. Flipping: two turns; the head learns the domains, then the features learn from the
same head with the domains exchanged, as a generator does in a GAN.
"""

import numpy as np

import autodiff as ad
from gallery import moons, picture

nn = ad.nn
bce = nn.functional.binary_cross_entropy_with_logits
N, STEPS, WIDTH, ANGLE = 200, 600, 16, 30.0
domains = ad.cat([ad.zeros(N, 1), ad.ones(N, 1)])  # 0: source, 1: target


def train(how, seed):
    """Return features, both heads, and points and labels of both domains."""
    ad.manual_seed(seed)
    source, target = moons(N, seed=seed), moons(N, angle=ANGLE, seed=seed + 100)
    features = nn.Sequential(
        nn.Linear(2, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh()
    )
    label = nn.Linear(WIDTH, 1)
    domain = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
    mine = [*features.parameters(), *label.parameters()]
    step = ad.optim.Adam(mine, lr=0.01)
    domain_step = ad.optim.Adam(domain.parameters(), lr=0.01)
    points, labels = ad.tensor(np.concatenate([source[0], target[0]])), source[1]
    for k in range(STEPS):
        strength = 1 / (1 + np.exp(-10 * k / STEPS)) - 0.5  # grows from 0 to 1/2
        f = features(points)
        loss = bce(label(f[:N])[:, 0], labels)
        step.zero_grad()
        domain_step.zero_grad()
        if how == "reversal":
            loss = loss + bce(domain(ad.grad_reverse(f, strength)), domains)
        else:
            bce(domain(f.detach()), domains).backward()  # the head's turn
        if how != "flipping":
            loss.backward()
            domain_step.step()
        else:
            domain_step.step()
            (loss + strength * bce(domain(f), 1 - domains)).backward()
        step.step()
    return features, label, domain, source, target


def accuracy(features, label, points, labels):
    """Return the share of labels that are right, in percent."""
    with ad.no_grad():
        return 100 * float(
            ((label(features(points)).numpy()[:, 0] > 0) == labels).mean()
        )


print(f"accuracy over 3 seeds, target turned by {ANGLE:.0f} degrees")
pictures = []
for how in ("source only", "reversal", "flipping"):
    runs = [train(how, seed) for seed in range(3)]
    scores = [[accuracy(f, head, *d) for d in (s, t)] for f, head, _, s, t in runs]
    on_source, on_target = np.mean(scores, axis=0)
    print(f"{how:12} source {on_source:5.1f} %  target {on_target:5.1f} %")
    features, label, domain, _, (points, _) = runs[0]
    said = label(features(points)).detach().numpy()[:, 0] > 0
    pictures.append(
        (f"target, {how}", {"moon 0": points[~said], "moon 1": points[said]})
    )
    if how == "source only":
        sure = features, domain, runs[0][3][0], points

# Why the two differ in size. For the logit z of a target point, the head's loss is
# log(1 + exp(-z)), with slope s(z) - 1: it dies out where the head is sure, and
# reversed it still does. Flipped, the loss is log(1 + exp(z)) with slope s(z): largest
# there.
print("z of the head   reversed   flipped")
for z in (-2.0, 0.0, 2.0, 4.0):
    x = ad.tensor([z], requires_grad=True)
    bce(ad.grad_reverse(x), ad.ones(1)).backward()
    reverse, x.grad = x.grad.item(), None
    bce(x, ad.zeros(1)).backward()
    print(f"{z:13.0f} {reverse:10.3f} {x.grad.item():9.3f}")

# And measured, at the features of a network that only knows the source.
features, domain, source_points, target_points = sure
f = features(np.concatenate([source_points, target_points])).detach().requires_grad_()
bce(domain(ad.grad_reverse(f)), domains).backward()
reverse, f.grad = ad.norm(f.grad).item(), None
bce(domain(f), 1 - domains).backward()
ratio = ad.norm(f.grad).item() / reverse
print(f"norm at the features, flipped over reversed: more than 1: {ratio > 1}")
picture(*pictures)
