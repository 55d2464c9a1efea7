"""What DECLARE, FETCH, MOVE and CLOSE are planned as; the query keeps its place in the text."""

from planner import parse
from planner.plan import Dialect


def test_the_query_of_a_cursor_keeps_its_place_in_the_text() -> None:
    text = 'SELECT 1; DECLARE "für" CURSOR FOR SELECT a FROM shop.orders'
    query = parse(text, Dialect.POSTGRES)[1].query
    assert query is not None
    assert text[query.offset :] == query.text == "SELECT a FROM shop.orders"
    (reference,) = query.references
    assert reference.position == text.index("shop.orders") + 1


def test_only_a_fetch_gives_rows() -> None:
    fetch, move = parse("FETCH 2 FROM c; MOVE 2 FROM c", Dialect.POSTGRES)
    assert (fetch.fetches, move.fetches) == ("c", None)
