"""Chaos: a gateway under load while its parts are killed at random.

Owns: the clients, each of which knows the right answers (`clients`), the saboteur (`saboteur`), and the storm that
brings them together and judges (`storm`).

What must hold: every statement ends, with the right answer or an error that tells a client to try again; a write that
was acknowledged is there once, one that failed is not, one in doubt at most once; nothing is left behind; both lanes
answer again. Each kind of blow is dealt, and recovered from.

`make test` has two minutes of it, ``python -m tests.chaos`` (`make soak`) half an hour.
"""
