"""Functions of the spark dialect that draw at random: each gets a seed that the session draws.

Spark would take one from its clock and a counter, and machines that are clones of each other have both in common.
"""

from collections.abc import Callable, Mapping

from sqlglot import exp

_UNSEEDED: Mapping[type[exp.Expr], int] = {
    exp.Rand: 0,
    exp.Randn: 0,
    exp.Uuid: 0,
    exp.Shuffle: 1,
    exp.Randstr: 1,
    exp.Uniform: 2,
}
"""How many arguments each has without a seed, which is then the next."""


def seed_all(tree: exp.Expr, draw: Callable[[], exp.Expr]) -> None:
    """Gives each of them that has none the seed that `draw` makes. A column that has no name keeps the one it had."""
    for select in tree.find_all(exp.Select):
        named = [_named(projection) for projection in select.expressions]
        select.set("expressions", named)
    for node in reversed(list(tree.find_all(*_UNSEEDED))):
        given = [value for value in node.args.values() if value is not None]
        if len(given) == _UNSEEDED[type(node)]:
            assert isinstance(node, exp.Func), "a function"
            node.replace(exp.Anonymous(this=node.sql_names()[0], expressions=[*given, draw()]))


def _named(projection: exp.Expr) -> exp.Expr:
    if isinstance(projection, exp.Alias | exp.Aliases) or projection.find(*_UNSEEDED) is None:
        return projection
    return exp.alias_(projection, projection.sql(dialect="spark", normalize_functions="lower"), quoted=True)
