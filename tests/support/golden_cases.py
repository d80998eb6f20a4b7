"""The golden commands: what is typed, and the folders, programs and certificates that it is typed about.

Time must not decide what a case prints: limits are generous, and what stops by time has no place here. Four words stand
for more than themselves: the name of a folder in ``golden_folders`` or of a program below is written before it is used,
``--time-limit`` is added where a command has none, and a case ends with the list of the certificates that were written
and what ``check --json`` says of each.
"""

from __future__ import annotations

from dataclasses import dataclass

PROGRAMS = {
    "diluted.py": """def program(tokens):
    if 2 * (3 * (5 * tokens.count('"'))) > len(tokens):
        return '"'
    return '"' if tokens[-1] == '"' else "'"
""",
    "wrong.py": """def wrong(tokens):
    return '"'
""",
    "far.py": """def far(tokens):
    return ']]' if 5 * (tokens.count('[') - tokens.count(']')) > len(tokens) else ']'
""",
    "total.py": """def total(numbers):
    found = 0
    for number in numbers:
        found += int(number)
    return found
""",
    "largest.py": """def largest(numbers):
    best = 0
    for number in numbers:
        if int(number) > best:
            best = int(number)
    return best
""",
    "junk.py": "def junk(tokens):\n    import os\n    return os.getcwd()\n",
}


@dataclass(frozen=True)
class Case:
    """``commands`` in order, in one folder; the first is run with ``--json`` too, unless the case ``is_text_only``.

    ``is_timed``: the machine's speed decides how a search goes, though not what it finds.
    """

    name: str
    commands: tuple[str, ...]
    is_slow: bool = True
    is_text_only: bool = False
    is_timed: bool = False


def _fast(name: str, *commands: str) -> Case:
    return Case(name, commands, is_slow=False)


def _slow(name: str, *commands: str) -> Case:
    return Case(name, commands)


def _timed(name: str, *commands: str) -> Case:
    return Case(name, commands, is_timed=True)


def _refused(name: str, *commands: str) -> Case:
    return Case(name, commands, is_slow=False, is_text_only=True)


CIRCUITS = ("bracket_depth", "bracket_depth_deep", "bracket_dilution", "quote_closing", "variable_type")

CIRCUIT_CASES = (
    _fast("list", "list"),
    *(_fast(f"show_{name}", f"show {name}") for name in CIRCUITS),
    *(_slow(f"run_{name}", f"run {name} --length 6 -v --out r.cert") for name in CIRCUITS if name != "quote_closing"),
    _fast("run_quote_closing", "run quote_closing --length 5 -v --out r.cert"),
    _slow("check_quote_closing", "run quote_closing --length 4 --out q.cert", "check q.cert"),
    _slow("run_as_usual", "run quote_closing"),
    _slow("run_bitwuzla", "run bracket_depth --length 4 --backend bitwuzla -v --out r.cert"),
    _slow("run_cvc5", "run bracket_dilution --length 4 --backend cvc5 -v --out r.cert"),
    _slow("run_seed", "run bracket_depth_deep --length 5 --seed 7"),
    _slow("run_shortest", "run variable_type --length 3"),
    _slow("run_far_bracket_depth", "run bracket_depth --length 24 -v --out r.cert"),
    _slow("run_far_bracket_depth_deep", "run bracket_depth_deep --length 20 -v --out r.cert"),
    _slow("run_far_bracket_dilution", "run bracket_dilution --length 40 -v --out r.cert"),
    _slow("run_far_quote_closing", "run quote_closing --length 32 --out far.cert"),
    _slow("run_far_variable_type", "run variable_type --length 11 --out far.cert"),
)

