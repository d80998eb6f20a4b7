"""Deliberate faults of the proofs of SyGuS problems, each caught by a test or by the part ``problems``."""

from __future__ import annotations

from mutant import Mutant

CERTIFICATES, LINEAR, CASES = "cegis/quick/certificates.py", "cegis/quick/linear.py", "cegis/quick/cases.py"
SOLVING, EXAMPLES = "cegis/quick/solving.py", "cegis/quick/examples.py"
CHECKED, SMALL = "tests/unit/cegis/test_quick_certificates.py", "tests/unit/cegis/test_quick.py"
MEANT = f"{CHECKED}::test_a_condition_is_opened_into_what_it_means"
EVERY = f"{CHECKED}::test_every_case_has_a_refutation"
FLAG = f"{CHECKED}::test_a_flag_is_a_number_that_is_not_0_and_1_at_once"
ROUNDED = f"{CHECKED}::test_only_a_number_that_divides_all_coefficients_rounds"
POSITIVE = f"{CHECKED}::test_an_inequality_is_added_a_positive_number_of_times"
ENDED = f"{CHECKED}::test_a_refutation_ends_in_a_contradiction"
BESIDE = f"{SMALL}::test_a_constraint_beside_a_loop_is_not_passed_over"
BEYOND = f"{SMALL}::test_what_is_not_small_or_not_right_goes_the_usual_way"
EVERYWHERE = "cegis/quick/everywhere.py"
ZERO = "tests/unit/cegis/test_witnesses.py::test_a_solver_that_does_not_know_is_no_proof_where_zero_divides"
READING = "cegis/quick/reading.py"
UNCHECKED = f"{SMALL}::test_a_proof_that_does_not_check_is_no_proof"

