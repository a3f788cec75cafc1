"""`python -m api` writes schemas/openapi.json; a test holds it current."""

from pathlib import Path

import orjson

import schemas
from api.app import openapi_document

OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE

if __name__ == "__main__":
    path = Path(schemas.__file__).with_name("openapi.json")
    path.write_bytes(orjson.dumps(openapi_document(), option=OPTIONS))
