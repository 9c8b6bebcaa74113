"""Facts in, the same facts back, whatever the disk did.

The format (spec: `docs/reference/journal_format.md`). A journal is a chain of lines in segments, `<first seq>.jsonl`;
one event is one line, ASCII, its members in this order, no spaces outside strings:

    {"v":1,"seq":N,"prev":"H","b":[F,L],"t":"T","type":"Y","key":K,"data":D,"sha256":"H"}\\n

`seq` counts from 1 without gaps. `prev` is the hash of the line before, 64 zeros for the first. `b` is the batch, the
first and last seq that were synced together: it counts whole or not at all. `t` is informative. `key` makes asking
twice safe. `data` is one strict JSON object. `sha256` is the SHA-256 of the line without its last 78 bytes (that member
and the newline), closed by `}` again, so it is checked on the bytes as stored:

    printf '%s' "${line%,\\"sha256\\":*}}" | sha256sum

An example: the first line of the golden journal in the tests, here in four pieces.

    {"v":1,"seq":1,"prev":"0000000000000000000000000000000000000000000000000000000000000000"
    ,"b":[1,1],"t":"2026-02-01T00:00:00.000000Z","type":"journal_opened","key":null
    ,"data":{"journal_id":"jrn_0123456789abcdef"}
    ,"sha256":"ec5dcfc8deb91cf4173b47f43a3a2104c997c8d7b6a9fd7fb88d41ccbccab52a"}

HEAD says how far the journal is acknowledged; bytes beyond it are never trusted in place. A doubtful end is never
repaired in place but superseded by a new segment. The modules, from the bytes up:

    line      one event, one line; the hash; the strict judge of `data`       pure
    codec     an event <-> the `data` of its line; old versions lifted        pure
    head      the two slots of HEAD                                           pure
    chain     bytes of a segment -> the whole batches at their start          pure
    window    many lines at once, judged as `line` would                      pure
    recovery  facts -> one of fifteen rows                                    pure
    survey    a journal's files -> the facts
    reader    everything up to HEAD, without the lock
    lock      the fair lock between processes
    writer    bytes to segments, new segments, HEAD, quarantine
    group     many threads, one writer: what waits shares a lock hold and a sync
    log       open, append, follow what others append
    events    the facts themselves; record: the values at the door
"""
