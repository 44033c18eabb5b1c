# cython: language_level=3, embedsignature=True
# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Symbol JSON as columns, compiled: see `_symbol_text_py`, which has the same function in readable form.

Nodes are read as MXNet writes them. A text with anything else in them, such as an escape in a name or a body of
control flow, goes to the twin whole, and so does what is no JSON: both take the same texts for the same. The two
change together.
"""

import json
import re

from ._symbol_text_py import SymbolText
from ._symbol_text_py import read_symbol_text as read_any

from cpython cimport array
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcmp

__all__ = ["SymbolText", "read_symbol_text"]

_BEGIN = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"nodes"[ \t\r\n]*:[ \t\r\n]*\[')
_NEXT_MEMBER = re.compile(rb'[ \t\r\n]*,(?=[ \t\r\n]*")')
_LONGEST = 2**31 - 1  # of a text, in bytes: places in it are counted with int
_decode = json.JSONDecoder(strict=False).decode

cdef enum:
    SHORTEST_NODE = 31  # {"op":"","name":"","inputs":[]}
    SHORTEST_ENTRY = 5  # [0,0]
    MOST_DIGITS = 9

cdef enum:
    # What nodes have, as bits.
    OP = 1
    NAME = 2
    ATTRS = 4
    INPUTS = 8

cdef struct Span:
    # A text without its quotes, or an object with its braces; from `begin` up to before `end`.
    int begin, end

cdef struct Columns:
    # Room for what is found: a span for each node, an item for each input, and how many there are.
    Span* ops
    Span* names
    Span* attrs
    int* begins
    int* sources
    int* numbers
    int nodes, entries


def read_symbol_text(text):
    """Return the columns of Symbol JSON.

    The contract is that of `_symbol_text_py.read_symbol_text`.
    """
    cdef:
        bytes data
        const char* begin
        Py_ssize_t first, end

    try:
        data = text.encode()
    except UnicodeEncodeError:  # half a character
        return read_any(text)
    head = _BEGIN.match(data)
    if head is None or len(data) > _LONGEST:
        return read_any(text)
    most_nodes, most_entries = len(data) // SHORTEST_NODE + 1, len(data) // SHORTEST_ENTRY + 1
    ops, names, attrs = (ints(2 * most_nodes) for _ in range(3))
    begins, sources, numbers = ints(most_nodes + 1), ints(most_entries), ints(most_entries)
    cdef Columns columns = [spans(ops), spans(names), spans(attrs), start(begins), start(sources), start(numbers), 0, 0]
    begin, first = data, head.end()
    with nogil:
        end = scan_nodes(begin, first, &columns)
    if end < 0:
        return read_any(text)
    array.resize(begins, columns.nodes + 1)
    array.resize(sources, columns.entries)
    array.resize(numbers, columns.entries)
    try:
        rest = rest_of(data[end:])
        if "nodes" in rest:  # the last one counts
            return read_any(text)
        all_attrs = read_once(data, columns.attrs, columns.nodes, read_attrs)
    except json.JSONDecodeError:
        return read_any(text)  # which says where
    all_ops = read_once(data, columns.ops, columns.nodes, bytes.decode)
    all_names = read_texts(begin, columns.names, columns.nodes)
    return SymbolText(all_ops, all_names, all_attrs, sources, numbers, begins, {}, rest)


cdef array.array _none = array.array("i")


cdef array.array ints(Py_ssize_t count):
    return array.clone(_none, count, zero=False)


cdef int* start(array.array values):
    return values.data.as_ints


cdef Span* spans(array.array values):
    return <Span*> values.data.as_ints


cdef dict rest_of(bytes data):
    """Return the members that follow those read."""
    follows = _NEXT_MEMBER.match(data)
    return _decode("{" + (data if follows is None else data[follows.end():]).decode())


def read_attrs(bytes text):
    return _decode(text.decode()) if text else {}


cdef list read_texts(const char* text, Span* spans, Py_ssize_t count):
    cdef Py_ssize_t i

    return [PyUnicode_DecodeUTF8(text + spans[i].begin, spans[i].end - spans[i].begin, NULL) for i in range(count)]


cdef list read_once(bytes data, Span* spans, Py_ssize_t count, read):
    """Return what `read` makes of some spans, of equal ones the same."""
    cdef:
        const char* text = data
        Py_ssize_t i, mask = (1 << (2 * count).bit_length()) - 1
        array.array first = ints(count), table = ints(mask + 1)
        int* first_like = start(first)
        int* places = start(table)
        list found = []

    with nogil:
        find_equal(text, spans, count, first_like, places, mask)
    for i in range(count):
        found.append(found[first_like[i]] if first_like[i] < i else read(data[spans[i].begin:spans[i].end]))
    return found


cdef void find_equal(
    const char* text, Span* spans, Py_ssize_t count, int* first_like, int* table, Py_ssize_t mask
) noexcept nogil:
    """Set for each span the first one with the same text.

    `table` has such a first span, or -1, at each of its mask + 1 places, a power of two and more than twice as many as
    there are spans; a text is at the first place from that of its hash (FNV-1a) on where it or nothing is.
    """
    cdef:
        Py_ssize_t i, k
        unsigned long long place

    for i in range(mask + 1):
        table[i] = -1
    for i in range(count):
        place = 14695981039346656037u
        for k in range(spans[i].begin, spans[i].end):
            place = (place ^ <unsigned char> text[k]) * 1099511628211u
        place &= mask
        while table[place] >= 0 and not are_equal(text, spans[table[place]], spans[i]):
            place = (place + 1) & mask
        if table[place] < 0:
            table[place] = <int> i
        first_like[i] = table[place]


cdef inline bint are_equal(const char* text, Span one, Span other) noexcept nogil:
    cdef int length = one.end - one.begin

    return length == other.end - other.begin and memcmp(text + one.begin, text + other.begin, length) == 0


# A function below takes the place where something begins and returns the one behind it, NULL where that is not what
# MXNet writes. The text ends in a zero, which is no part of anything, so that nothing is read beyond it.


cdef Py_ssize_t scan_nodes(const char* text, Py_ssize_t first, Columns* columns) noexcept nogil:
    """Note where everything of the nodes lies and return where their list ends, -1 where it is unusual."""
    cdef const char* place = text + first

    while True:
        place = after_node(text, after_space(place), columns)
        if place == NULL:
            return -1
        columns.nodes += 1
        columns.begins[columns.nodes] = columns.entries
        place = after_space(place)
        if place[0] == b"]":
            columns.begins[0] = 0
            return place + 1 - text
        if place[0] != b",":
            return -1
        place += 1


cdef const char* after_node(const char* text, const char* place, Columns* columns) noexcept nogil:
    """Note one node: an object whose members are op, name, attrs and inputs, in any order, none twice."""
    cdef:
        const char* key
        const char* value
        int member, found = 0, node = columns.nodes

    columns.attrs[node] = Span(0, 0)
    if place[0] != b"{":
        return NULL
    while True:
        key = after_space(place + 1)  # place is on the brace or on a comma
        place = after_text(key)
        member = 0 if place == NULL else member_of_key(key, place - key)
        if not member or found & member:
            return NULL
        found |= member
        place = after_space(place)
        if place[0] != b":":
            return NULL
        value = after_space(place + 1)
        place = after_entries(value, columns) if member == INPUTS else (
            after_object(value) if member == ATTRS else after_text(value)
        )
        if place == NULL:
            return NULL
        if member == ATTRS:
            columns.attrs[node] = Span(<int> (value - text), <int> (place - text))
        elif member != INPUTS:
            (columns.ops if member == OP else columns.names)[node] = Span(
                <int> (value + 1 - text), <int> (place - 1 - text)
            )
        place = after_space(place)
        if place[0] == b"}":
            return place + 1 if found | ATTRS == OP | NAME | ATTRS | INPUTS else NULL
        if place[0] != b",":
            return NULL


cdef inline int member_of_key(const char* key, Py_ssize_t length) noexcept nogil:
    """Return which member this is, 0 for one that nodes do not usually have."""
    if length == 4 and memcmp(key, b'"op"', 4) == 0:
        return OP
    if length == 6 and memcmp(key, b'"name"', 6) == 0:
        return NAME
    if length == 7 and memcmp(key, b'"attrs"', 7) == 0:
        return ATTRS
    if length == 8 and memcmp(key, b'"inputs"', 8) == 0:
        return INPUTS
    return 0


cdef const char* after_entries(const char* place, Columns* columns) noexcept nogil:
    """Note a list of [node, output] or [node, output, version]; each is of an earlier node."""
    cdef:
        int k
        int[3] entry

    if place[0] != b"[":
        return NULL
    place = after_space(place + 1)
    if place[0] == b"]":
        return place + 1
    while True:
        if place[0] != b"[":
            return NULL
        for k in range(3):
            place = after_number(after_space(place + 1), &entry[k])
            if place == NULL:
                return NULL
            place = after_space(place)
            if place[0] != b",":
                break
        if place[0] != b"]" or k == 0 or entry[0] >= columns.nodes:
            return NULL
        columns.sources[columns.entries], columns.numbers[columns.entries] = entry[0], entry[1]
        columns.entries += 1
        place = after_space(place + 1)
        if place[0] == b"]":
            return place + 1
        if place[0] != b",":
            return NULL
        place = after_space(place + 1)


cdef inline const char* after_space(const char* place) noexcept nogil:
    while place[0] == b" " or place[0] == b"\n" or place[0] == b"\r" or place[0] == b"\t":
        place += 1
    return place


cdef inline const char* after_text(const char* place) noexcept nogil:
    """Pass over a text in quotes without escapes."""
    if place[0] != b'"':
        return NULL
    place += 1
    while place[0] != b'"':
        if place[0] == 0 or place[0] == b"\\":
            return NULL
        place += 1
    return place + 1


cdef const char* after_object(const char* place) noexcept nogil:
    """Pass over an object with texts alone in it, escapes included; whether it is right is told where it is read."""
    if place[0] != b"{":
        return NULL
    while place[0] != b"}":
        if place[0] == 0:
            return NULL
        if place[0] == b'"':
            place += 1
            while place[0] != b'"':
                if place[0] == b"\\":
                    place += 1
                if place[0] == 0:
                    return NULL
                place += 1
        place += 1
    return place + 1


cdef inline const char* after_number(const char* place, int* number) noexcept nogil:
    cdef:
        const char* begin = place
        int value = 0

    while b"0" <= place[0] <= b"9":
        if place - begin >= MOST_DIGITS:
            return NULL
        value = 10 * value + (place[0] - <char> b"0")
        place += 1
    if place == begin or (begin[0] == b"0" and place - begin > 1):
        return NULL
    number[0] = value
    return place
