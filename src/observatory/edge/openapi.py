"""The OpenAPI document: paths and parameters from the framework, bodies from the contracts."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from observatory.contracts.catalog import schema, schema_id, schemas_by_id
from observatory.contracts.wire import PROBLEM_MEDIA_TYPE
from observatory.core.job import JsonObject
from observatory.edge.access import Access, RouteRule

Operation = tuple[str, str]
"""Path template and lower-case method."""

_EVERYWHERE: Final = (400, 403, 404, 405, 421, 500)
"""Statuses that the door or the framework may answer on every route."""

_NOT_IN_OPENAPI: Final = frozenset({"$schema", "$id", "$defs"})
_HEADERS: Final = {
    "X-Correlation-Id": (
        "Names this call in logs and events; drawn when absent.",
        {"type": "string", "format": "uuid"},
    ),
    "Idempotency-Key": (
        "The same key with the same body gives the first job again instead of a second one.",
        {"type": "string", "pattern": "^[A-Za-z0-9._:/-]{1,128}$"},
    ),
    "Last-Event-ID": (
        "The last position that an earlier stream told; wins over `after`.",
        {"type": "string", "pattern": "^[0-9]{1,16}$"},
    ),
    "traceparent": ("W3C Trace Context; taken in when it is well formed.", {"type": "string"}),
}
_PROBLEM: Final = "problem"


def completed(document: JsonObject, rules: Mapping[Operation, RouteRule]) -> JsonObject:
    """
    *document*, as the framework generates it, with bodies, answers and access as *rules* say.

    Equal arguments give an equal result, in sorted order.
    """
    used: set[str] = {_PROBLEM}
    paths: dict[str, dict[str, Any]] = {path: dict(item) for path, item in document.get("paths", {}).items()}
    for (path, method), rule in rules.items():
        operation = dict(paths.setdefault(path, {}).get(method) or {})
        if method.upper() in rule.operations:
            operation["operationId"], operation["summary"] = rule.operations[method.upper()]
        if "description" in operation:  # a docstring of one sentence says more than the name of the function
            operation["summary"] = operation.pop("description").rstrip(".")
        operation["parameters"] = [*operation.get("parameters", []), *_header_parameters(rule)]
        operation["responses"] = {
            str(status): _answer(status, name, rule.answer_media_type) for status, name in sorted(rule.answers.items())
        }
        operation["responses"] |= {str(status): _refusal(status) for status in _refusals(rule)}
        if rule.body is not None:
            content = {media: {"schema": _reference(rule.body)} for media in rule.body_media_types}
            operation["requestBody"] = {"required": True, "content": content}
        if rule.access is not Access.OPEN:
            operation["security"] = [{"bearer": []}] if rule.access is Access.WRITE else [{}, {"bearer": []}]
        used |= {name for name in (*rule.answers.values(), rule.body) if name is not None}
        paths[path][method] = operation
    contracts = _components(used)
    components = {
        "schemas": contracts | _still_needed(document, paths, contracts),
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
    }
    return _sorted({"openapi": "3.1.0", "info": document["info"], "paths": paths, "components": components})


def _header_parameters(rule: RouteRule) -> list[JsonObject]:
    return [
        {"name": name, "in": "header", "required": False, "description": _HEADERS[name][0], "schema": _HEADERS[name][1]}
        for name in ("X-Correlation-Id", *rule.headers)
    ]


def _answer(status: int, name: str | None, media_type: str) -> JsonObject:
    described: JsonObject = {"description": HTTPStatus(status).phrase}
    if name is not None:
        described["content"] = {media_type: {"schema": _reference(name)}}
    return described


def _refusals(rule: RouteRule) -> list[int]:
    of_access = {Access.OPEN: (), Access.READ: (401, 503), Access.WRITE: (401, 503)}[rule.access]
    of_body = () if rule.body is None else (408, 413, 415)
    found = {*_EVERYWHERE, *of_access, *of_body, *rule.problems}
    return sorted(found - set(rule.answers))


def _refusal(status: int) -> JsonObject:
    content = {PROBLEM_MEDIA_TYPE: {"schema": _reference(_PROBLEM)}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _reference(name: str) -> JsonObject:
    if name.endswith("[]"):
        return {"type": "array", "items": _reference(name.removesuffix("[]"))}
    return {"$ref": f"#/components/schemas/{name}"}


# --- contracts as components --------------------------------------------------------------------


def _components(names: set[str]) -> JsonObject:
    """The named contracts and everything they refer to, each definition a component of its own."""
    waiting = [name.removesuffix("[]") for name in names]
    done: JsonObject = {}
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        document = schema(name)
        done[name] = _rewritten({key: value for key, value in document.items() if key not in _NOT_IN_OPENAPI}, name)
        for definition, body in document.get("$defs", {}).items():
            done[f"{name}.{definition}"] = _rewritten(body, name)
        waiting += [_name_of(urn) for urn in _references(document) if not urn.startswith("#")]
    return done


def _still_needed(document: JsonObject, paths: JsonObject, contracts: JsonObject) -> JsonObject:
    """Schemas of the framework that parameters refer to."""
    own: JsonObject = document.get("components", {}).get("schemas", {})
    named = {reference.rpartition("/")[2] for reference in _references(paths)}
    return {name: own[name] for name in sorted(named - set(contracts))}


def _rewritten(node: Any, name: str) -> Any:
    if isinstance(node, list):
        return [_rewritten(item, name) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    node = cast("JsonObject", node)
    changed = {key: _rewritten(value, name) for key, value in node.items()}
    target = changed.get("$ref")
    if isinstance(target, str):
        inside = target.startswith("#/$defs/")
        changed["$ref"] = "#/components/schemas/" + (
            f"{name}.{target.removeprefix('#/$defs/')}" if inside else _name_of(target)
        )
    items_schema = changed.pop("x-items-schema", None)
    if items_schema is not None:
        changed["items"] = {"$ref": f"#/components/schemas/{_name_of(items_schema)}"}
    return changed


def _references(node: Any) -> Iterator[str]:
    """Every reference in *node*, at any depth."""
    if isinstance(node, list):
        for item in cast("list[Any]", node):
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in cast("JsonObject", node).items():
            if key in {"$ref", "x-items-schema"} and isinstance(value, str):
                yield value
            else:
                yield from _references(value)


def _name_of(urn: str) -> str:
    name = urn.split(":")[-2]
    assert urn in schemas_by_id(), f"no contract {urn}"
    assert urn == schema_id(name), f"{urn} is not the newest {name}"
    return name


def _sorted(node: Any) -> Any:
    if isinstance(node, dict):
        members = cast("JsonObject", node)
        return {key: _sorted(members[key]) for key in sorted(members)}
    return [_sorted(item) for item in cast("list[Any]", node)] if isinstance(node, list) else node