HORIZON_CASES = (
    _slow("horizon_bracket_depth", "horizon bracket_depth --out h.cert"),
    _slow("horizon_bracket_depth_deep", "horizon bracket_depth_deep --out h.cert"),
    _slow("horizon_quote_closing", "horizon quote_closing --out h.cert"),
    _timed("horizon_bracket_dilution", "horizon bracket_dilution --out h.cert"),
    _slow("horizon_variable_type", "horizon variable_type --longest 12 --out h.cert"),
    _fast("horizon_listed", "horizon quote_closing --length 4 --longest 6"),
    _slow("horizon_program", "horizon quote_closing --program diluted.py --longest 64 --out h.cert", "check h.cert"),
    _fast("horizon_program_that_breaks", "horizon bracket_dilution --program far.py --longest 32 --out h.cert"),
    _slow("horizon_program_that_is_wrong", "horizon quote_closing --program wrong.py --longest 12 --out h.cert"),
    _slow("horizon_real", "horizon bracket_depth --longest 32 --semantics real --out h.cert"),
    _slow("horizon_float64", "horizon bracket_depth --longest 32 --semantics float64"),
    _fast("horizon_dyck", "horizon dyck_lead --longest 6"),
    _slow("horizon_gpt2", "horizon gpt2_lead --longest 14 --out h.cert"),
    _slow("horizon_circuit_folder", "horizon circuit_drawn --longest 12 --out h.cert"),
)

NUMBER_CASES = (
    _fast("numbers_last", "run numbers_last -v", "show numbers_last"),
    _slow(
        "numbers_streams",
        "run numbers_sum -v --out n.cert",
        "verify numbers_sum total.py --length 100",
        "verify numbers_sum largest.py --exceptions e.jsonl",
        "verify numbers_sum total.py --semantics float32",
        "horizon numbers_sum --longest 100 --against numbers_last",
        "run numbers_last -q",
        "show numbers_sum",
    ),
)

OPTION_CASES = (
    _slow("option_margin", "run quote_closing --length 4 --margin 5 --out m.cert"),
    _slow("option_margin_far", "run quote_closing --length 32 --margin 0.0001 --out m.cert"),
    _slow("option_constraint", "run quote_closing --length 4 --constraint 'x .*' --out c.cert"),
    _slow("option_constraint_far", "run quote_closing --length 48 --constraint 'x .*' --out c.cert"),
    _slow("option_readout_set", "run quote_closing --length 5 --readout set --out s.cert"),
    _slow("option_readout_round", "run quote_closing --length 2 --readout round --answers x --out r.cert"),
    _slow("option_answers", "run bracket_depth --length 5 --answers '] ]] x' --out a.cert"),
    _slow("option_alphabet", "run bracket_depth --length 6 --alphabet '[ ]' --out a.cert"),
    _slow("option_prefix", "run circuit_drawn --length 4 --prefix '<s> c' --out p.cert"),
    _fast("option_suffix", "run circuit_drawn --length 3 --suffix 'c a' --out s.cert"),
    *(
        _slow(f"option_{kind}", f"run bracket_depth --length 5 --margin 0.01 --semantics {kind} --out k.cert")
        for kind in ("real", "float32", "float64")
    ),
    _slow("option_semantics_alone", "run bracket_depth --length 4 --semantics real"),
    _slow("option_deep_margin", "run variable_type --length 6 --margin 0.5 --out d.cert"),
    _fast("option_dyck_margin", "run dyck_lead --margin 1.0 --out d.cert"),
    _fast("option_dyck_constraint", r"run dyck_lead --constraint '\( .* \)'"),
    _slow("option_gpt2_real", "run gpt2_lead --length 1-6 --semantics real --out g.cert"),
    _slow(
        "option_gpt2_outside", "run gpt2_lead --length 1-4 --prefix 'a <bos>' --suffix b --answers 'b a' --out g.cert"
    ),
    _slow("option_gpt2_set", "run gpt2_lead --length 1-5 --readout set --out g.cert"),
    _slow("option_lens_round", "run lens_config --length 1-3 --readout round --answers a --out r.cert"),
)

