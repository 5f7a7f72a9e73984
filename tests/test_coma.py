"""Counterfactual policy gradients: what is claimed, where one can enumerate."""

import importlib
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import autodiff as ad

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def coma():
    """Return the modules of examples/coma, found as its scripts find them."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        names = "agents continuous critic environments report train".split()
        found = {name: importlib.import_module(f"coma.{name}") for name in names}
    finally:
        sys.path.remove(str(EXAMPLES))
    return SimpleNamespace(**found)


def game(seed=0, n_agents=2, n_actions=3):
    """Return logits (agents, actions) and values (actions, ...) of a one-step game."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_agents, n_actions)), rng.normal(
        size=(n_actions,) * n_agents
    )


def q_rows(values, joint):
    """Return (agents, actions): the values of the alternatives of each agent."""
    rows = []
    for agent in range(len(joint)):
        index = list(joint)
        index[agent] = slice(None)
        rows.append(values[tuple(index)])
    return np.array(rows)


def policy_of(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def expected_gradient(logits, weight):
    """Return E[sum over a of weight_a grad log pi_a(u_a)], by going over every u."""
    leaf = ad.tensor(logits, requires_grad=True)
    policy, log_policy = policy_of(logits), ad.log_softmax(leaf, -1)
    n_agents, n_actions = logits.shape
    total = 0.0
    for joint in itertools.product(range(n_actions), repeat=n_agents):
        chance = np.prod([policy[a, u] for a, u in enumerate(joint)])
        for agent, action in enumerate(joint):
            score = log_policy[agent, action]
            total = total + chance * weight(joint)[agent] * score
    total.backward()
    return leaf.grad.numpy()


def test_the_baseline_does_not_change_the_expected_gradient(coma):
    for n_agents in (2, 3):
        logits, values = game(1, n_agents)
        policy = policy_of(logits)

        def advantage(joint, values=values, policy=policy):
            rows = q_rows(values, joint)
            return coma.critic.counterfactual_advantage(rows, policy, np.array(joint))

        def plain(joint, values=values, n=n_agents):
            return np.full(n, values[joint])

        with_baseline = expected_gradient(logits, advantage)
        np.testing.assert_allclose(
            with_baseline, expected_gradient(logits, plain), rtol=0, atol=1e-14
        )
        assert abs(with_baseline).max() > 0.01


def test_the_baseline_makes_the_gradient_vary_less(coma):
    logits, values = game(1, 3)
    values, policy = values + 5.0, policy_of(logits)
    spread = {"with": 0.0, "without": 0.0}
    for joint in itertools.product(range(3), repeat=3):
        chance = np.prod([policy[a, u] for a, u in enumerate(joint)])
        score = np.eye(3)[list(joint)] - policy
        rows = q_rows(values, joint)
        a = coma.critic.counterfactual_advantage(rows, policy, np.array(joint))
        spread["with"] += chance * ((a[:, None] * score) ** 2).sum()
        spread["without"] += chance * ((values[joint] * score) ** 2).sum()
    assert spread["with"] < 0.2 * spread["without"]


def test_the_advantage_equals_a_brute_force_computation(coma):
    rng = np.random.default_rng(2)
    q = rng.normal(size=(4, 5, 3, 6))
    policy = policy_of(rng.normal(size=q.shape))
    actions = rng.integers(6, size=q.shape[:3])
    found = coma.critic.counterfactual_advantage(q, policy, actions)
    for where in np.ndindex(*actions.shape):
        alternatives = sum(policy[where][u] * q[where][u] for u in range(6))
        expected = q[where][actions[where]] - alternatives
        assert found[where] == pytest.approx(expected, abs=1e-14)


def test_the_advantage_is_0_on_average_over_an_agents_own_actions(coma):
    rng = np.random.default_rng(3)
    q, policy = rng.normal(size=4), policy_of(rng.normal(size=4))
    each = coma.critic.counterfactual_advantage(
        np.tile(q, (4, 1)), np.tile(policy, (4, 1)), np.arange(4)
    )
    assert policy @ each == pytest.approx(0.0, abs=1e-15)


def test_the_idle_robot_has_a_negative_advantage_and_the_pushing_one_a_positive(coma):
    box = coma.environments.PushBox
    joint = np.array([box.actions.index("push"), box.actions.index("stay")])
    rows = np.empty((2, box.n_actions))
    for agent, action in np.ndindex(*rows.shape):
        changed = joint.copy()
        changed[agent] = action
        rows[agent, action] = box.expected_reward(np.zeros((1, 2)), changed[None])[0]
    policy = np.full(rows.shape, 1 / box.n_actions)
    pushing, idle = coma.critic.counterfactual_advantage(rows, policy, joint)
    assert idle < 0 < pushing
    # One advantage for both would pay the idle one: the team got more than usual.
    grid = np.array(list(np.ndindex(box.n_actions, box.n_actions)))
    usual = box.expected_reward(np.zeros((len(grid), 2)), grid).mean()
    assert rows[1, joint[1]] - usual > 0


def test_td_lambda_is_the_weighted_mean_of_n_step_returns(coma):
    rng = np.random.default_rng(4)
    rewards, values, gamma = rng.normal(size=(6, 2)), rng.normal(size=(6, 2)), 0.9
    for lam in (0.0, 0.3, 0.8, 1.0):
        found = coma.critic.td_lambda(rewards, values, gamma, lam)
        for t in range(6):
            left, expected = 6 - t, 0.0
            for n in range(1, left + 1):
                ret = sum(gamma**k * rewards[t + k] for k in range(n))
                if n < left:
                    ret = ret + gamma**n * values[t + n]
                weight = (1 - lam) * lam ** (n - 1) if n < left else lam ** (left - 1)
                expected = expected + weight * ret
            np.testing.assert_allclose(found[t], expected, atol=1e-13)


def test_the_critic_does_not_see_the_action_it_is_asked_about(coma):
    env, rng = coma.environments.make("grid", 3), np.random.default_rng(5)
    actors = coma.agents.Actors(env)
    batch = coma.agents.rollout(env, actors, 4, 0.5, rng)
    before = coma.critic.counterfactual_inputs(batch, env.n_actions)
    batch["actions"][:, :, 1] = (batch["actions"][:, :, 1] + 1) % env.n_actions
    after = coma.critic.counterfactual_inputs(batch, env.n_actions)
    assert (before[:, :, 1] == after[:, :, 1]).all()
    assert (before[:, :, 0] != after[:, :, 0]).any(-1).all()


def test_an_untrained_critic_credits_nobody_and_a_fitted_one_who_earned_it(coma):
    learner = coma.train.Learner("coma", 0, coma.train.Settings(episodes=16))
    env, push = learner.environment, 3
    batch = coma.agents.rollout(env, learner.actors, 16, 0.5, learner.rng)
    targets = learner.targets(batch)
    assert (learner.advantage(batch, targets) == 0).all()
    for _ in range(30):
        batch = coma.agents.rollout(env, learner.actors, 16, 0.5, learner.rng)
        learner.fit_critic(batch, learner.targets(batch))
    beside = batch["observations"][..., 0] == 1
    advantage = learner.advantage(batch, learner.targets(batch))
    pushes = batch["actions"] == push
    assert advantage[beside & pushes].mean() > 0.1
    assert advantage[beside & ~pushes].mean() < -0.02


def test_every_action_keeps_its_share_under_exploration(coma):
    policy = coma.agents.explore(ad.tensor([[50.0, 0.0, 0.0, 0.0]]), 0.2).numpy()
    np.testing.assert_allclose(policy, [[0.85, 0.05, 0.05, 0.05]], atol=1e-12)
    assert [coma.agents.epsilon_at(i, 0.5, 0.1, 10) for i in (0, 5, 10, 99)] == (
        pytest.approx([0.5, 0.3, 0.1, 0.1])
    )


def test_actions_are_drawn_with_their_probabilities(coma):
    rows = np.tile([0.2, 0.0, 0.5, 0.3], (40_000, 1))
    drawn = coma.agents.sample(rows, np.random.default_rng(6))
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(shares, rows[0], atol=0.01)
    assert shares[1] == 0


def test_an_actor_is_moved_by_what_it_saw_earlier(coma):
    env = coma.environments.make("box")
    actors = coma.agents.Actors(env)
    first = ad.zeros(2, actors.see.in_features, requires_grad=True)
    _, memory = actors(first)
    logits, _ = actors(ad.zeros(2, actors.see.in_features), memory)
    logits[0, 0].backward()
    assert abs(first.grad[0].numpy()).max() > 0
    assert (first.grad[1].numpy() == 0).all()


def test_one_robot_moves_the_box_half_the_time_and_two_always(coma):
    env = coma.environments.make("box")
    env.reset(20_000, np.random.default_rng(7))
    env.gap[:] = 0
    np.testing.assert_allclose(env.step(np.full((20_000, 2), 3)), 0.96)
    assert (env.gap == 0).all()
    moved = env.step(np.tile([3, 0], (20_000, 1))) > 0
    assert moved.mean() == pytest.approx(0.5, abs=0.02)
    assert (env.gap[:, 0] == 0).all()
    assert (env.gap[:, 1] == moved).all()  # the idle one is left behind


def test_one_agent_lifts_a_crate_half_the_time_and_two_always(coma):
    env, n = coma.environments.make("grid", 3), 20_000
    env.reset(n, np.random.default_rng(8))
    env.n_crates = 1
    lifts = {}
    for hands, places in enumerate(
        ([[2, 1], [4, 4], [0, 0]], [[2, 2], [2, 1], [0, 0]], [[2, 2], [2, 2], [0, 0]])
    ):
        env.crates[:] = 0
        env.crates[:, 2, 2] = 1
        env.at[:] = places
        lifted = env.step(np.zeros((n, 3), dtype=int))
        assert (env.crates[lifted == 0, 2, 2] == 1).all()
        assert (env.crates.sum((1, 2)) == 1).all()  # another one appears
        lifts[hands] = lifted.mean()
    assert lifts == {0: 0.0, 1: pytest.approx(0.5, abs=0.02), 2: 1.0}


def test_the_critic_sees_where_everybody_and_every_crate_is(coma):
    env = coma.environments.make("grid", 3)
    env.reset(5, np.random.default_rng(12))
    places = (env.state()[:, :-1] + 0.5).reshape(5, -1, 2) * (env.size - 1)
    assert (places[:, :3] == env.at).all()
    for episode, row, column in np.argwhere(env.crates):
        assert [row, column] in places[episode, 3:].tolist()
    assert len(places[0]) == env.n_agents + env.n_crates


def test_running_into_a_wall_costs_and_does_not_move(coma):
    env = coma.environments.make("grid", 3)
    env.reset(1, np.random.default_rng(9))
    env.crates[:], env.n_crates = 0, 0
    env.at[0] = [[0, 2], [2, 2], [4, 4]]
    assert env.step(np.array([[1, 2, 4]])) == pytest.approx(-2 * env.BUMP)
    assert env.at[0].tolist() == [[0, 2], [3, 2], [4, 4]]


def test_an_agent_sees_the_cells_around_it_and_no_further(coma):
    env = coma.environments.make("grid", 3)
    env.reset(1, np.random.default_rng(10))
    env.at[0] = [[0, 0], [1, 1], [4, 4]]
    env.crates[:] = 0
    env.crates[0, 0, 1] = env.crates[0, 3, 3] = 1
    seen = env.observe()[0]
    assert seen[0, :9].tolist() == [-1, -1, -1, -1, 0, 1, -1, 0, 0]
    assert seen[0, 9:18].tolist() == [-1, -1, -1, -1, 0, 0, -1, 0, 1]
    near = seen[0].copy()
    env.crates[0, 3, 3], env.crates[0, 3, 0] = 0, 1
    assert (env.observe()[0, 0] == near).all()


def test_the_grid_says_how_many_agents_it_takes(coma):
    with pytest.raises(ValueError, match="3 to 5 agents, got 2"):
        coma.environments.make("grid", 2)


@pytest.mark.parametrize("method", ["coma", "shared", "shared-q"])
def test_a_resumed_run_gives_the_numbers_of_one_that_ran_through(
    coma, tmp_path, method
):
    train = coma.train
    settings = train.Settings(iterations=8, episodes=4)
    through = train.train(method, 3, settings, train.Store(None, settings))

    path = tmp_path / "run.npz"
    whole = train.Learner.step
    with pytest.MonkeyPatch.context() as patch:
        steps = iter([whole] * 5)

        def step(self):
            return next(steps)(self)

        patch.setattr(train.Learner, "step", step)
        with pytest.raises(StopIteration):
            train.train(method, 3, settings, train.Store(path, settings), save_every=2)
    resumed = train.train(method, 3, settings, train.Store(path, settings))
    assert (resumed[0] == through[0]).all()
    assert resumed[1] == through[1]
    again = train.train(method, 3, settings, train.Store(path, settings))
    assert (again[0] == through[0]).all()


def test_a_checkpoint_of_other_settings_is_refused(coma, tmp_path):
    train, path = coma.train, tmp_path / "run.npz"
    settings = train.Settings(iterations=1, episodes=2)
    train.train("coma", 0, settings, train.Store(path, settings))
    with pytest.raises(SystemExit, match="other settings"):
        train.Store(path, train.Settings(iterations=2, episodes=2))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--episodes 0", "--episodes must be at least 1"),
        ("--copy-every 0", "--copy-every must be at least 1"),
        ("--iterations 0", "--iterations must be at least 1"),
        ("--seeds 0", "--seeds must be at least 1"),
        ("--env grid --agents 7", "--agents: invalid choice: 7"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(coma, capsys, given, message):
    with pytest.raises(SystemExit) as caught:
        coma.train.main(given.split())
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_report_has_students_intervals_and_a_picture(coma):
    report = coma.report
    assert report.t_quantile(9) == pytest.approx(2.262157, abs=5e-4)
    mean, half = report.interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (mean, half) == (3.0, pytest.approx(1.9632, abs=5e-3))
    picture = report.svg("box", {"coma": np.random.default_rng(0).random((3, 20))})
    assert picture.startswith("<svg")
    assert picture.count("<polyline") == 1


def test_the_monte_carlo_baseline_tends_to_the_integral(coma):
    mean, spread = np.array([0.3, 0.5, 0.1]), np.array([0.2, 0.3, 0.4])
    rng = np.random.default_rng(11)
    forces = mean + spread * rng.normal(size=(4, 3))
    reward, c = coma.continuous.reward, coma.continuous
    found = c.counterfactual_advantage(reward, forces, mean, spread, rng, m=200_000)
    for agent in range(3):
        # The mean of -(u + rest - WANTED)^2 - COST (u^2 + others^2), u normal.
        rest = forces.sum(1) - forces[:, agent]
        others = (forces**2).sum(1) - forces[:, agent] ** 2
        variance = spread[agent] ** 2
        inside = -((mean[agent] + rest - c.WANTED) ** 2) - variance
        effort = c.COST * (mean[agent] ** 2 + variance + others)
        expected = reward(forces) - (inside - effort)
        np.testing.assert_allclose(found[:, agent], expected, atol=0.01)


def test_robots_with_continuous_forces_find_the_best_ones(coma):
    forces, rewards = coma.continuous.train()
    np.testing.assert_allclose(forces, coma.continuous.best_force(3), atol=0.05)
    assert rewards[-1] > rewards[0]


def test_the_example_prints_who_earned_it():
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "20_credit_assignment.py")],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"},
    )
    assert done.returncode == 0, done.stderr
    shared, pushing, idle, returns, forces = (
        [float(n) for n in re.findall(r"[+-]?\d+\.\d+", line)]
        for line in done.stdout.splitlines()
    )
    assert (shared, pushing, idle) == ([0.26], [0.37], [-0.11])
    untrained, trained = returns
    assert trained > untrained + 2
    assert forces == pytest.approx([0.57] * 4, abs=0.05)
