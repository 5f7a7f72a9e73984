"""A result written: for people, for programs, as pictures."""
