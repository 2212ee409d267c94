"""A digest tells apart objects that do something else."""

from functools import partial
from typing import Any

from minisgd.training.digest import settings_of


def kind(second: int) -> Any:
    class Own:
        def first(self) -> int:
            return 1

        def second(self) -> int:
            return second

        @property
        def third(self) -> int:
            return self.first() + second

    return Own()


def test_every_method_counts() -> None:
    assert settings_of(kind(2)) == settings_of(kind(2)) != settings_of(kind(3))


def test_every_function_of_a_list_counts() -> None:
    def functions(*shifts: int) -> list[Any]:
        return [eval(f"lambda x: x + {shift}") for shift in shifts]

    assert settings_of(functions(1, 2, 1)) == settings_of(functions(1, 2, 1))
    assert len({settings_of(functions(1, *rest)) for rest in ((2, 3), (2, 4), (5, 3))}) == 3


def test_what_is_called_in_part_counts() -> None:
    first, second = (eval(f"lambda x, y: x * {factor}") for factor in (2, 3))
    assert settings_of(partial(first, 1)) == settings_of(partial(first, 1)) != settings_of(partial(second, 1))
    assert settings_of(partial(first, 1)) != settings_of(partial(first, 2))


def test_what_contains_itself_ends() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert settings_of(loop) == settings_of(loop)
