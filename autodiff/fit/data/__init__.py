"""Tables: whatever holds the data, read as named columns."""
