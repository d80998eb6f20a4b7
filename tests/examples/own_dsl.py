"""A language of one's own: sums, and differences that stop at zero. Between the rulers is the language, below its use.

From the library: ``python own_dsl.py``. From the command line, in the folder of this file:

    distill dsl check own_dsl:GRAMMAR                      do the readings of every operator agree?
    distill solve distance.sl --grammar own_dsl:GRAMMAR    the problem of distance.sl, answered in this language
"""

# ----------------------------------------------------------------------------------------------------------------
import numpy as np

from cegis import INT, Grammar, Operator, Production, ScalarSignature, find, literal, variable

MONUS = Operator(
    "monus",
    (INT, INT),
    INT,
    numpy=lambda inputs, x, y: np.maximum(x - y, 0),  # search: whole arrays at once
    smt=lambda s, x, y: s.manager.Ite(s.manager.LT(x, y), s.manager.Int(0), s.manager.Minus(x, y)),  # proof
    python="max(_0 - _1, 0)",  # what the reader sees
    noun="surplus",  # what a variable that holds it is called
)
GRAMMAR = Grammar(
    ScalarSignature((("x", INT), ("y", INT)), INT),
    "N",
    (
        Production("N", variable("x", INT)),
        Production("N", variable("y", INT)),
        Production("N", literal(1, INT)),
        Production("N", find("+", (INT, INT)), ("N", "N")),
        Production("N", MONUS, ("N", "N"), cost=2),
    ),
)
# ----------------------------------------------------------------------------------------------------------------


def main() -> None:
    """The distance of two numbers, as the simplest function of the language that distance.sl allows."""
    from pathlib import Path

    from cegis import check_operators, read_sygus, synthesize

    for disagreement in check_operators(GRAMMAR):
        print(disagreement)  # nothing here, as the readings of every operator agree
    problem = read_sygus(Path(__file__).with_name("distance.sl"))
    outcome = synthesize(problem.spec, GRAMMAR, verifier="z3")
    print(outcome.program.source())


if __name__ == "__main__":
    main()
