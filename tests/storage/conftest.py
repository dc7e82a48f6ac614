"""How long hypothesis may take: as long as it needs, on however slow a machine."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
