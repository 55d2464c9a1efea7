"""Measurements: what Lakegate costs, beside a peer on the same machine in the same run.

Owns: the laboratory (servers and tables that are compared), the comparison of interleaved rounds, the report.

Layers: ``__main__`` runs suites, each a module with one function from `Laboratory` to `Measurement`s; `compare`
interleaves rounds and forms medians and ratios; `laboratory` starts servers; `report` writes JSON, a table and a plot.

Never: asserts anything (a number is judged by its reader, or by a test named in README.md), compares numbers of
different runs, measures A wholly before B.

References: README.md beside this file lists what is promised, with which number, by which command.
"""
