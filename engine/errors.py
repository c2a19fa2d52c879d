"""What a tool says and returns when it cannot go on.

Exit codes: 0 done, 1 internal failure, 2 the user's input, 3 refused because of
existing state, 75 stopped cleanly (call again), 130/143 interrupted.
"""

__all__ = ["RefusedError", "UserError"]


class UserError(ValueError):
    """Something in the user's input is wrong; said in one line, before any training.

    The line reads ``WHAT: WHERE: HOW TO MEND`` and a tool prints it behind
    ``error:`` as the first line on stderr.
    """

    exit_code = 2

    def __init__(self, what: str, where: object, mend: str) -> None:
        """Keep the three parts; ``where`` is a file, a key or a class name."""
        super().__init__(f"{what}: {where}: {mend}")
        self.what, self.where, self.mend = what, str(where), mend


class RefusedError(UserError):
    """Going on would overwrite or mix up work that exists already."""

    exit_code = 3
