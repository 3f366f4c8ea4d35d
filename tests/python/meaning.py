"""docs/filters.md in Python: conditions that spell themselves in both dialects, and say of a row whether they hold.

Nothing here comes from the library's code, or from SQLite's. A value is a pair of its kind and what Python compares,
which it does exactly: integers with floats, text by code points; of an array a list of values. A row gives values by
fields, each a name, or a tuple of keys and numbers of elements.
"""

import re

BOOLEAN, NUMBER, TEXT, ARRAY, OTHER, NULL, MISSING = "boolean", "number", "text", "array", "other", "null", "missing"
PLACES = {BOOLEAN: 0, NUMBER: 1, TEXT: 2, ARRAY: 3, OTHER: 3, NULL: 4, MISSING: 5}  # in the order of npv_select


def kind_of(value):
    """Of what a filter compares with."""
    if value is None or isinstance(value, bool):
        return NULL if value is None else BOOLEAN
    return TEXT if isinstance(value, str) else NUMBER


# ------------------------------------------------------------------------------------------------------ Three values --


def negate(truth):
    return None if truth is None else not truth


def every(truths):
    return False if False in truths else None if None in truths else True


def some(truths):
    return True if True in truths else None if None in truths else False


# ---------------------------------------------------------------------------------------------------------- Spelling --

WORDS = "AND OR NOT IN BETWEEN LIKE ILIKE ESCAPE CONTAINS IS NULL EXISTS TRUE FALSE".split()
BARE = re.compile(r"[A-Za-z0-9_$@\u0080-\U0010ffff][A-Za-z0-9_$@\u0080-\U0010ffff-]*")


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def path(field, is_bare):
    """Its steps, those for which `is_bare` as they are, others in quotes."""
    spelled = ""
    for number, step in enumerate([field] if isinstance(field, str) else field):
        if isinstance(step, int):
            spelled += f"[{step}]"
        else:
            spelled += "." * (number > 0) + (step if BARE.fullmatch(step) and is_bare(number, step) else quoted(step))
    return spelled


def key(field):
    """A field in JSON."""
    return path(field, lambda number, step: number > 0 or not step.startswith("$"))


def constant(value):
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return {None: "NULL", True: "true", False: "FALSE"}[value] if kind_of(value) != NUMBER else repr(value)


class Speller:
    """Text, and the parameters that it asks for."""

    def __init__(self, rng):
        self.rng, self.parameters = rng, []

    def word(self, words):
        return words.lower() if self.rng.random() < 0.3 else words

    def field(self, field):
        def is_bare(number, step):
            is_word = number == 0 and (step[0].isdigit() or step.upper() in WORDS)
            return not is_word and self.rng.random() < 0.8

        return path(field, is_bare)

    def value(self, value):
        """Text has neither zeros nor halves of surrogate pairs."""
        if self.rng.random() < 0.7 and not (isinstance(value, str) and re.search("[\0\ud800-\udfff]", value)):
            return constant(value)
        self.parameters.append(value)
        return "?"


# -------------------------------------------------------------------------------------------------------- Conditions --


