"""A result for a paper or a README: program, claim and figure as LaTeX or Markdown."""

from __future__ import annotations

import re

from tasks.networks.quoting import shown, shown_lines
from tasks.reports.subject import Subject

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", "|": r"\textbar{}",
}  # fmt: skip
MARKED = re.compile(r"([\\`*_{}\[\]()#+!|<>~-])")  # of Markdown


def latex(subject: Subject, figure: str | None) -> str:
    """The program as a listing, the claim below it, and a figure; for pdfLaTeX with listings, graphicx and textcomp."""
    name = _latex(shown(subject.name, 60))
    lines = [
        "% \\usepackage[T1]{fontenc} \\usepackage{listings,graphicx,textcomp}; \\lstset{upquote=true}",
        "\\begin{lstlisting}[language=Python,basicstyle=\\small\\ttfamily,columns=fullflexible,breaklines=true]",
        _listing(subject.program or "# no program explains this network"),
        "\\end{lstlisting}",
        f"\\noindent {_latex(_claim(subject))}",
    ]
    if figure is not None:
        lines += [
            "\\begin{figure}[ht]",
            "\\centering",
            f"\\includegraphics[width=\\linewidth]{{{figure}}}",
            f"\\caption{{The network {name}: nodes and the weights between them.}}",
            "\\end{figure}",
        ]
    return "\n".join([*lines, ""])


def markdown(subject: Subject, figure: str | None) -> str:
    """The program as a code block, the claim below it, and the figure as an image beside the text."""
    program = shown_lines(subject.program).rstrip() or "# no program explains this network"
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", program)), default=0))
    lines = [f"{fence}python", program, fence, "", _markdown(_claim(subject))]
    if figure is not None:
        lines += ["", f"![The network {_markdown(shown(subject.name, 60))}: nodes and weights]({figure})"]
    return "\n".join([*lines, ""])


def _claim(subject: Subject) -> str:
    """What is said of the program, and where that comes from."""
    return " ".join(filter(None, (shown(subject.values["sentence"]), shown(subject.origin))))


def _listing(program: str) -> str:
    """Text that a listing takes as it stands: ASCII, and nothing that ends it."""
    plain = shown_lines(program).rstrip().encode("ascii", "backslashreplace").decode()
    return plain.replace("\\end{lstlisting}", "\\x5cend{lstlisting}").replace("\\\\x5cend", "\\x5cend")


def _latex(words: str) -> str:
    plain = words.replace("→", "->").encode("ascii", "backslashreplace").decode()
    return "".join(SPECIAL.get(letter, letter) for letter in plain)


def _markdown(words: str) -> str:
    return MARKED.sub(r"\\\1", words)
