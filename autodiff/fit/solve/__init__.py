"""From a problem to a minimum with a verdict."""
