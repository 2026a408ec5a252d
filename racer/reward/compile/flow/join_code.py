"""What a join writes at the end of each way that leads to it: assignments and copies, as if made at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from racer.reward.compile.desk.desk import Desk
from racer.reward.compile.desk.elements import copy_into
from racer.reward.compile.desk.lines import Buffer
from racer.reward.compile.endings import CannotCompile
from racer.reward.compile.values.heap import Content, Seq, State

_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass
class Own:
    """What the joins of one loop's head have made."""

    names: set[str] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)


class Ways:
    """The ways that meet in a join, and what is to be written at the end of each.

    Args:
        inputs: the state at the end of each way, and the slot where code can be added there.
        own: names and objects that earlier passes of the same loop made.

    Attributes:
        states: the state at the end of each way.
    """

    def __init__(self, desk: Desk, inputs: list[tuple[State, Buffer]], own: Own) -> None:
        self.desk = desk
        self.own = own
        self.states = [state for state, _ in inputs]
        self._slots = [slot for _, slot in inputs]
        self._assigns: list[list[tuple[str, str]]] = [[] for _ in inputs]
        self._copies: list[list[tuple[Content, Seq]]] = [[] for _ in inputs]

    def fresh(self, hint: str) -> str:
        """A new variable that the join gives a value on every way."""
        name = self.desk.name(hint)
        self.desk.join_vars.add(name)
        self.own.names.add(name)
        return name

    def assign(self, index: int, name: str, expr: str) -> None:
        """On way `index`: `name = expr`."""
        if name != expr:
            self._assigns[index].append((name, expr))

    def copy(self, index: int, content: Content, seq: Seq) -> None:
        """On way `index`: copy a sequence's elements into a region."""
        self._copies[index].append((content, seq))

    def write(self) -> None:
        """Write the code of all ways."""
        for index, slot in enumerate(self._slots):
            saved, self.desk.b = self.desk.b, slot
            try:
                self._write(index)
            finally:
                self.desk.b = saved

    def _write(self, index: int) -> None:
        """All at once: an expression that reads a name assigned here is computed first."""
        desk = self.desk
        targets = {(seq.array, seq.offset) for _, seq in self._copies[index]}
        for content, seq in self._copies[index]:
            if isinstance(content, Seq) and (content.array, content.offset) in targets:
                raise CannotCompile("lists change places", desk.line)
            copy_into(desk, content, seq, self.states[index])
        names = {name for name, _ in self._assigns[index]}
        later: list[tuple[str, str]] = []
        for name, expr in self._assigns[index]:
            if any(word in names for word in _WORD.findall(expr)):
                later.append((name, desk.temp(expr)))
            else:
                later.append((name, expr))
        for name, expr in later:
            desk.write(f"{name} = {expr}")
