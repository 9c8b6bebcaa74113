"""Verify a journal without Buff: `python verify_journal.py RUNS_ROOT [SEQ:SHA256]`. Standard library, sixty lines."""
import contextlib, decimal, hashlib, itertools, json, pathlib, re, sys
LINE = (rb'\{"v":1,"seq":([1-9]\d{0,15}),"prev":"([0-9a-f]{64})","b":\[([1-9]\d{0,15}),([1-9]\d{0,15})\],"t":'
        rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","type":"([a-z][a-z0-9_.]{0,63})",'
        rb'"key":(?:null|"[A-Za-z0-9._:/+-]{1,128}"),"data":(\{[ -~]*\})\}')
def demand(good, says):
    if not good:
        raise ValueError(says)
def number(text):  # the shortest form of a finite float, or an integer that every reader keeps exactly
    exact = re.search("[.eE]", text) or abs(float(text)) < 2**53
    short = text[-1].isdigit() and not re.search(r"\.\d+0(?!\d)|\.0[eE]|^-0$", text)
    demand(exact and short and decimal.Decimal(text) == decimal.Decimal(repr(float(text))), text)
def strict(data):  # one JSON object: no spaces, at most 16 deep, no member twice, no lone surrogate
    bare = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", data)
    demand(b" " not in bare and max(itertools.accumulate((c in b"{[") - (c in b"}]") for c in bare)) <= 16, "form")
    value = json.loads(data, parse_int=number, parse_float=number, parse_constant=number, object_pairs_hook=(
        lambda pairs: demand(len(dict(pairs)) == len(pairs), "a member twice") or dict(pairs)))
    return json.dumps(value, ensure_ascii=False).encode() and value
def unsealed(raw):  # the JSON object that a sealed line holds, or nothing when its hash does not fit
    body = raw[:-78] + b"}"
    return body if raw[-78:] == b',"sha256":"%b"}\n' % hashlib.sha256(body).hexdigest().encode() else b""
def parse(raw):  # seq, prev, first and last of the batch, type, data, hash; or None when the bytes are no line
    found = re.fullmatch(LINE, unsealed(raw)) if len(raw) <= 1 << 20 else None
    with contextlib.suppress(TypeError, ValueError):
        line = int(found[1]), found[2], int(found[3]), int(found[4]), found[5], strict(found[6]), raw[-67:-3]
        return line if line[2] <= line[0] <= line[3] else None
def batches(data, seq, prev, until):  # the whole batches up to event `until`: where each ends, and its lines
    end, batch = 0, []
    for raw in data.splitlines(keepends=True):
        line = parse(raw) if batch or seq != until else None
        if line is None:
            return
        follows = line[:4] == (seq + 1, prev, seq + 1 - len(batch), (batch or [line])[0][3])
        demand(follows and line[3] - line[2] < 4096 and (seq or line[4] == b"journal_opened"), f"out of place: {raw!r}")
        seq, prev, end, batch = seq + 1, line[6], end + len(raw), [*batch, line]
        if seq == line[3]:
            yield end, batch
            batch = []
def verify(root, *receipts):  # raises ValueError with what is wrong, else returns what was proven
    folder, lines, rest = pathlib.Path(root, "_journal"), [(0, b"", 0, 0, b"", {}, b"0" * 64)], b""
    for file, following in itertools.pairwise([*sorted(folder.glob("*.jsonl")), None]):
        demand(file.name == f"{len(lines):020}.jsonl", f"{file.name} does not follow event {len(lines) - 1}")
        data, end = file.read_bytes(), 0
        for end, batch in batches(data, len(lines) - 1, lines[-1][6], following and int(following.stem) - 1):
            lines += batch
        strays = filter(None, map(parse, re.findall(rb'(?=(\{"v":1,"seq":.*\n))', rest := data[end:])))
        whole = end and len(rest) <= 8 << 20 and all(line[2] == len(lines) for line in strays)
        demand(whole, f"{file.name} is damaged at byte {end}")
    head, index = (b"".join(path.read_bytes() for path in folder.glob(name)) for name in ("HEAD", "../index.json"))
    heads = [json.loads(slot[:446]) for slot in (head[:512], head[4096:4608])
             if slot[446:] == hashlib.sha256(slot[:446]).hexdigest().encode() + b"\n\n"]
    demand(lines[1:] and (heads or not rest), "there is no event, or the tail is torn and there is no HEAD")
    stamp, journal = json.loads(unsealed(index) or "{}"), lines[1][5]["journal_id"]
    claims = [(said["journal"], said["seq"], said["sha256"]) for said in heads]
    claims += [(journal, stamp["seq"], stamp["head_sha256"])] if stamp.get("journal") == journal else []
    for whose, seq, sha in claims + [(journal, *receipt.split(":"))[-3:] for receipt in receipts]:
        known = whose == journal and int(seq) < len(lines) and lines[int(seq)][6] == sha.encode()
        demand(known, f"event {seq} of {whose} was acknowledged and is gone, or it is another")
    return f"{journal}: {len(lines) - 1} events, the last {lines[-1][6].decode()}, {len(rest)} bytes never acknowledged"
print(verify(*sys.argv[1:]))
