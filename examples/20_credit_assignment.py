"""Who earned it? Counterfactual credit for agents that are paid together (COMA).

    python examples/20_credit_assignment.py

Two robots stand at a box. One pushes and moves it half the time, the other is idle;
both are paid. The package beside this file, `coma/`, has the environments, the agents,
the critic and the loop; here is the idea, and a short training.
"""

import numpy as np
from coma import continuous
from coma.critic import counterfactual_advantage
from coma.environments import PushBox
from coma.train import Learner, Settings

# 1. One moment, with the true values. Row a: the team's expected reward for each action
# of robot a while the other does what it did.
PUSH, STAY = PushBox.actions.index("push"), PushBox.actions.index("stay")
at_the_box, joint = np.zeros((1, 2)), np.array([PUSH, STAY])
q = np.empty((2, PushBox.n_actions))
for robot, action in np.ndindex(*q.shape):
    changed = joint.copy()
    changed[robot] = action
    q[robot, action] = PushBox.expected_reward(at_the_box, changed[None])[0]
policy = np.full(q.shape, 1 / PushBox.n_actions)

# One advantage for both: what the team got, less what it gets on average.
everything = np.array(list(np.ndindex(PushBox.n_actions, PushBox.n_actions)))
usual = PushBox.expected_reward(np.zeros((len(everything), 2)), everything).mean()
print(f"shared advantage           {q[0, PUSH] - usual:+.3f} for both: idling is paid")

# COMA: what the team got, less what it would have got on average over *this robot's*
# own actions, the other's as it was.
for name, a in zip(
    ("pushing", "idle"), counterfactual_advantage(q, policy, joint), strict=True
):
    print(f"counterfactual, {name:8}   {a:+.3f}")

# 2. The critic learns Q, the actors follow the advantage. No gradient passes between
# them: the advantage is an array of numbers.
learner = Learner("coma", 0, Settings(iterations=60))
before = learner.evaluate()
for _ in range(learner.settings.iterations):
    learner.step()
print(
    f"return of the team         {before:.2f} untrained, {learner.evaluate():.2f} after"
)

# 3. Actions that are numbers: the baseline is a mean over draws of the robot's policy.
forces, rewards = continuous.train()
print(f"forces {np.round(forces, 2)}, best {continuous.best_force(3):.2f} each")
