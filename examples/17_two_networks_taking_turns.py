"""Two networks taking turns: a one-dimensional GAN.

A generator makes numbers from noise; a discriminator tells them from real ones, which
are normal with mean 4 and deviation 1.25. Each has its own optimiser, and each step
must move one network only: the first half shows how graphs are cut for that, the second
trains.
"""

import numpy as np

import autodiff as torch
from gallery import picture

nn, F = torch.nn, torch.nn.functional
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
rng = np.random.default_rng(0)
BATCH, STEPS = 64, 1500

generator = nn.Linear(1, 1)  # enough for a normal distribution: scale and shift
discriminator = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
g_step = torch.optim.Adam(generator.parameters(), lr=0.01, betas=(0.5, 0.9))
d_step = torch.optim.Adam(discriminator.parameters(), lr=0.02, betas=(0.5, 0.9))


def noise():
    """Return noise for the generator."""
    return torch.tensor(rng.standard_normal((BATCH, 1)))


def real():
    """Return what is to be imitated."""
    return torch.tensor(4.0 + 1.25 * rng.standard_normal((BATCH, 1)))


def judge(x):
    """Return the logits of being real; x squared helps to see the deviation."""
    return discriminator(torch.cat([x / 4, (x / 4) ** 2], dim=1))


def loss(logits, is_real):
    """Return how wrong the logits are."""
    target = torch.full_like(logits, float(is_real))
    return F.binary_cross_entropy_with_logits(logits, target)


def has_grad(network):
    """Return whether any parameter got a gradient, and clear them."""
    found = any(p.grad is not None for p in network.parameters())
    network.zero_grad()
    return found


# The discriminator's turn. Its graph reaches into the generator unless cut by detach().
fake = generator(noise())
loss(judge(fake), is_real=False).backward()
print("D's loss, not cut:    gradients in G:", has_grad(generator))
discriminator.zero_grad()
fake = generator(noise())
loss(judge(fake.detach()), is_real=False).backward()
print("D's loss, detached:   gradients in G:", has_grad(generator))
print("                      gradients in D:", has_grad(discriminator))

# The generator's turn. The gradient must go through the discriminator, so detach()
# would cut too much; freezing its parameters saves their gradients and lets x's pass.
discriminator.requires_grad_(False)
loss(judge(fake), is_real=True).backward()
print("G's loss, D frozen:   gradients in D:", has_grad(discriminator))
print("                      gradients in G:", has_grad(generator))
discriminator.requires_grad_(True)

# Kept or rebuilt? A sweep gives back the graph behind it. Not cut, D's turn takes away
# the graph of `fake` that G's turn needs. Keep it, or generate again; detach() needs
# neither.
fake = generator(noise())
loss(judge(fake), is_real=False).backward()
try:
    loss(judge(fake), is_real=True).backward()
except RuntimeError as error:
    print("swept twice:", str(error).split(" (")[0])
for how in ("kept", "rebuilt", "detached"):
    fake = generator(noise())
    for_d = judge(fake.detach() if how == "detached" else fake)
    loss(for_d, is_real=False).backward(retain_graph=how == "kept")
    fake = generator(noise()) if how == "rebuilt" else fake
    generator.zero_grad()
    loss(judge(fake), is_real=True).backward()
    print(f"{how:22}gradients in G:", has_grad(generator))

# Now for real, in turns.
means, deviations = [], []
for _ in range(STEPS):
    fake = generator(noise())
    d_step.zero_grad()
    d_loss = loss(judge(real()), is_real=True) + loss(
        judge(fake.detach()), is_real=False
    )
    d_loss.backward()
    d_step.step()

    g_step.zero_grad()
    loss(judge(fake), is_real=True).backward()  # D gets gradients too: cleared above
    g_step.step()
    means.append(generator.bias.item())
    deviations.append(abs(generator.weight.item()))
mean, deviation = np.mean(means[-200:]), np.mean(deviations[-200:])
print(
    f"made: mean {mean:.1f}, deviation {deviation:.2f}; real: mean 4.0, deviation 1.25"
)
print(f"loss of D: {d_loss.item():.1f}; where it can only guess: {2 * np.log(2):.1f}")
picture(("generator", {"mean": means, "deviation": deviations}))
