"""The formula language: text to nodes, and what is done with nodes."""
