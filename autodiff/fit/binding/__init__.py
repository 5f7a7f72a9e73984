"""What names of a formula are, where parameters come from, which rows are used."""