FORMAT_CASES = (
    _slow("format_circuit", "run circuit_drawn --length 4 --out f.cert"),
    _slow("format_circuit_as_usual", "run circuit_drawn"),
    _slow("format_circuit_positions", "run circuit_positions -v --out r.cert"),
    _timed("format_sparsity_model", "run sparsity_model --length 3 --out f.cert"),
    _fast("format_sparsity_circuit", "run sparsity_circuit --length 3 --out f.cert"),
    _slow("format_dyck", "run dyck_lead --out f.cert", "check f.cert"),
    _slow("format_dyck_ties", "run dyck_ties"),
    _slow("format_dyck_ties_certified", "run dyck_ties --out f.cert"),
    _fast("format_gpt2", "run gpt2_lead --length 1-5 --out f.cert"),
    _slow("format_gpt2_far", "run gpt2_lead --length 0-30 --out f.cert", "check f.cert"),
    _slow("format_gpt2_parts", "run gpt2_parts --length 1-5 --out f.cert"),
    _slow("format_gpt2_double", "run gpt2_double --length 1-5 --out f.cert"),
    _slow("format_gpt2_half", "run gpt2_half --length 1-5 --out f.cert"),
    _slow("format_gpt2_layers", "run gpt2_layers --length 1-6 --out f.cert"),
    _slow("format_gpt2_language", "run gpt2_language --out f.cert"),
    _fast("format_tracr", "run tracr_words --length 1-3 --out f.cert"),
    _slow("format_tracr_numbers", "run tracr_numbers --length 1-2 --out f.cert"),
    _fast("format_sparsemax", "run sparsemax_copy --task copy --out f.cert"),
    _slow("format_lens_config", "run lens_config --length 1-4 --out f.cert"),
    _slow("format_lens_both_ways", "run lens_both_ways --length 1-4 --out f.cert"),
    _slow("format_lens_case", "run lens_case --length 1-4 --out f.cert"),
    *(_fast(f"show_{name}", f"show {name}") for name in ("circuit_drawn", "gpt2_lead", "tracr_words")),
)

REFUSED_CASES = (
    *(
        _refused(name, f"run {name}", f"horizon {name}", f"show {name}")
        for name in (
            "refused_notes", "refused_pickle", "refused_recurrent", "refused_broken", "refused_not_a_number",
            "refused_cut", "refused_empty",
        )
    ),
    _refused(
        "refused_words_of_run",
        "run nothing_like_it",
        "run quote_closing --length 0",
        "run quote_closing --length 99999",
        "run quote_closing --length 3-2 --margin 0.1",
        "run quote_closing --length many",
        "run quote_closing --length 2-4",
        "run quote_closing --backend yices",
        "run quote_closing --time-limit 0",
        "run quote_closing --margin nan",
        "run quote_closing --constraint '('",
        "run quote_closing --constraint z",
        "run quote_closing --readout guess",
        "run quote_closing --answers maybe",
        "run quote_closing --answers x",
        "run quote_closing --task other",
        "run quote_closing --alphabet 'x z'",
        "run quote_closing --length 4 --suffix 'x y'",
        "run quote_closing --length 4 --prefix 'x y'",
        "run variable_type --length 2",
        "run variable_type --length 400 --margin 0.1",
    ),
    _refused(
        "refused_words_of_folders",
        "run dyck_lead --length 7",
        "run dyck_lead --length 3-2",
        "run dyck_lead --constraint x",
        r"run dyck_lead --constraint '\('",
        "run dyck_lead --task other",
        "run dyck_lead --answers maybe",
        "run gpt2_lead --length 0-70",
        "run sparsemax_copy",
        "run sparsemax_copy --task other",
        "horizon sparsemax_copy",
        "horizon dyck_lead --longest 2",
        "export gpt2_lead",
    ),
    _refused(
        "refused_words_of_horizon",
        "horizon nothing_like_it",
        "horizon quote_closing --longest 5000",
        "horizon quote_closing --length 30 --longest 20",
        "horizon quote_closing --longest 0",
        "horizon variable_type --longest 2",
        "horizon quote_closing --time-limit nan",
        "horizon quote_closing --program nowhere.py",
        "horizon quote_closing --program junk.py",
        "horizon gpt2_lead --program diluted.py",
        "horizon quote_closing --semantics float16",
    ),
    _refused("refused_words_of_check", "check nowhere", "check refused_notes", "check gpt2_lead"),
)  # fmt: skip

CASES = (*CIRCUIT_CASES, *HORIZON_CASES, *NUMBER_CASES, *OPTION_CASES, *FORMAT_CASES, *REFUSED_CASES)
