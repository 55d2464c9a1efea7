"""A fleet of simulated machines under a simulated day's demand: the same Fleet code, another clock.

Owns: the demand (`workload`), the `hardware`, what its machines (`world`, in the order of its `calendar`) and its
`nodes` do, what is kept of it (`record`), the fleet that is simulated (`fleet`), its `plots` and `pages`, and the `day`
that is reported. Beside these what `decisions` cost in a fleet of one size.

Never: asserts anything; lets real time decide: two runs of one seed differ in the measured cost of decisions alone.
"""
