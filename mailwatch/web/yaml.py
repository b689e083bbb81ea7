"""Reads YAML as nothing but tables, lists and texts, and finds keys that stand twice.

A user may be called ``on`` or ``123``: YAML would make something else of it. Says of a mistake only where it is,
because what stands there may be a secret. Imported with PyYAML only when there is something to read.
"""

from __future__ import annotations

from typing import Any, Final

NOTHING: Final = ("", "~", "null")


class NotYaml(Exception):  # noqa: N818 - what the text is
    """The text is no YAML; says where."""


def read_yaml(text: str) -> tuple[Any, list[tuple[int, str]]]:
    """What a text holds (None, where it holds nothing), and the lines and keys that stand twice in a table."""
    import yaml  # noqa: PLC0415 - start-up time and memory, for the few who have such a file

    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        reading = _Reading()
        return reading.plain(node), reading.repeated
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(place(mark)) from None
    except yaml.YAMLError:
        raise NotYaml("it has characters that are not allowed") from None
    except RecursionError:
        raise NotYaml("it is nested too deeply") from None


def place(mark: Any) -> str:
    """Where a mistake is."""
    return "somewhere" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


class _Reading:
    """Makes nodes plain, each once: aliases of aliases would grow without end."""

    def __init__(self) -> None:
        self.repeated: list[tuple[int, str]] = []
        self._made: dict[int, Any] = {}

    def plain(self, node: Any) -> Any:
        """A node as tables, lists and texts."""
        if id(node) not in self._made:
            self._made[id(node)] = None  # an alias that holds itself is nothing
            self._made[id(node)] = self._read(node)
        return self._made[id(node)]

    def _read(self, node: Any) -> Any:
        import yaml  # noqa: PLC0415

        if isinstance(node, yaml.ScalarNode):
            return None if node.style is None and node.value in NOTHING else str(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(each) for each in node.value]
        table: dict[str, Any] = {}
        for key, value in () if node is None else node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if name in table:
                self.repeated.append((key.start_mark.line + 1, name))
            table[name] = self.plain(value)
        return None if node is None else table
