"""Bodies that a route understands, from the API's own description."""

from typing import Any

from fastapi import FastAPI

MOST_DEEP = 6


class Examples:
    def __init__(self, app: FastAPI) -> None:
        told = app.openapi()
        self._schemas = told["components"]["schemas"]
        self._bodies = {
            operation["operationId"]: operation.get("requestBody", {})
            for path in told["paths"].values()
            for operation in path.values()
        }

    def body(self, name: str) -> Any:
        """None for a route that takes none."""
        content = self._bodies.get(name, {}).get("content", {}).get("application/json")
        return None if content is None else self._example(content["schema"], MOST_DEEP)

    def _example(self, schema: Any, deep: int) -> Any:
        if "$ref" in schema:
            return self._example(self._schemas[schema["$ref"].rsplit("/", 1)[1]], deep)
        for told in ("examples", "enum"):
            if schema.get(told):
                return schema[told][0]
        for told in ("default", "const"):
            if told in schema:
                return schema[told]
        if options := schema.get("anyOf") or schema.get("allOf") or schema.get("oneOf"):
            return self._example(options[0], deep - 1)
        return self._made(schema, deep)

    def _made(self, schema: Any, deep: int) -> Any:
        if schema.get("type") == "object" and deep:
            known = schema.get("properties", {})
            return {
                name: self._example(known[name], deep - 1) for name in schema.get("required", ())
            }
        if schema.get("type") == "array":
            least = range(schema.get("minItems", 0))
            return [self._example(schema["items"], deep - 1) for _ in least]
        return {"string": "word", "integer": 1, "number": 1, "boolean": True}.get(
            schema.get("type")
        )
