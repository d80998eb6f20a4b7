"""``distill accept FOLDER``: does a circuit_sparsity circuit do what its own file says it did?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from tasks.commands.exits import NOT_PROVED, PROVED


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--answers", help="The two output tokens whose loss is compared, separated by a space.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def accept(folder: Path, answers: str | None, as_json: bool) -> int:
    """Compare the circuit in FOLDER (circuit_sparsity) with what its file stores of its own prompts.

    Says whether activations, and the loss where --answers are named, are reproduced, and which prefix, alphabet and
    answers the prompts suggest. Exit codes: 0 reproduced, 1 not, 2 bad input.
    """
    from tasks.formats.acceptance import acceptance
    from tasks.formats.openai import token_names
    from tasks.networks.quoting import json_text, shown_lines
    from tasks.networks.sparse_transformer import NetworkError

    if not (folder / "viz_data.pt").is_file():
        raise NetworkError(f"{folder}: expected the folder of a circuit_sparsity circuit, with viz_data.pt")
    names = token_names(folder)
    ids = None
    if answers is not None:
        words = answers.split()
        unknown = [word for word in words if word not in names]
        if len(words) != 2 or unknown:
            raise NetworkError(f"{folder}: expected two tokens of the vocabulary as answers, got {answers!r:.80}")
        ids = names.index(words[0]), names.index(words[1])
    found = acceptance(folder, ids)
    prefix, alphabet, said = ([names[n] for n in part] for part in (found.prefix, found.alphabet, found.answers))
    if as_json:
        value = {
            "reproduced": found.is_reproduced, "prompts": found.prompts, "values": found.values,
            "difference": found.difference, "loss": found.loss, "stored_loss": found.stored_loss,
            "prefix": prefix, "alphabet": alphabet, "answers": said,
        }  # fmt: skip
        click.echo(json_text(value))
        return PROVED if found.is_reproduced else NOT_PROVED
    lines = [
        f"{'reproduced' if found.is_reproduced else 'NOT reproduced'}: {found.values:,} activations of "
        f"{found.prompts:,} prompts, the largest difference {found.difference:.3g}",
        "loss      "
        + (
            "not compared: name the two answers (--answers)"
            if found.loss is None
            else f"{found.loss:.6g}; stored is {found.stored_loss}"
        ),
        "the prompts suggest:",
        *(f"  --{name:<9} {json.dumps(' '.join(words), ensure_ascii=False)}"
          for name, words in (("prefix", prefix), ("alphabet", alphabet), ("answers", said))),
    ]  # fmt: skip
    click.echo(shown_lines("\n".join(lines)))
    return PROVED if found.is_reproduced else NOT_PROVED
