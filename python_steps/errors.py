"""What a user can put right."""


class InputError(ValueError):
    """One line: the file, the row or column, what was found and what is expected."""


class UnansweredError(InputError):
    """No vendor answered at all: the same question may be answered later."""
