"""Formulas of indicators: text -> steps over arrays.

A formula holds the bar fields `open`, `high`, `low`, `close` and `volume`, numbers, `+ - * /`, and
any function of TA-Lib in lower case with its arguments in TA-Lib's order. A function with several
outputs is followed by the one meant, such as `macd(close, 12, 26, 9).hist`. So a definition is what
is computed, not a description of it.

The steps come in two parts: what TA-Lib reads and gives needs whole stretches of rows, and the
arithmetic around it only the rows that are wanted.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass, field

from tradegraph_dagster.domain.core.errors import ConfigError

INDICATOR_FIELDS = ("open", "high", "low", "close", "volume")
NUMBER = "number"
PICK = "pick"
READ = "read"
ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
}
# Outputs of TA-Lib's functions that have more than one, in TA-Lib's order.
OUTPUTS = {
    "aroon": ("down", "up"),
    "bbands": ("upper", "middle", "lower"),
    "ht_phasor": ("inphase", "quadrature"),
    "macd": ("macd", "signal", "hist"),
    "stoch": ("k", "d"),
    "stochrsi": ("k", "d"),
}


@dataclass(frozen=True)
class Step:
    """One operation; its value takes the next slot.

    Attributes:
        operation: A TA-Lib function, a value of ARITHMETIC, PICK (an output by its place), NUMBER
            (the parameter), or READ (a value of the inner part by its place in `read`).
        inputs: Slots of the same part.
        parameters: Numbers, after the inputs.
    """

    operation: str
    inputs: tuple[int, ...] = ()
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Formulas as steps, no value computed twice.

    Attributes:
        inner: Over whole stretches; the fields have the first slots, as in INDICATOR_FIELDS.
        read: Slots of the inner part that the outer part reads.
        outer: Over wanted rows.
        results: Slot of the outer part for each formula.
    """

    inner: tuple[Step, ...]
    read: tuple[int, ...]
    outer: tuple[Step, ...]
    results: tuple[int, ...]


@functools.cache
def formulas_to_plan(formulas: tuple[str, ...]) -> Plan:
    """Translate formulas.

    Raises:
        ConfigError: A formula is not of the form above; the message shows what is not.
    """
    inner, outer = _Tape(len(INDICATOR_FIELDS)), _Tape()
    read: list[int] = []
    results = tuple(_outer_slot(_parsed(text), inner, outer, read) for text in formulas)
    return Plan(tuple(inner.steps), tuple(read), tuple(outer.steps), results)


@dataclass
class _Tape:
    """Steps in order, and the slot of every step that is there already."""

    first_slot: int = 0
    steps: list[Step] = field(default_factory=list)
    slots: dict[Step, int] = field(default_factory=dict)

    def slot(self, step: Step) -> int:
        if step not in self.slots:
            self.slots[step] = self.first_slot + len(self.steps)
            self.steps.append(step)
        return self.slots[step]


def _parsed(formula: str) -> ast.expr:
    try:
        return ast.parse(formula, mode="eval").body
    except SyntaxError:
        raise _refusal(formula) from None


def _refusal(found: str) -> ConfigError:
    return ConfigError(
        "indicator formula: expected bar fields, numbers, + - * / and TA-Lib's functions of bar "
        f"fields, found '{found}'"
    )


def _outer_slot(node: ast.expr, inner: _Tape, outer: _Tape, read: list[int]) -> int:
    match node:
        case ast.BinOp(op=op) if type(op) in ARITHMETIC:
            sides = (_outer_slot(side, inner, outer, read) for side in (node.left, node.right))
            return outer.slot(Step(ARITHMETIC[type(op)], tuple(sides)))
        case ast.Constant():
            return outer.slot(Step(NUMBER, (), (_number(node),)))
    source = _inner_slot(node, inner)
    if source not in read:
        read.append(source)
    return outer.slot(Step(READ, (), (read.index(source),)))


def _inner_slot(node: ast.expr, inner: _Tape) -> int:
    match node:
        case ast.BinOp(op=op) if type(op) in ARITHMETIC:
            sides = (_inner_slot(side, inner) for side in (node.left, node.right))
            return inner.slot(Step(ARITHMETIC[type(op)], tuple(sides)))
        case ast.Constant():
            return inner.slot(Step(NUMBER, (), (_number(node),)))
        case ast.Name(id=name) if name in INDICATOR_FIELDS:
            return INDICATOR_FIELDS.index(name)
        case ast.Attribute(value=ast.Call(func=ast.Name(id=name)) as call, attr=output) if (
            output in OUTPUTS.get(name, ())
        ):
            place = OUTPUTS[name].index(output)
            return inner.slot(Step(PICK, (_call_slot(call, name, inner),), (place,)))
        case ast.Call(func=ast.Name(id=name)) if name not in OUTPUTS:
            return _call_slot(node, name, inner)
        case _:
            raise _refusal(ast.unparse(node))


def _call_slot(call: ast.Call, function: str, inner: _Tape) -> int:
    """Series first, then numbers: the order of all of TA-Lib's arguments."""
    is_number = [isinstance(argument, ast.Constant) for argument in call.args]
    if call.keywords or is_number != sorted(is_number) or all(is_number):
        raise _refusal(ast.unparse(call))
    series = [argument for argument in call.args if not isinstance(argument, ast.Constant)]
    numbers = [argument for argument in call.args if isinstance(argument, ast.Constant)]
    return inner.slot(
        Step(
            function,
            tuple(_inner_slot(argument, inner) for argument in series),
            tuple(_number(argument) for argument in numbers),
        )
    )


def _number(node: ast.Constant) -> float:
    if not isinstance(node.value, int | float):
        raise _refusal(ast.unparse(node))
    return node.value
