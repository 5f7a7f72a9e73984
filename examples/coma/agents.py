"""What runs in each agent: a policy of its own observations, and nothing else.

All agents share one network and are told who they are, so that they may differ. The
network has memory (a GRU cell), for what an agent saw is not what there is.
"""

import numpy as np

import autodiff as ad
from autodiff.nn import functional as F  # noqa: N812

FLOOR = 1e-8  # below it a probability has no useful logarithm


class Actors(ad.nn.Module):
    """The policy: observations (rows, features) and memory to logits and new memory."""

    def __init__(self, environment, hidden=32):
        super().__init__()
        self.n_agents, self.n_actions = environment.n_agents, environment.n_actions
        features = environment.observation_size + self.n_agents + self.n_actions
        self.see = ad.nn.Linear(features, hidden)
        self.remember = ad.nn.GRUCell(hidden, hidden)
        self.decide = ad.nn.Linear(hidden, self.n_actions)

    def forward(self, seen, memory=None):
        memory = self.remember(F.relu(self.see(seen)), memory)
        return self.decide(memory), memory

    def inputs(self, observations, last_actions):
        """Return rows of what is seen, who I am, what I did: (B * agents, features)."""
        who = np.broadcast_to(
            np.eye(self.n_agents), (len(observations), self.n_agents, self.n_agents)
        )
        did = one_hot(last_actions, self.n_actions)
        rows = np.concatenate([observations, who, did], -1)
        return ad.tensor(rows.reshape(-1, rows.shape[-1]))


def one_hot(actions, n):
    """Return indicator rows; an action of -1 (none yet) is a row of zeros."""
    return (np.asarray(actions)[..., None] == np.arange(n)).astype(float)


def explore(logits, epsilon):
    """Return probabilities with at least epsilon / n for every action.

    It is the policy that acts, so it is also the one whose gradient is taken: training
    stays on-policy whatever epsilon is.
    """
    n = logits.shape[-1]
    return (1 - epsilon) * F.softmax(logits, -1) + epsilon / n


def epsilon_at(iteration, start=0.5, end=0.02, iterations=100):
    """Return the exploration: from start to end in a straight line, then constant."""
    return start + (end - start) * min(iteration / iterations, 1.0)


def sample(probabilities, rng):
    """Return an action for each row of probabilities."""
    steps = np.cumsum(probabilities, -1)
    drawn = rng.random((*steps.shape[:-1], 1)) * steps[..., -1:]
    return (drawn >= steps).sum(-1)


def rollout(environment, actors, n, epsilon, rng):
    """Play n episodes with the policy as it is.

    Returns
    -------
    dict
        ``states`` (T, n, features), ``observations`` (T, n, agents, features),
        ``actions`` (T, n, agents), ``rewards`` (T, n): arrays; and ``policy``, a tensor
        (T, n, agents, actions) that carries the gradient, memory included.
    """
    environment.reset(n, rng)
    shape = (n, environment.n_agents, environment.n_actions)
    actions, memory, steps, policy = np.full(shape[:2], -1), None, [], []
    for _ in range(environment.horizon):
        seen, state = environment.observe(), environment.state()
        logits, memory = actors(actors.inputs(seen, actions), memory)
        policy.append(explore(logits, epsilon).reshape(*shape))
        actions = sample(policy[-1].detach().numpy(), rng)
        steps.append((state, seen, actions, environment.step(actions)))
    names = ("states", "observations", "actions", "rewards")
    columns = map(np.stack, zip(*steps, strict=True))
    return {**dict(zip(names, columns, strict=True)), "policy": ad.stack(policy)}
