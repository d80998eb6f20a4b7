"""Texts from examples: parts of names, addresses, dates and numbers."""

from __future__ import annotations

from typing import Any

from benchmarks.sygus_suite.language import BOOL, INT, STRING, Rules, SygusProblem, declare, function, problem, samples


def _text(leaves: tuple[Any, ...], numbers: tuple[Any, ...], *, tests: bool = False, first: str = "Text") -> Rules:
    """Texts with the usual operators; ``tests`` adds conditionals."""
    conditional = [("ite", "Test", "Text", "Text")] if tests else []
    rules: dict[str, Any] = {
        "Text": (STRING, [*leaves, ("str.++", "Text", "Text"), ("str.at", "Text", "Number"),
                          ("str.substr", "Text", "Number", "Number"), ("str.replace", "Text", "Text", "Text"),
                          ("str.from_int", "Number"), *conditional]),
        "Number": (INT, [*numbers, ("+", "Number", "Number"), ("-", "Number", "Number"), ("str.len", "Text"),
                         ("str.indexof", "Text", "Text", "Number"), ("str.to_int", "Text")]),
    }  # fmt: skip
    if tests:
        rules["Test"] = (
            BOOL,
            [("=", "Number", "Number"), ("str.contains", "Text", "Text"), ("str.prefixof", "Text", "Text")],
        )
    return {first: rules.pop(first), **rules}


def _pairs(*pairs: tuple[str, Any]) -> tuple[tuple[tuple[str], Any], ...]:
    return tuple(((given,), wanted) for given, wanted in pairs)


def initials() -> SygusProblem:
    """The initials of a first and a last name."""
    first, last = declare(first=STRING, last=STRING)
    f = function("f", STRING, first, last)
    rows = (
        (("Grace", "Hopper"), "G.H."),
        (("Kurt", "Gödel"), "K.G."),
        (("Emmy", "Noether"), "E.N."),
        (("Alan", "Turing"), "A.T."),
        (("Katherine", "Johnson"), "K.J."),
        (("Li", "Wei"), "L.W."),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((first, last, "."), (0, 1))})


def domain_of_address() -> SygusProblem:
    """What stands behind the at sign of an e-mail address."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("mira@lab.example", "lab.example"),
        ("jo.k@uni.example", "uni.example"),
        ("a@b.example", "b.example"),
        ("team@north.example", "north.example"),
        ("q.r.s@t.example", "t.example"),
        ("zoe7@example.net", "example.net"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "@", "."), (0, 1))})


def user_of_address() -> SygusProblem:
    """What stands before the at sign of an e-mail address."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("mira@lab.example", "mira"),
        ("jo.k@uni.example", "jo.k"),
        ("a@b.example", "a"),
        ("x9@q.example", "x9"),
        ("team@north.example", "team"),
        ("q.r.s@t.example", "q.r.s"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "@", "."), (0, 1))})


def last_name_first() -> SygusProblem:
    """A full name the way a register lists it."""
    first, last = declare(first=STRING, last=STRING)
    f = function("f", STRING, first, last)
    rows = (
        (("Mary", "Jackson"), "Jackson, Mary"),
        (("Ada", "Byron"), "Byron, Ada"),
        (("Sofya", "Kovalevskaya"), "Kovalevskaya, Sofya"),
        (("Wen", "Li"), "Li, Wen"),
        (("Maria", "Ek"), "Ek, Maria"),
        (("Jo", "Sand"), "Sand, Jo"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((first, last, ", ", " "), (0, 1))})


def swapped_names() -> SygusProblem:
    """A registered name (last, first) the way it is spoken."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("Li, Wen", "Wen Li"),
        ("Okafor, Ada", "Ada Okafor"),
        ("Sand, Jo", "Jo Sand"),
        ("Ek, Maria", "Maria Ek"),
        ("Noether, Emmy", "Emmy Noether"),
        ("Byron, Ada", "Ada Byron"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, ", ", " "), (0, 2))})


def phone_with_dash() -> SygusProblem:
    """A phone number of seven digits, written with a dash."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("5550147", "555-0147"),
        ("5550199", "555-0199"),
        ("8005550", "800-5550"),
        ("2120108", "212-0108"),
        ("9995550", "999-5550"),
        ("1002003", "100-2003"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "-"), (0, 3, 4))})


