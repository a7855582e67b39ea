"""How the routes of the read model say what they answer."""

from typing import Any

from observatory.edge.access import Access, RouteRule
from observatory.edge.http import RULE


def answers(contract: str | None) -> dict[str, Any]:
    return {RULE: RouteRule(access=Access.READ, answers={200: contract})}
