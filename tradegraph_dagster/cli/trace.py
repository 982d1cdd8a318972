"""`tradegraph trace`: from a fill back to the raw bars, printed as a tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from tradegraph_dagster.cli.desks import chosen_desks
from tradegraph_dagster.cli.options import AnyMarketOption, JsonOption
from tradegraph_dagster.cli.output import console, domain_errors, print_json
from tradegraph_dagster.domain.core.errors import ConfigError

if TYPE_CHECKING:
    from tradegraph_dagster.domain.audit.trace_tree import TraceNode
    from tradegraph_dagster.resources.desk import MarketDesk

# Of a long row of steps of one kind, so many are shown; those that are not sound always are.
SHOWN_OF_A_KIND = 2
_STYLES = {"match": "green", "mismatch": "bold red", "missing": "bold red", "unsealed": "yellow"}


def trace(
    fill: Annotated[str, typer.Argument(help="Execution id of a fill, or client order id.")],
    market: AnyMarketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk from a fill back to its raw bars, each step held against the audit chain.

    Exit status 1 where a step is missing or is not what was written down.
    """
    with domain_errors():
        root = _find(fill, chosen_desks(market))
    if as_json:
        print_json(_plain(root))
    else:
        console.print(_tree(root))
    raise typer.Exit(0 if root.is_sound else 1)


def _find(name: str, desks: dict[str, MarketDesk]) -> TraceNode:
    from tradegraph_dagster.domain.audit.trace import trace_fill

    refused: list[str] = []
    for desk in desks.values():
        try:
            return trace_fill(name, _sources(desk))
        except ConfigError as error:
            refused.append(str(error))
    raise ConfigError("\n".join(dict.fromkeys(refused)))


def _sources(desk: MarketDesk) -> Any:
    from tradegraph_dagster.domain.audit.research import Research
    from tradegraph_dagster.domain.audit.trace import Sources

    return Sources(
        research=Research(desk.workspace, desk.registry, desk.feature_set),
        books=desk.books,
        audit=desk.audit,
        keys=desk.deployment.audit_keys(),
        checkpoints=desk.checkpoints.lines(),
    )


def _plain(node: TraceNode) -> dict[str, Any]:
    return {
        "kind": node.kind,
        "name": node.name,
        "agreement": node.agreement.value,
        "facts": dict(node.facts),
        "problems": list(node.problems),
        "made_from": [_plain(one) for one in node.made_from],
    }


def _tree(node: TraceNode) -> Tree:
    tree = Tree(_label(node))
    for one in _shown(node.made_from):
        tree.add(_tree(one))
    for line in _left_out(node.made_from):
        tree.add(Text(line, style="dim"))
    return tree


def _label(node: TraceNode) -> Text:
    word = node.agreement.value
    label = Text.assemble((node.kind, "bold"), " ", node.name)
    if word != "stated":
        label.append(f"  {word}", _STYLES[word])
    for problem in node.problems:
        label.append(f"\n{problem}", "red")
    facts = ", ".join(f"{name} {value}" for name, value in node.facts.items())
    if facts:
        label.append(f"\n{facts}", "dim")
    return label


def _shown(nodes: Sequence[TraceNode]) -> list[TraceNode]:
    seen: Counter[str] = Counter()
    shown = []
    for node in nodes:
        seen[node.kind] += 1
        if node.kind != "validated_bars" or seen[node.kind] <= SHOWN_OF_A_KIND or not node.is_sound:
            shown.append(node)
    return shown


def _left_out(nodes: Sequence[TraceNode]) -> list[str]:
    shown = {id(node) for node in _shown(nodes)}
    rest = Counter(one.agreement.value for one in nodes if id(one) not in shown)
    words = ", ".join(f"{count} {word}" for word, count in sorted(rest.items()))
    return [f"{rest.total()} sessions more: {words}; --json shows them"] if rest else []
