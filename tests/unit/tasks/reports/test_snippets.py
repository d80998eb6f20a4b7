"""LaTeX and Markdown of a result hold its program and its claim, and nothing that ends or begins something else."""

from __future__ import annotations

from tasks.reports.snippets import latex, markdown
from tasks.reports.subject import Subject


def subject(program: str, sentence: str = "PROVED: f_1 equals 100% of {x} & #2.") -> Subject:
    return Subject({"network": "net_1", "program": program, "sentence": sentence}, None, origin="")


def test_latex_escapes_the_claim_and_keeps_the_program():
    text = latex(subject("def f(tokens):\n    return '_%'\n"), "f.pdf")
    assert "    return '_%'" in text
    assert r"f\_1 equals 100\% of \{x\} \& \#2." in text
    assert r"\includegraphics[width=\linewidth]{f.pdf}" in text
    assert text.count(r"\begin{") == text.count(r"\end{")


def test_a_token_cannot_end_the_listing():
    program = f"def f(tokens):\n    return {chr(92) + 'end{lstlisting}'!r}\n"
    text = latex(subject(program), None)
    assert text.count("\\end{lstlisting}") == 1
    shown = text.split("breaklines=true]\n")[1].split("\n\\end{lstlisting}")[0]
    scope: dict = {}
    exec(shown, scope)
    assert scope["f"]([]) == "\\end{lstlisting}"


def test_letters_beyond_ascii_are_escaped_in_latex():
    text = latex(subject("def f(tokens):\n    return 'é→'\n", "PROVED of ‘é’."), None)
    assert text.isascii()


def test_a_token_cannot_end_the_code_block_of_markdown():
    text = markdown(subject("def f(tokens):\n    return '''\n```\n'''\n", "PROVED of `x` *y* <b>."), "f.svg")
    assert text.startswith("````python\n")
    assert "\n````\n" in text
    assert r"\`x\` \*y\* \<b\>." in text
    assert text.endswith(r"![The network net\_1: nodes and weights](f.svg)" + "\n")
