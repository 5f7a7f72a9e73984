"""Functions as programs: compile, vmap, loops, and what they stand on.

recording.py           a Python function, recorded at a point
paths.py               the programs of one function, by how its choices came out
path_text.py           these choices, to look at
derived.py             a function of leaves through its programs: run, derived, tracked
rows.py                the same over many rows
derivatives.py         gradients, Jacobians and their like of a compiled function
sparse_derivatives.py  the same as sparse matrices
nan_report.py          where a NaN of a program came from
arguments.py           what compile and vmap make of arguments, and out=
compiled.py            compile
saved.py               compiled functions as files and pickles
vmapped.py             vmap, map
loops.py               scan, fori_loop, while_loop
listing.py             a program as text, and as a graph
export_c.py            a program as C
c_helpers.py           the C functions that it needs
"""
