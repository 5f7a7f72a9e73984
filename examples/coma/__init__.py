"""Counterfactual multi-agent policy gradients (COMA), small enough to read.

J. Foerster et al., "Counterfactual multi-agent policy gradients", AAAI 2018. Agents are
paid together; what did *one* of them contribute? COMA asks a central critic what the
team would have had, had this agent acted otherwise and the others the same.

    environments.py   two robots and a box; agents on a grid of crates
    agents.py         what runs in each agent: a recurrent policy that sees its own view
    critic.py         what is needed in training only: Q, its targets, the advantages
    train.py          the loop, checkpoints, the command line
    report.py         means with confidence intervals, and the curves as a picture
    continuous.py     the same for actions that are numbers, by a Monte Carlo baseline
"""
