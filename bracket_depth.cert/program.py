def bracket_depth(tokens: list[str]) -> str:
    """Equals circuit bracket_depth on all 88,572 sequences of length 1 to 10, in real arithmetic
    and in float64 and float32 as executed; tokens '[' ']' 'x'; prompt: 'BOS' before the sequence;
    read-out: the largest of the logits ']' ']]', at the last position; network executed on every
    sequence, every margin after rounding at least 3.25: proved."""
    return ']]' if tokens.count('[') - tokens.count(']') >= 2 else ']'
