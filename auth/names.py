"""What users and groups may be called."""

from typing import Final

#: What a policy calls who sends no credentials, and who sends any.
ANONYMOUS: Final = "anonymous"
AUTHENTICATED: Final = "authenticated"
RESERVED: Final = (ANONYMOUS, AUTHENTICATED)
_LONGEST: Final = 255


def is_name(name: str) -> bool:
    """Tell whether a user or a group may be called that.

    A colon would make a user look like another kind of principal, and separates the fields of a line as the comma does
    groups; a star would look like everybody.
    """
    return (
        0 < len(name) <= _LONGEST
        and name not in RESERVED
        and name.isprintable()
        and not name.startswith("#")
        and not any(character in ":,*" or character.isspace() for character in name)
    )
