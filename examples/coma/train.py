"""Train the agents, many seeds, both advantages; the command line.

    cd examples
    python -m coma.train --env box --seeds 10 --progress --resume box.npz

`--method coma` is the counterfactual advantage. `--method shared` is the comparison:
the same actors, exploration, optimisers and size of critic, but one advantage for all
agents, the TD(lambda) return less V(s). `--method shared-q` is nearer still: the very
critic of COMA, and one advantage Q(s, u) less its mean over joint actions drawn anew.
Default: all, from the same first weights. Stopped and started again with the
same `--resume FILE`, a command goes on where it was and prints what it would have
printed.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import autodiff as ad
from coma import environments, report
from coma.agents import Actors, epsilon_at, one_hot, rollout, sample
from coma.critic import (
    ActionCritic,
    StateCritic,
    counterfactual_advantage,
    taken,
    td_lambda,
)

METHODS = ("coma", "shared", "shared-q")
DRAWS = 32  # joint actions behind the mean of `shared-q`


@dataclass(frozen=True)
class Settings:
    env: str = "box"
    agents: int = 5  # of the grid
    iterations: int = 300
    episodes: int = 4  # played at once, for one step of the actors
    gamma: float = 0.95
    lam: float = 0.2
    actor_lr: float = 6e-3
    critic_lr: float = 1e-3
    critic_passes: int = 3  # over the episodes, before the actors move
    copy_every: int = 5  # iterations between copies of the critic to its target
    explore_until: float = 0.5  # of the iterations; epsilon falls that long

    def epsilon(self, iteration):
        return epsilon_at(iteration, iterations=self.explore_until * self.iterations)


class Learner:
    """Actors, critic, target and optimisers of one seed; `step` is one iteration."""

    def __init__(self, method, seed, settings):
        self.method, self.settings, self.iteration = method, settings, 0
        self.environment = environments.make(settings.env, settings.agents)
        self.rng = np.random.default_rng(seed)
        ad.manual_seed(seed)
        self.actors = Actors(self.environment)
        self.has_q = method != "shared"
        kind = ActionCritic if self.has_q else StateCritic
        self.critic, self.target = kind(self.environment), kind(self.environment)
        self.copy_target()
        self.actor_optimizer = ad.optim.Adam(
            self.actors.parameters(), settings.actor_lr
        )
        self.critic_optimizer = ad.optim.Adam(
            self.critic.parameters(), settings.critic_lr
        )

    def copy_target(self):
        self.target.load_state_dict(self.critic.state_dict())

    def step(self):
        """Play, fit the critic, move the actors; return the mean return."""
        s = self.settings
        epsilon = s.epsilon(self.iteration)
        batch = rollout(self.environment, self.actors, s.episodes, epsilon, self.rng)
        targets = self.targets(batch)
        self.fit_critic(batch, targets)
        advantage = self.advantage(batch, targets)
        self.move_actors(batch, advantage)
        self.iteration += 1
        if self.iteration % s.copy_every == 0:
            self.copy_target()
        return batch["rewards"].sum(0).mean()

    def targets(self, batch):
        """Return TD(lambda) targets: (T, B, agents) for Q, (T, B) for V."""
        with ad.no_grad():
            values = self.target(self.target.inputs(batch)).numpy()
        rewards, s = batch["rewards"], self.settings
        if self.has_q:
            values, rewards = taken(values, batch["actions"]), rewards[..., None]
        return td_lambda(rewards, values, s.gamma, s.lam)

    def fit_critic(self, batch, targets):
        """Go over the steps of the episodes, in an order drawn anew each time."""
        rows, actions = self.critic.inputs(batch), batch["actions"]
        chosen = one_hot(actions, self.environment.n_actions)
        for _ in range(self.settings.critic_passes):
            for t in self.rng.permutation(len(rows)):
                values = self.critic(rows[t])
                if self.has_q:  # only what was done has a target
                    values = (values * chosen[t]).sum(-1)
                self.critic_optimizer.zero_grad()
                ((values - targets[t]) ** 2).mean().backward()
                ad.nn.utils.clip_grad_norm_(self.critic.parameters(), 10.0)
                self.critic_optimizer.step()

    def advantage(self, batch, targets):
        """Return what each action was worth to the team (T, B, agents)."""
        with ad.no_grad():
            values = self.critic(self.critic.inputs(batch)).numpy()
        policy = batch["policy"].detach().numpy()
        if self.method == "coma":
            return counterfactual_advantage(values, policy, batch["actions"])
        if self.method == "shared":
            shared = targets - values
        else:
            usual = self.usual_value(batch, policy)
            shared = taken(values, batch["actions"]).mean(-1) - usual
        return np.broadcast_to(shared[..., None], batch["actions"].shape)

    def usual_value(self, batch, policy):
        """Return the mean of Q over joint actions drawn anew (T, B), about V."""
        total = 0.0
        for _ in range(DRAWS):
            drawn = {**batch, "actions": sample(policy, self.rng)}
            with ad.no_grad():
                q = self.critic(self.critic.inputs(drawn)).numpy()
            total = total + (policy * q).sum(-1).mean(-1)
        return total / DRAWS

    def move_actors(self, batch, advantage):
        chosen = np.arange(self.environment.n_actions) == batch["actions"][..., None]
        log_taken = ad.log((batch["policy"] * chosen.astype(float)).sum(-1))
        self.actor_optimizer.zero_grad()
        (-(log_taken * advantage).mean()).backward()
        ad.nn.utils.clip_grad_norm_(self.actors.parameters(), 10.0)
        self.actor_optimizer.step()

    def evaluate(self, n=256, seed=12345):
        """Return the mean return of fresh episodes without exploration."""
        with ad.no_grad():
            batch = rollout(
                environments.make(self.settings.env, self.settings.agents),
                self.actors,
                n,
                0.0,
                np.random.default_rng(seed),
            )
        return batch["rewards"].sum(0).mean()

    # ---- Checkpoints -----------------------------------------------------------------

    def _parts(self):
        modules = {"actors": self.actors, "critic": self.critic, "target": self.target}
        optimizers = {"actor": self.actor_optimizer, "critic": self.critic_optimizer}
        return modules, optimizers

    def state(self):
        """Return everything that the next step depends on, as arrays by name."""
        modules, optimizers = self._parts()
        arrays = {
            "iteration": np.array(self.iteration),
            "rng": np.array(json.dumps(self.rng.bit_generator.state)),
        }
        for name, module in modules.items():
            for key, value in module.state_dict().items():
                arrays[f"{name}/{key}"] = value.numpy().copy()
        for name, optimizer in optimizers.items():
            saved = optimizer.state_dict()
            arrays[f"optimizer/{name}/steps"] = saved["steps"][0]
            for i, array in enumerate(saved["state"][0]):
                arrays[f"optimizer/{name}/{i}"] = array
        return arrays

    def load(self, arrays):
        """Go back to a state that `state` returned."""
        modules, optimizers = self._parts()
        for name, module in modules.items():
            module.load_state_dict(_below(arrays, name))
        for name, optimizer in optimizers.items():
            own, saved = _below(arrays, f"optimizer/{name}"), optimizer.state_dict()
            saved["steps"] = [own["steps"]]
            saved["state"] = [[own[str(i)] for i in range(len(saved["state"][0]))]]
            optimizer.load_state_dict(saved)
        self.rng.bit_generator.state = json.loads(str(arrays["rng"]))
        self.iteration = int(arrays["iteration"])


def _below(arrays, name):
    """Return the entries ``name/key``, under key."""
    return {
        key[len(name) + 1 :]: value
        for key, value in arrays.items()
        if key.startswith(name + "/")
    }


class Store:
    """A .npz with the results so far and the run under way; no file if path is None."""

    def __init__(self, path, settings):
        self.path, self.text = path and Path(path), json.dumps(asdict(settings))
        self.arrays = {"settings": np.array(self.text)}
        if self.path and self.path.exists():
            with np.load(self.path) as saved:
                self.arrays = dict(saved)
            if str(self.arrays["settings"]) != self.text:
                raise SystemExit(
                    f"{path} holds a run with other settings: "
                    f"{self.arrays['settings']}, not {self.text}; name another file"
                )

    def put(self, name, arrays):
        """Replace what is below a name; the file is whole at every moment."""
        kept = {k: v for k, v in self.arrays.items() if not k.startswith(name + "/")}
        self.arrays = {**kept, **{f"{name}/{k}": v for k, v in arrays.items()}}
        if self.path:
            partial = self.path.with_suffix(".partial.npz")
            np.savez(partial, **self.arrays)
            partial.replace(self.path)

    def get(self, name):
        return _below(self.arrays, name)


def train(method, seed, settings, store, *, save_every=50, progress=None):
    """Return the returns by iteration, and the one at the end, of one seed."""
    name = f"{method}-{seed}"
    done = store.get(f"done/{name}")
    if done:
        return done["returns"], float(done["final"])
    learner, returns, begun = Learner(method, seed, settings), [], store.get(name)
    if begun:
        learner.load(begun)
        returns = list(begun["returns"])
    while learner.iteration < settings.iterations:
        returns.append(learner.step())
        if store.path and learner.iteration % save_every == 0:
            store.put(name, {**learner.state(), "returns": np.array(returns)})
        if progress and learner.iteration % 10 == 0:
            progress(f"{name} {learner.iteration}/{settings.iterations}", returns)
    final = learner.evaluate()
    store.put(name, {})
    store.put(f"done/{name}", {"returns": np.array(returns), "final": final})
    return np.array(returns), final


def show_progress(where, returns):
    recent = np.mean(returns[-10:])
    print(f"\r{where}  return {recent:6.2f}  ", end="", file=sys.stderr, flush=True)


def _option(name):
    return "--" + name.replace("_", "-")


def main(arguments=None):
    """Train, print the table, write the curves."""
    parser = argparse.ArgumentParser(prog="coma.train", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=10, metavar="N")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--method", choices=METHODS, help="one only (default: all)")
    parser.add_argument("--resume", metavar="FILE", help="checkpoint, made if missing")
    parser.add_argument("--progress", action="store_true")
    parser.add_argument("--svg", metavar="FILE", help="write the learning curves")
    choices = {"env": ("box", "grid"), "agents": (3, 4, 5)}
    for name, value in asdict(Settings()).items():
        parser.add_argument(
            _option(name), type=type(value), default=value, choices=choices.get(name)
        )
    given = vars(parser.parse_args(arguments))
    for name in ("seeds", "iterations", "episodes", "critic_passes", "copy_every"):
        if given[name] < 1:
            parser.error(f"{_option(name)} must be at least 1, got {given[name]}")
    settings = Settings(**{name: given[name] for name in asdict(Settings())})
    store, began = Store(given["resume"], settings), time.perf_counter()
    results = {}
    for method in [given["method"]] if given["method"] else METHODS:
        runs = [
            train(
                method,
                seed,
                settings,
                store,
                progress=show_progress if given["progress"] else None,
            )
            for seed in range(given["first_seed"], given["first_seed"] + given["seeds"])
        ]
        results[method] = [np.array(column) for column in zip(*runs, strict=True)]
    if given["progress"]:
        print(f"\r{time.perf_counter() - began:.0f} s".ljust(60), file=sys.stderr)
    print(report.table(settings.env, results))
    if given["svg"]:
        curves = {method: returns for method, (returns, _) in results.items()}
        Path(given["svg"]).write_text(report.svg(settings.env, curves))


if __name__ == "__main__":
    main()
