"""What the five shipped circuits are known to be: the expressions that they return, as later ones are compared with.

Found and proved for every length up to 10 or beyond by an earlier version; a program that says the same in other words
differs here, and a reader decides which is better.
"""

from __future__ import annotations

from collections.abc import Mapping

BODIES: Mapping[str, str] = {
    "bracket_depth": "    return ']]' if tokens.count('[') - tokens.count(']') >= 2 else ']'\n",
    "bracket_depth_deep": "    return str(tokens.count('[') - tokens.count(']'))\n",
    "bracket_dilution": "    return ']]' if 5 * (tokens.count('[') - tokens.count(']')) > len(tokens) else ']'\n",
    "quote_closing": '    return "\'" if "\'" in tokens else \'"\'\n',
    "variable_type": (
        "    if any(before == tokens[-1] and token == '=set()' for before, token in zip(tokens, tokens[1:])):\n"
        "        return '.add'\n"
        "    return '+='\n"
    ),
}


def is_known(name: str, text: str) -> bool:
    """Whether a printed program without its docstring is the known one, its ``def`` aside."""
    return text.partition("\n")[2] == BODIES[name]