QUICK: tuple[Mutant, ...] = (
    Mutant("inequalities are added with any sign", CERTIFICATES, "if factor <= 0:", "if False:", POSITIVE),
    Mutant(
        "inequalities are rounded by numbers that do not divide",
        CERTIFICATES,
        "if divisor <= 0 or any(a % divisor for a in sums.values()):",
        "if divisor <= 0:",
        ROUNDED,
    ),
    Mutant(
        "inequalities are divided by negative numbers",
        CERTIFICATES,
        "if divisor <= 0 or any(",
        "if divisor and any(",
        ROUNDED,
    ),
    Mutant(
        "rounding goes one too far",
        CERTIFICATES,
        "if a}, total // divisor))",
        "if a}, total // divisor - 1))",
        f"{CHECKED}::test_zero_at_most_zero_is_no_contradiction",
    ),
    Mutant(
        "nothing is at most nothing, strictly",
        CERTIFICATES,
        "return not parts and bound < 0",
        "return not parts and bound <= 0",
        f"{CHECKED}::test_zero_at_most_zero_is_no_contradiction",
    ),
    Mutant(
        "a bound below zero contradicts whatever it bounds",
        CERTIFICATES,
        "return not parts and bound < 0",
        "return bound < 0",
        ENDED,
    ),
    Mutant(
        "coefficients that remain are forgotten",
        CERTIFICATES,
        "known.append(({one: a // divisor for one, a in sums.items() if a}",
        "known.append(({one: a // divisor for one, a in sums.items() if a < 0}",
        ENDED,
    ),
    Mutant(
        "the last case need not be refuted",
        CERTIFICATES,
        "return len(parts) == len(cases) and all(",
        "cases = cases[: len(parts)]\n    return all(",
        EVERY,
    ),
    Mutant(
        "a refuted case refutes all",
        CERTIFICATES,
        "return len(parts) == len(cases) and all(",
        "return len(parts) == len(cases) and any(",
        EVERY,
    ),
    Mutant(
        "what is strict is not",
        CERTIFICATES,
        'inequality = parts, -constant - (1 if term.name in ("<", ">") else 0)',
        "inequality = parts, -constant",
        MEANT,
    ),
    Mutant(
        "what is not strict is",
        CERTIFICATES,
        'inequality = parts, -constant - (1 if term.name in ("<", ">") else 0)',
        "inequality = parts, -constant - 1",
        MEANT,
    ),
    Mutant(
        "two numbers that differ are in order",
        CERTIFICATES,
        "return ANY, tuple(((half, False),) for half in halves)",
        "return ANY, tuple(((half, False),) for half in halves[:1])",
        MEANT,
    ),
    Mutant(
        "a disjunction holds by its first part",
        CERTIFICATES,
        "return ANY, tuple(((one, truth),) for one in parts)",
        "return ANY, tuple(((one, truth),) for one in parts[:1])",
        MEANT,
    ),
    Mutant(
        "an implication holds by its conclusion",
        CERTIFICATES,
        "return (ANY, (((first, False),), ((second, True),)))",
        "return (ANY, (((second, True),),))",
        MEANT,
    ),
    Mutant(
        "a choice takes its first value",
        CERTIFICATES,
        "cases = ((test, True, then), (test, False, otherwise))",
        "cases = ((test, True, then), (test, False, then))",
        MEANT,
    ),
    Mutant(
        "one side of a gap between whole numbers is missing",
        LINEAR,
        "return tuple((one, -a) for one, a in parts), -bound - 1",
        "return tuple((one, -a) for one, a in parts), -bound - 2",
        MEANT,
    ),
    Mutant("a tree is not held to its refutation", CASES, "if not check(failing, found):", "if False:", UNCHECKED),
    Mutant(
        "a tree is proved of its first value alone",
        CASES,
        'return node(ROW, "ite", BOOL, (test, self.put_in(then), self.put_in(otherwise)))',
        'return node(ROW, "=>", BOOL, (test, self.put_in(then)))',
        "problems",
    ),
    Mutant(
        "a tree is proved by one constraint",
        CASES,
        "return conjunction([rebuilt(constraint, {self.value: body}) for constraint in self.constraints])",
        "return conjunction([rebuilt(constraint, {self.value: body}) for constraint in self.constraints[:1]])",
        "problems",
    ),
    Mutant(
        "a variable is taken for a parameter of its name",
        CASES,
        "if not used <= set(call.arguments):",
        "if not used <= {*call.arguments, *question.parameters}:",
        "problems",
    ),
    Mutant(
        "constraints beside a loop are not proved",
        SOLVING,
        "for closed in closed_by(question, body):\n        failing",
        "for closed in closed_by(question, body)[:3]:\n        failing",
        BESIDE,
    ),
    Mutant(
        "constraints beside a loop are read",
        READING,
        " or self.question.invariant is not None",
        "",
        BESIDE,
    ),
    Mutant(
        "a doubled quote in a text is the end of one and the beginning of another",
        READING,
        "if not is_apart or not (place",
        "if piece and not (place",
        f"{BEYOND}[a quote in a rule, which makes two of one]",
    ),
    Mutant(
        "a return ends no comment",
        READING,
        'if not text.replace("\\n", " ").isprintable():',
        'if not text.replace("\\n", " ").replace("\\r", " ").isprintable():',
        f"{BEYOND}[a comment that a return ends]",
    ),
    Mutant(
        "a flag that holds may be 0",
        CERTIFICATES,
        "(((term, -1),), -1) if truth",
        "(((term, -1),), 0) if truth",
        FLAG,
    ),
    Mutant(
        "a flag that does not hold is below 0",
        CERTIFICATES,
        "else (((term, 1),), 0)",
        "else (((term, 1),), -1)",
        FLAG,
    ),
    Mutant(
        "an exception to a term of a grammar is passed over",
        SOLVING,
        "return found\n        if not certificates",
        "continue\n        if not certificates",
        f"{SMALL}::test_a_term_that_is_wrong_at_a_far_point_is_not_proved",
    ),
    Mutant(
        "not all values are looked at",
        EVERYWHERE,
        "not all(one is True for one in held)",
        "held[0] is not True",
        f"{SMALL}::test_narrow_words_are_looked_at_everywhere",
    ),
    Mutant(
        "the last value of a word is left out",
        EVERYWHERE,
        "range(2 ** width_of(one.sort))",
        "range(2 ** width_of(one.sort) - 1)",
        f"{SMALL}::test_a_condition_is_held_to_all_values",
    ),
    Mutant(
        "the first condition of narrow words will do",
        EVERYWHERE,
        "for condition in conditions:",
        "for condition in conditions[:1]:",
        f"{SMALL}::test_a_condition_is_held_to_all_values",
    ),
    Mutant(
        "the printed text of a function of narrow words is not run",
        SOLVING,
        "return _as_printed(Answer(question, body, EVERY, tried, points))",
        "return Answer(question, body, EVERY, tried, points)",
        f"{SMALL}::test_a_printed_text_that_is_wrong_is_no_answer",
    ),
    Mutant(
        "a solver that does not know what x/0 is proves the evaluation",
        "cegis/formulas/refutation.py",
        "not divides_by_zero(self.spec, self._closed(solution))",
        "True",
        ZERO,
    ),
    Mutant(
        "a row that divides within divides by no zero",
        "cegis/formulas/evaluation.py",
        "elif name in DIVISIONS or any(",
        "elif name in () and any(",
        ZERO,
    ),
    Mutant(
        "a division in a function that a defined one calls is not seen",
        "cegis/formulas/evaluation.py",
        "return any(_may_divide(inner.operator) for inner in subterms(operator.definition))",
        "return any(inner.operator.name in DIVISIONS for inner in subterms(operator.definition))",
        "tests/unit/cegis/test_witnesses.py::test_a_division_within_defined_functions_is_seen",
    ),
    Mutant(
        "a solver that was asked of nothing wrong is believed",
        "cegis/verdict.py",
        "if not asked - self._tested - {*self.quick}:",
        "if True:",
        "tests/unit/cegis/test_synthesis.py",
    ),
    Mutant(
        "all Z3 solvers share a context",
        "backends/z3_context.py",
        "context, name = z3.Context(), str(logic)",
        "context, name = z3.main_ctx(), str(logic)",
        "tests/unit/backends/test_backends_threads.py::test_a_closed_session_leaves_no_context_behind",
    ),
    Mutant(
        "an answer of arithmetic is not held to its refutations",
        SOLVING,
        "if not certificates.check(failing, found):",
        "if False:",
        UNCHECKED,
    ),
    Mutant(
        "an equation of two terms is an identity",
        SOLVING,
        "closed.arguments[0] is closed.arguments[1]",
        "closed.arguments[0].sort == closed.arguments[1].sort",
        "problems",
    ),
    Mutant(
        "the printed text of a small problem is not run",
        SOLVING,
        "if not examples.run_text(answer.source, printing",
        "if False and not examples.run_text(answer.source, printing",
        f"{SMALL}::test_a_printed_text_that_is_wrong_is_no_answer",
    ),
    Mutant(
        "a small problem is not evaluated",
        SOLVING,
        "if evaluated(body, points, function_of(question)) != tuple(output for _, output in given):",
        "if not given:",
        f"{SMALL}::test_a_value_of_exact_evaluation_that_is_wrong_is_no_answer",
    ),
    Mutant(
        "late examples are not looked at",
        EXAMPLES,
        "return all(_same(scope[name](*inputs), output) for inputs, output in examples)",
        "return all(_same(scope[name](*inputs), output) for inputs, output in examples[:MOST_EXAMPLES])",
        f"{SMALL}::test_the_printed_text_is_run_on_every_example",
    ),
)
