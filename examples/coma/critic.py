"""What is needed in training only: a central critic, its targets, the advantages.

Arrays have the axes (T, B, agents, actions), or the first of these. Whatever the critic
says is a number to the actors: no gradient goes from their loss into it.
"""

import numpy as np

import autodiff as ad
from coma.agents import one_hot


def network(features, outputs, hidden):
    """Return two hidden layers; the answer is 0 until something has been learned."""
    last = ad.nn.Linear(hidden, outputs)
    ad.nn.init.zeros_(last.weight)
    ad.nn.init.zeros_(last.bias)
    return ad.nn.Sequential(
        ad.nn.Linear(features, hidden),
        ad.nn.ReLU(),
        ad.nn.Linear(hidden, hidden),
        ad.nn.ReLU(),
        last,
    )


class ActionCritic(ad.nn.Module):
    """Q of every action of one agent, given the state and what the others do.

    One evaluation for an agent gives all its alternatives, so the counterfactual
    baseline costs no more than Q itself. The level of all of them is an output of its
    own: it is learned from every action taken, and how they differ from what is left.
    """

    def __init__(self, environment, hidden=64):
        super().__init__()
        self.n_actions, n = environment.n_actions, environment.n_agents
        seen = environment.state_size + environment.observation_size
        did = (n - 1) * self.n_actions
        self.body = network(seen + did + n, 1 + self.n_actions, hidden)

    def inputs(self, batch):
        return counterfactual_inputs(batch, self.n_actions)

    def forward(self, rows):
        flat = self.body(ad.tensor(rows.reshape(-1, rows.shape[-1])))
        level, more = flat[:, :1], flat[:, 1:]
        q = level + more - more.mean(-1, keepdims=True)
        return q.reshape(*rows.shape[:-1], self.n_actions)


class StateCritic(ad.nn.Module):
    """V of the state, for the advantage all share; as large as the other critic."""

    def __init__(self, environment, hidden=64):
        super().__init__()
        seen = environment.observation_size * environment.n_agents
        self.body = network(environment.state_size + seen, 1, hidden)

    def inputs(self, batch):
        states, seen = batch["states"], batch["observations"]
        return np.concatenate([states, seen.reshape(*seen.shape[:2], -1)], -1)

    def forward(self, rows):
        flat = self.body(ad.tensor(rows.reshape(-1, rows.shape[-1])))
        return flat.reshape(*rows.shape[:-1])


def counterfactual_inputs(batch, n_actions):
    """Return (T, B, agents, features): state, own view, the others' actions, who.

    The agent's own action is left out: the answer is for each action it may take.
    """
    t, b, n = batch["actions"].shape
    states, seen = batch["states"], batch["observations"]
    did = one_hot(batch["actions"], n_actions)
    others = (np.arange(n)[:, None] + np.arange(1, n)) % n  # row a: who follows a
    parts = [
        np.broadcast_to(states[:, :, None], (t, b, n, states.shape[-1])),
        seen,
        did[:, :, others].reshape(t, b, n, -1),
        np.broadcast_to(np.eye(n), (t, b, n, n)),
    ]
    return np.concatenate(parts, -1)


def td_lambda(rewards, values, gamma, lam):
    """Return the TD(lambda) targets of episodes that end with their last step.

    Parameters
    ----------
    rewards : array (T, ...)
    values : array (T, ...)
        The target critic's value at each step (of the action taken, for Q).

    Notes
    -----
    The mean of the n-step returns with weights (1 - lam) lam^(n-1), the last one taking
    what is left; here as y_t = r_t + gamma ((1 - lam) v_{t+1} + lam y_{t+1}).
    """
    targets = np.empty(np.broadcast_shapes(rewards.shape, values.shape))
    targets[-1] = rewards[-1]
    for t in range(len(rewards) - 2, -1, -1):
        ahead = (1 - lam) * values[t + 1] + lam * targets[t + 1]
        targets[t] = rewards[t] + gamma * ahead
    return targets


def taken(values, actions):
    """Return the values of the actions taken: (..., actions) and (...) to (...)."""
    return np.take_along_axis(values, actions[..., None], -1)[..., 0]


def counterfactual_advantage(q, policy, actions):
    """Return A = Q(s, u) - sum over own actions of pi Q, the others' actions as taken.

    Parameters
    ----------
    q, policy : array (..., agents, actions)
        Row a: values and probabilities of the actions of agent a.
    actions : array (..., agents)
    """
    return taken(q, actions) - (policy * q).sum(-1)
