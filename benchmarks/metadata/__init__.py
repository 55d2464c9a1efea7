"""Ten thousand tables in a gateway's metastore and in PostgreSQL itself, and what tools ask of either.

`estate` makes both, `traffic` collects the statements, `work` counts processor time; the suite that compares them is
`benchmarks.suites.metadata`.
"""
