"""Names for containers that nobody has named."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_ADJECTIVES: Final = """
able agile amber apt arctic autumn azure bold brave brief bright brisk broad calm candid careful clear clever
coastal copper cosy crisp curious daring deep deft eager early earnest elegant fair famous fast fearless fine
firm fond frank free fresh gentle glad golden good grand great green handy happy hardy honest humble jolly
just keen kind large lasting level light lively loyal lucid lucky mellow merry mild modest neat nimble noble
open patient plain polite prompt proud quick quiet rapid ready red robust sharp silent silver simple sincere
smart smooth sober solid sound steady still stout strong sturdy sunny swift tall tidy tough true upbeat useful
vivid warm wise
"""
_NOUNS: Final = """
acorn alder anchor ant arch aspen badger barge basin bay beacon bear beaver beech birch bird bison boat bridge
brook canal canoe cedar cliff cloud clover comet coral crane creek crow deer delta dock dolphin dove dune
eagle elk elm falcon fern field finch fir fjord forest fox garden geyser glacier goose grove gull harbour hare
hawk hazel heath heron hill holly horse island ivy jay kelp kite lake larch lark lemur lily linden lion lynx
maple marsh meadow mill moon moose moss moth oak oasis ocean orca otter owl panda peak pelican pine planet
pond poplar puffin quail rain raven reef ridge river robin salmon seal shore sparrow spruce star stork stream
swan tern thrush tide tiger trout tulip valley walrus whale willow wolf wren yak yew
"""


def invent_name() -> str:
    """Give a name that is probably nobody's."""
    first, second, third = os.urandom(3)
    adjectives, nouns = _ADJECTIVES.split(), _NOUNS.split()
    return f"{adjectives[first % len(adjectives)]}_{nouns[second % len(nouns)]}{third or ''}"
