"""The reference page of the HTTP API, written from the API's own description.

    python tests/http_page.py > docs/reference/http_api.md

Nothing goes in but the handlers; Markdown comes out. `test_http_page.py` fails while the page is another.
"""

import sys
from collections.abc import Iterator, Sequence

from buff_web import api
from buff_web.openapi import EVERYWHERE, document
from buff_web.problems import meanings
from buff_web.reference import Field, Operation, Shape, families, shapes

HEAD = """\
# HTTP API

What `buff serve` answers below `/api/v1`.
This page is made from the API's own description: `python tests/http_page.py > docs/reference/http_api.md`.
The server gives the same to people at `/api/docs` and to programs, as OpenAPI 3.1, at `/api/v1/openapi.json`.
[Decision 0017](../decisions/0017-http-api.md) says why it is as it is, [SECURITY.md](../../SECURITY.md) what it \
holds against.

## In general

**Times** are UTC.
In a query they are a date (`2024-01-31`), an ISO time that ends in `Z` or an offset (`2024-01-31T06:00Z`), or epoch \
milliseconds.
In answers, columns and names that end in `_ms` are epoch milliseconds, everything else is `YYYY-MM-DDTHH:MM:SSZ`; \
`created` has microseconds.

**Queries** are strict.
A name that is unknown or comes twice, or a value that cannot be, is `400 RUN_CONFIG_INVALID` with `details.field`.
An empty value is the same as none, because a plain form sends every field it has.

**Bodies** are JSON in UTF-8 with `Content-Type: application/json`, else the answer is `415`.
They are read strictly: `"3"` is no number, `0` is no truth value, and a field that is unknown or comes twice is \
refused with `details.field`.
A body above the limit of its address is `413 LIMIT_EXCEEDED` before it is read where its length says so, and \
otherwise as soon as it is.

**Changes**, which is everything but `GET`, `HEAD` and `OPTIONS`, need one of two signs.
A server that was started with `BUFF_TOKEN` takes it as `Authorization: Bearer TOKEN`, and asks for it everywhere \
but at `/api/v1/health/live`.
Without it, ask once for the mark of a page and send it back: its cookie, and its value in the header `X-CSRF-Token`.

<!-- not run: it needs a server -->
```bash
mark=$(curl -s -c cookies http://127.0.0.1:8780/api/v1/csrf | jq -r .value)
curl -b cookies -H "X-CSRF-Token: $mark" -X POST http://127.0.0.1:8780/api/v1/runs/run_0123456789abcdef/verify
```

In Python, with nothing but its standard library:

<!-- not run: it needs a server -->
```python
import json, urllib.request
from http.cookiejar import CookieJar

base = "http://127.0.0.1:8780/api/v1"
ask = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
mark = json.load(ask.open(f"{base}/csrf"))
change = urllib.request.Request(f"{base}/runs/run_0123456789abcdef/verify", method="POST")
change.add_header(mark["header"], mark["value"])
print(json.load(ask.open(change)))
```

**Caching**: an answer that is read has an `ETag`, and `If-None-Match` with it gives `304`.
The tag of an artifact is its SHA-256; any other tag is weak, because the same answer may be sent compressed.
What is read is sent as gzip to whom names it in `Accept-Encoding`; artifacts are sent as they are stored.

**Parts**: an artifact answers one `Range` of bytes with `206`, and with `416` where there are no such bytes.
`If-Range` takes its tag.
Several ranges at once are answered with the whole.

**Lists** are `{"items": […], "total": …, "next": …}`.
`next` is what the following page is asked for with, and `null` at the end.
`after` counts places, so a run committed between two pages shifts them; the `cursor` of `/runs` names the last \
run that was shown, and holds.

**Columns**: `/bars` and `/equity` answer with `application/vnd.buff.columns` where `Accept` prefers it: the same head \
and the same columns as the JSON, every column as float64, laid out to be mapped without copying a number.

| byte | length | what it is |
|---|---|---|
| 0 | 8 | `BUFFSHT1` |
| 8 | 4 | H, the length of the head, an unsigned 32-bit integer, little-endian; 16 + H is a multiple of 8 |
| 12 | 4 | 0 |
| 16 | H | the head: JSON in UTF-8, padded with spaces; `columns` lists their names, types, rows and offsets |
| 16 + H | | the columns, little-endian, each from its `offset` on, which counts from here and is a multiple of 8 |

```js
const answer = await fetch(url, { headers: { accept: "application/vnd.buff.columns" } });
const buffer = await answer.arrayBuffer();
const length = new DataView(buffer).getUint32(8, true);
const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 16, length)));
const columns = Object.fromEntries(
  head.columns.map(({ name, rows, offset }) => [name, new Float64Array(buffer, 16 + length + offset, rows)]),
);
```

**Errors** are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details, `application/problem+json`:

```json
{
  "type": "urn:buff:error:RUN_NOT_FOUND",
  "title": "No such run in this root.",
  "status": 404,
  "detail": "no run 'run_0' in this root",
  "code": "RUN_NOT_FOUND",
  "message": "no run 'run_0' in this root",
  "details": {"run_id": "run_0"},
  "hint": "`buff run list` shows what is there"
}
```

`code` is stable, and its status is that of [the table of errors](errors.md).
`REQUEST_INVALID` is also what a matter of HTTP alone is told as, with the status that says which:

| status | means |
|---|---|
| 404 | there is nothing at this address |
| 405 | the address does not answer to this verb; `Allow` names those it answers to |
| 415 | the body is of a type that is not read there |
| 416 | the artifact has no such bytes |

`429` and `503` carry `Retry-After` where it is known when to ask again, `401` carries `WWW-Authenticate`.
No error names a path of the machine or shows a stack trace: what stands below the runs root is told from there.

**Safety**: a `Host` that is no name of the server, and an `Origin` or `Sec-Fetch-Site` of another site on a change, \
is `403 FORBIDDEN_ORIGIN`.
Every answer, errors included, carries a content security policy that allows nothing from elsewhere, and `nosniff`, \
frame, referrer and cache headers.
A `HEAD` is answered as the `GET` without its body.
"""


