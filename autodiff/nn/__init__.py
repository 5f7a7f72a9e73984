"""Neural networks: functions, and modules that keep their parameters."""
