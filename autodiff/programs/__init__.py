"""Functions as programs: compile, vmap, and what they stand on.

recording.py   a Python function, recorded at a point
paths.py       the programs of one function, by how its choices came out
derived.py     a function of leaves through its programs: run, differentiated, tracked
rows.py        the same over many rows
compiled.py    compile
vmapped.py     vmap
listing.py     a program as text, and as a graph
export_c.py    a program as C
c_helpers.py   the C functions that it needs
"""