def area_code() -> SygusProblem:
    """The area code of a phone number in brackets."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("(212) 555-0108", "212"),
        ("(0711) 5550", "0711"),
        ("(31) 555 01", "31"),
        ("(5) 5", "5"),
        ("(907) 1", "907"),
        ("(12345) 67", "12345"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "(", ")"), (0, 1))})


def file_extension() -> SygusProblem:
    """What stands behind the dot of a file's name."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("report.pdf", "pdf"),
        ("a.c", "c"),
        ("photo.jpeg", "jpeg"),
        ("notes.md", "md"),
        ("index.html", "html"),
        ("x.tar", "tar"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "."), (0, 1))})


def year_of_date() -> SygusProblem:
    """The year of a date that ends with it."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("3.7.1998", "1998"),
        ("24.12.2001", "2001"),
        ("11.3.1850", "1850"),
        ("1.1.2000", "2000"),
        ("30.11.1999", "1999"),
        ("9.10.1066", "1066"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "."), (0, 4))})


def day_and_month() -> SygusProblem:
    """A date of year, month and day as day and month."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("1998-07-03", "03/07"),
        ("2001-12-24", "24/12"),
        ("1850-11-30", "30/11"),
        ("2024-02-29", "29/02"),
        ("1066-10-14", "14/10"),
        ("1999-01-31", "31/01"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "/", "-"), (2, 5, 8))})


def length_in_words() -> SygusProblem:
    """A text and how long it is."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("abc", "abc: 3"),
        ("", ": 0"),
        ("a longer one", "a longer one: 12"),
        ("tea", "tea: 3"),
        ("seventeen", "seventeen: 9"),
        ("a b", "a b: 3"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, ": "), (0, 1))})


def next_number() -> SygusProblem:
    """The number after one that is written down."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(("7", "8"), ("99", "100"), ("1041", "1042"), ("0", "1"), ("12", "13"), ("500", "501"))
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, ""), (0, 1))})


def without_two_dashes() -> SygusProblem:
    """A text without its first two dashes."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("12-34-56", "123456"),
        ("a-bc-d-e", "abcd-e"),
        ("555-01-47", "5550147"),
        ("x-y-z", "xyz"),
        ("2024-02-29", "20240229"),
        ("one-two-three-four", "onetwothree-four"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "-", ""), (0, 1))})


def two_digits() -> SygusProblem:
    """A number from 0 to 99 in two digits."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(("7", "07"), ("42", "42"), ("0", "00"), ("10", "10"), ("9", "09"), ("31", "31"), ("5", "05"))
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "0"), (0, 1), tests=True)})


def verdict_of_line() -> SygusProblem:
    """Whether a line of a log tells of an error."""
    (text,) = declare(text=STRING)
    f = function("f", STRING, text)
    rows = _pairs(
        ("error: no such file", "bad"),
        ("done", "good"),
        ("2 errors in x", "bad"),
        ("warning", "good"),
        ("all well", "good"),
        ("fatal error", "bad"),
    )
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, "error", "bad", "good"), (0,), tests=True)})


def first_comma() -> SygusProblem:
    """How many characters stand before the first comma."""
    (text,) = declare(text=STRING)
    f = function("f", INT, text)
    rows = _pairs(("a,b,c", 1), ("one, two", 3), (",x", 0), ("seventeen, 17", 9), ("ab,", 2), ("Li, Wen, Jo", 2))
    return problem("SLIA", [f], [], samples(f, *rows), {"f": _text((text, ",", " "), (0, 1), first="Number")})


def greeting() -> SygusProblem:
    """A greeting; any term will do."""
    (name,) = declare(name=STRING)
    f = function("f", STRING, name)
    rows = _pairs(
        ("Ada", "Hello, Ada!"),
        ("Wen", "Hello, Wen!"),
        ("you", "Hello, you!"),
        ("Jo", "Hello, Jo!"),
        ("all of you", "Hello, all of you!"),
        ("Sam", "Hello, Sam!"),
    )
    return problem("SLIA", [f], [], samples(f, *rows))


PROBLEMS = (
    initials, domain_of_address, user_of_address, last_name_first, swapped_names, phone_with_dash, area_code,
    file_extension, year_of_date, day_and_month, length_in_words, next_number, without_two_dashes, two_digits,
    verdict_of_line, first_comma, greeting,
)  # fmt: skip
