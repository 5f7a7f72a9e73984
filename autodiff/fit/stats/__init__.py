"""From a minimum to estimates, errors, intervals and checks."""
