"""The counterfactual advantage where actions are numbers.

The baseline is then an integral over the agent's own actions; here the mean of Q over
`m` actions drawn from the agent's policy, the others' as taken. It depends on no action
that was taken by the agent, so the expected gradient is that without a baseline.

The game lasts one step: robots push a sledge, each with a force u_a of a normal policy,
and want to push `WANTED` together with little effort:

    r = -(sum of u - WANTED)^2 - COST (sum of u^2)

The best forces are equal, WANTED / (n + COST).
"""

import numpy as np

import autodiff as ad

WANTED, COST = 2.0, 0.5


def reward(forces):
    """Return the reward of the team (...) for forces (..., agents)."""
    return -((forces.sum(-1) - WANTED) ** 2) - COST * (forces**2).sum(-1)


def best_force(n_agents):
    return WANTED / (n_agents + COST)


class QuadraticCritic:
    """Q as a quadratic function of all forces, by least squares on recent plays."""

    def __init__(self, keep=512):
        self.keep, self.forces, self.rewards = keep, None, None

    @staticmethod
    def features(forces):
        n = forces.shape[-1]
        pairs = [forces[..., i] * forces[..., j] for i in range(n) for j in range(i, n)]
        ones = np.ones(forces.shape[:-1])
        columns = [ones, *np.moveaxis(forces, -1, 0), *pairs]
        return np.stack(columns, -1)

    def fit(self, forces, rewards):
        if self.forces is not None:
            forces = np.concatenate([self.forces, forces])[-self.keep :]
            rewards = np.concatenate([self.rewards, rewards])[-self.keep :]
        self.forces, self.rewards = forces, rewards
        self.weights = np.linalg.lstsq(self.features(forces), rewards, rcond=None)[0]

    def __call__(self, forces):
        return self.features(forces) @ self.weights


def counterfactual_advantage(q, forces, mean, spread, rng, m=64):
    """Return A_a = Q(u) - mean of Q(u'_a, others' u) over m draws u'_a (B, agents).

    Parameters
    ----------
    q : callable
        Forces (..., agents) to values (...).
    forces : array (B, agents)
    mean, spread : arrays (agents,)
        Of the normal policies.
    """
    b, n = forces.shape
    drawn = mean + spread * rng.normal(size=(m, b, n))
    others = np.broadcast_to(forces[None, :, None, :], (m, b, n, n)).copy()
    agents = np.arange(n)
    others[:, :, agents, agents] = drawn  # row a: only agent a's force is another
    return q(forces)[:, None] - q(others).mean(0)


def train(n_agents=3, iterations=200, episodes=32, spread=0.3, seed=0):
    """Return the learned mean forces (agents,) and the mean reward by iteration."""
    rng, critic = np.random.default_rng(seed), QuadraticCritic()
    mean = ad.zeros(n_agents, requires_grad=True)
    optimizer = ad.optim.Adam([mean], lr=0.03)
    scheduler = ad.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    widths, history = np.full(n_agents, spread), []
    for _ in range(iterations):
        now = mean.detach().numpy().copy()
        forces = now + widths * rng.normal(size=(episodes, n_agents))
        rewards = reward(forces)
        critic.fit(forces, rewards)
        a = counterfactual_advantage(critic, forces, now, widths, rng)
        log_density = -((forces - mean) ** 2) / (2 * spread**2)
        optimizer.zero_grad()
        (-(a * log_density).sum(-1).mean()).backward()
        optimizer.step()
        scheduler.step()
        history.append(rewards.mean())
    return mean.detach().numpy().copy(), np.array(history)