def page() -> str:
    """Return the page."""
    told = document(api.router())
    found = families(told)
    return (
        "\n".join(
            [
                HEAD,
                *_everywhere(),
                *(part for tag, operations in found.items() for part in _family(tag, operations)),
                "## Objects\n",
                "What bodies and answers hold. A body has no other fields than these.\n",
                *(_shape(shape) for shape in shapes(told)),
            ]
        ).rstrip()
        + "\n"
    )


def _everywhere() -> Iterator[str]:
    yield "These errors can come from any address:\n"
    rows = [(str(meaning.status), f"`{code}`", meaning.says) for code, meaning in meanings(EVERYWHERE)]
    yield _table(("status", "code", "means"), rows)


def _family(tag: str, operations: Sequence[Operation]) -> Iterator[str]:
    yield f"## {tag}\n"
    for each in operations:
        yield f"### `{each.method} {each.path}`\n"
        yield f"{each.summary}.\n{_sentences(each.says)}"
        if each.parameters:
            yield _fields("parameter", each.parameters)
        for kind in each.body:
            yield f"Body: `{kind}`.\n"
        rows = [
            (str(answer.status), ", ".join(f"`{kind}`" for kind in answer.kinds), answer.says)
            for answer in each.answers
        ]
        yield _table(("status", "holds", "means"), rows)
        if each.codes:
            yield f"Errors of its own: {', '.join(f'`{code}`' for code in each.codes)}.\n"


def _shape(shape: Shape) -> str:
    fields = f"\n{_fields('field', shape.fields)}" if shape.fields else ""
    return f"### `{shape.name}`\n\n{_sentences(shape.says)}{fields}"


def _fields(first: str, fields: Sequence[Field]) -> str:
    rows = [(f"`{field.name}`{', required' if field.required else ''}", field.kind, field.says) for field in fields]
    return _table((first, "holds", "means"), rows)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _sentences(text: str) -> str:
    """Return a text with every sentence on a line of its own."""
    return "".join(f"{sentence}\n" for sentence in text.replace(". ", ".\n").splitlines())


if __name__ == "__main__":
    sys.stdout.write(page())