class Comparison:
    TESTS = {
        "=": ("$eq", lambda a, b: a == b),
        "!=": ("$ne", lambda a, b: a != b),
        "<": ("$lt", lambda a, b: a < b),
        "<=": ("$lte", lambda a, b: a <= b),
        ">": ("$gt", lambda a, b: a > b),
        ">=": ("$gte", lambda a, b: a >= b),
    }
    SWAPPED = {"=": "==", "!=": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

    def __init__(self, field, sign, value):
        self.field, self.sign, self.value = field, sign, value

    def holds(self, row):
        kind, found = row[self.field]
        return self.TESTS[self.sign][1](found, self.value) if kind == kind_of(self.value) else None

    def text(self, speller):
        if speller.rng.random() < 0.2:
            return f"{speller.value(self.value)} {self.SWAPPED[self.sign]} {speller.field(self.field)}"
        return f"{speller.field(self.field)} {self.sign} {speller.value(self.value)}"

    def json(self):
        return {key(self.field): {self.TESTS[self.sign][0]: self.value}}


class Named:
    """A condition with a word of its own, which NOT may stand before."""

    word: str

    def __init__(self, field, *values):
        self.field, self.values = field, values

    def text(self, speller, negation=""):
        field = speller.field(self.field)
        return f"{field} {speller.word(negation + self.word)} {self.operand(speller)}"

    def operand(self, speller):
        return speller.value(self.values[0])


class Between(Named):
    word = "BETWEEN"

    def holds(self, row):
        low, high = self.values
        return every([Comparison(self.field, ">=", low).holds(row), Comparison(self.field, "<=", high).holds(row)])

    def operand(self, speller):
        low, high = map(speller.value, self.values)
        return f"{low} {speller.word('AND')} {high}"

    def json(self):
        return {key(self.field): {"$between": list(self.values)}}


class In(Named):
    word = "IN"

    def holds(self, row):
        return some([None if value is None else Comparison(self.field, "=", value).holds(row) for value in self.values])

    def operand(self, speller):
        if speller.rng.random() < 0.3:
            speller.parameters.append(list(self.values))
            return "?"
        return f"({', '.join(map(speller.value, self.values))})"

    def json(self):
        """NULL means something else there."""
        return None if None in self.values else {key(self.field): {"$in": list(self.values)}}


class Like(Named):
    """Of a pattern and the character that escapes, or None."""

    word = "LIKE"
    flags = re.DOTALL

    def regular(self):
        pattern, escape = self.values
        parts, escaped = [], False
        for character in pattern:
            if character == escape and not escaped:
                escaped = True
                continue
            wild = None if escaped else {"%": ".*", "_": "."}.get(character)
            parts.append(wild or re.escape(character))
            escaped = False
        return re.sub(r"(\.\*)+", ".*", "".join(parts))

    def holds(self, row):
        kind, found = row[self.field]
        return re.fullmatch(self.regular(), found, self.flags) is not None if kind == TEXT else None

    def operand(self, speller):
        pattern, escape = self.values
        spelled = speller.value(pattern)
        return f"{spelled} {speller.word('ESCAPE')} {speller.value(escape)}" if escape else spelled

    def json(self):
        pattern, escape = self.values
        return {key(self.field): {"$" + self.word.lower(): [pattern, escape] if escape else pattern}}


class ILike(Like):
    word = "ILIKE"
    flags = re.DOTALL | re.IGNORECASE | re.ASCII


class Contains(Named):
    word = "CONTAINS"

    def holds(self, row):
        kind, found = row[self.field]
        part = kind_of(self.values[0]), self.values[0]
        if kind == ARRAY:
            return any(element == part for element in found)
        return part[1] in found if kind == part[0] == TEXT else None

    def json(self):
        return {key(self.field): {"$contains": self.values[0]}}


class IsNull(Named):
    def holds(self, row):
        return row[self.field][0] in (NULL, MISSING)

    def text(self, speller, negation=""):
        return f"{speller.field(self.field)} {speller.word(f'IS {negation}NULL')}"

    def json(self):
        return {key(self.field): None}


class Exists:
    def __init__(self, field):
        self.field = field

    def holds(self, row):
        return row[self.field][0] != MISSING

    def text(self, speller):
        return f"{speller.word('EXISTS')}({speller.field(self.field)})"

    def json(self):
        return {key(self.field): {"$exists": True}}


class Not:
    def __init__(self, inner):
        self.inner = inner

    def holds(self, row):
        return negate(self.inner.holds(row))

    def text(self, speller):
        if isinstance(self.inner, Named) and speller.rng.random() < 0.5:
            return self.inner.text(speller, "NOT ")
        return f"{speller.word('NOT')} ({self.inner.text(speller)})"

    def json(self):
        inner = self.inner.json()
        return None if inner is None else {"$not": inner}


class Group:
    """AND, OR of two or more."""

    def __init__(self, word, parts):
        self.word, self.parts = word, parts

    def holds(self, row):
        return (every if self.word == "AND" else some)([part.holds(row) for part in self.parts])

    def text(self, speller):
        parts = [part.text(speller) for part in self.parts]
        looser = [isinstance(part, Group) and (self.word, part.word) == ("AND", "OR") for part in self.parts]
        parts = [f"({part})" if must or speller.rng.random() < 0.1 else part for part, must in zip(parts, looser)]
        return f" {speller.word(self.word)} ".join(parts)

    def json(self):
        parts = [part.json() for part in self.parts]
        return None if None in parts else {"$" + self.word.lower(): parts}
