"""Two cooperative tasks, many episodes of each played at once in NumPy arrays.

An environment holds B episodes of equally many steps. `reset` starts them, `observe`
says what each agent sees (B, agents, features), `state` all there is (B, features), for
the critic alone, and `step` takes actions (B, agents) and returns the reward of the
team (B,): nobody is told who earned it.
"""

import numpy as np

ALONE = 0.5  # the chance that one moves the box, or lifts a crate; two always do
EFFORT = 0.02  # what a robot that does not stay costs the team
PUSH = 3  # the action of a robot


class PushBox:
    """Two robots walk up to a box and push it along; each cell it moves is worth 1.

    One robot moves it with chance `ALONE`, two surely. So one may stand idle and still
    be paid. Actions: stay, back, forward, and push, of use beside the box only. A robot
    knows its own gap to the box and the time, not where the other is.
    """

    name, n_agents, n_actions, horizon = "box", 2, 4, 12
    actions = ("stay", "back", "forward", "push")
    far = 3
    observation_size = far + 2
    state_size = 2 * (far + 1) + 1

    def reset(self, n, rng):
        self.rng, self.time = rng, 0
        self.gap = rng.integers(1, self.far + 1, (n, 2))  # cells between it and the box

    def _seen_gap(self):
        return np.eye(self.far + 1)[np.minimum(self.gap, self.far)]  # (B, 2, far + 1)

    def _clock(self, *shape):
        return np.full((*shape, 1), self.time / self.horizon)

    def observe(self):
        seen = self._seen_gap()
        return np.concatenate([seen, self._clock(*seen.shape[:2])], -1)

    def state(self):
        seen = self._seen_gap().reshape(len(self.gap), -1)
        return np.concatenate([seen, self._clock(len(seen))], -1)

    @staticmethod
    def chance(gap, actions):
        """Return the chance that the box moves (B,)."""
        pushing = ((gap == 0) & (actions == PUSH)).sum(-1)
        return np.array([0.0, ALONE, 1.0])[pushing]

    @classmethod
    def expected_reward(cls, gap, actions):
        """Return the mean of the next reward (B,)."""
        return cls.chance(gap, actions) - EFFORT * (actions != 0).sum(-1)

    def step(self, actions):
        moved = self.rng.random(len(actions)) < self.chance(self.gap, actions)
        pushes = (self.gap == 0) & (actions == PUSH)
        walked = (actions == 1).astype(int) - (actions == 2)
        # The box leaves everybody behind who did not push it.
        left_behind = moved[:, None] & ~pushes
        self.gap = np.maximum(self.gap + walked, 0) + left_behind
        self.time += 1
        return moved - EFFORT * (actions != 0).sum(-1)


class Crates:
    """Agents on a grid lift crates: walk to one, and stand where it is.

    One agent lifts it with chance `ALONE`, two surely. It is worth 1 to the team, and
    another one appears elsewhere. So the lifts of the others hide what an agent's own
    steps were worth, the more the more agents there are. Running into a wall costs
    `BUMP`. An agent sees the cells around it, crates and other agents, and where
    it is: never the whole grid. Actions: stay, up, down, left, right.
    """

    BUMP = 0.05
    actions = ("stay", "up", "down", "left", "right")
    name, n_actions, size, horizon = "grid", 5, 5, 15
    moves = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])

    def __init__(self, n_agents=5, n_crates=3):
        if not 3 <= n_agents <= 5:
            raise ValueError(f"the grid has room for 3 to 5 agents, got {n_agents}")
        self.n_agents, self.n_crates = n_agents, n_crates
        self.observation_size = 2 * 9 + 2 * self.size + 1
        self.state_size = 2 * (n_agents + self.n_crates) + 1

    def reset(self, n, rng):
        self.rng, self.time = rng, 0
        self.at = rng.integers(self.size, size=(n, self.n_agents, 2))
        self.crates = np.zeros((n, self.size, self.size))
        self._put_crates()

    def _put_crates(self):
        """Fill up to `n_crates` in every episode, at cells drawn anew."""
        flat = self.crates.reshape(len(self.crates), -1)
        missing = self.n_crates - flat.sum(1)
        order = (self.rng.random(flat.shape) + 2 * flat).argsort(1).argsort(1)
        flat[order < missing[:, None]] = 1.0

    def _occupied(self):
        n = len(self.at)
        cells = np.zeros((n, self.n_agents, self.size, self.size))
        rows, agents = np.arange(n)[:, None], np.arange(self.n_agents)
        cells[rows, agents, self.at[..., 0], self.at[..., 1]] = 1.0
        return cells

    def _window(self, cells):
        """Return the 3 x 3 cells around each agent, -1 outside (B, agents, 9)."""
        padded = np.pad(cells, ((0, 0), (1, 1), (1, 1)), constant_values=-1.0)
        rows, (y, x) = np.arange(len(cells))[:, None], np.moveaxis(self.at, -1, 0)
        around = [padded[rows, y + i, x + j] for i in range(3) for j in range(3)]
        return np.stack(around, -1)

    def observe(self):
        place = np.eye(self.size)[self.at].reshape(*self.at.shape[:2], -1)
        crates = self._window(self.crates)
        others = self._window(self._occupied().sum(1)) - np.eye(9)[4]  # not oneself
        clock = np.full((*self.at.shape[:2], 1), self.time / self.horizon)
        return np.concatenate([crates, others, place, clock], -1)

    def state(self):
        n = len(self.at)
        crates = np.argwhere(self.crates)[:, 1:]
        places = np.concatenate([self.at.reshape(n, -1), crates.reshape(n, -1)], -1)
        clock = np.full((n, 1), self.time / self.horizon)
        return np.concatenate([places / (self.size - 1) - 0.5, clock], -1)

    def step(self, actions):
        wanted = self.at + self.moves[actions]
        self.at = np.clip(wanted, 0, self.size - 1)
        bumps = (wanted != self.at).any(-1).sum(1)
        hands = self._occupied().sum(1)
        chance = np.where(hands >= 2, 1.0, ALONE * hands) * self.crates
        lifted = self.rng.random(chance.shape) < chance
        self.crates[lifted] = 0.0
        self._put_crates()
        self.time += 1
        return lifted.sum((1, 2)) - self.BUMP * bumps


def make(name, n_agents=5):
    """Return the environment of a name."""
    if name not in ("box", "grid"):
        raise ValueError(f"no environment {name!r}; there are: box, grid")
    return PushBox() if name == "box" else Crates(n_agents)
