"""Exploding and vanishing: a deep network with bad and good weights to start from.

A gradient goes back through every layer, and each multiplies it: by its weights, and by
the slope of its activation. The slope of a sigmoid is at most 1/4, so after eight
layers little is left. Weights three times too large make it thousands of times larger.
ReLU has slope 1 or 0, half of each; weights of variance 2 / n for n inputs make up for
that (He et al., 2015). `gradient_report` shows which it is, layer by layer.
"""

import numpy as np

import autodiff as ad
from gallery import picture

nn = ad.nn
DEPTH, WIDTH = 8, 32
rng = np.random.default_rng(0)
x = ad.tensor(rng.standard_normal((64, WIDTH)))
t = ad.tensor(rng.standard_normal((64, 1)))


def network(activation, deviation):
    """Return a network whose weights have this deviation, after one backward()."""
    ad.manual_seed(0)
    layers = []
    for _ in range(DEPTH):
        linear = nn.Linear(WIDTH, WIDTH, bias=False)
        nn.init.normal_(linear.weight, std=deviation)
        layers += [linear, activation()]
    net = nn.Sequential(*layers, nn.Linear(WIDTH, 1, bias=False))
    nn.functional.mse_loss(net(x), t).backward()
    return net


norms = {}
he = (2 / WIDTH) ** 0.5
for name, activation, deviation in (
    ("sigmoid", nn.Sigmoid, he),
    ("ReLU, too large", nn.ReLU, 3 * he),
    ("ReLU, right", nn.ReLU, he),
):
    report = ad.inspect.gradient_report(network(activation, deviation), lr=0.01)
    print(f"--- {name}: deviation of weights {deviation:.2f}")
    print(report)
    norms[name] = [np.log10(layer.norm) for layer in report.layers]

# Clipping makes the norm of all gradients, as one vector, at most 1: the direction
# stays. No step does harm then, but layers are as unequal as before.
net = network(nn.ReLU, 3 * he)
before = nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
report = ad.inspect.gradient_report(net, lr=0.01)
print("--- too large, clipped")
print(report)
print(f"norm before clipping: {before.item():.2g}, after: {report.norm:.2f}")
print("flags after clipping:", [layer.flags for layer in report.flagged])
picture(("log10 of the norm, by layer", norms))
