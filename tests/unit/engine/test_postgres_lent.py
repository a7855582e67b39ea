"""How a statement is written for a connection that an application lends, and how its kind is known."""

from typing import Any

import pytest

from observatory.engine.postgres_lent import lent, pyformat


def test_parameters_keep_their_numbers_however_often_and_in_which_order_they_stand() -> None:
    assert pyformat("SELECT $2::text[], $1, $2, $10", list(range(1, 11))) == (
        "SELECT %(p2)s::text[], %(p1)s, %(p2)s, %(p10)s",
        {f"p{number}": number for number in range(1, 11)},
    )


def test_a_percent_sign_of_the_statement_stays_one() -> None:
    assert pyformat("SELECT 7 % 2, 'a%s'", []) == ("SELECT 7 %% 2, 'a%%s'", {})


def a_class(module: str, name: str, *bases: type) -> type[Any]:
    return type(name, bases, {"__module__": module})


def test_a_connection_that_is_derived_from_a_known_one_is_known() -> None:
    mine = a_class("shop.database", "TracedConnection", a_class("asyncpg.connection", "Connection"))

    assert lent(mine()).is_awaited


def test_a_class_that_only_has_the_name_of_a_known_one_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^shop\.database\.Connection is no connection that a job can be submitted in"):
        lent(a_class("shop.database", "Connection")())
