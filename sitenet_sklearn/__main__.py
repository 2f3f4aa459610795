"""Entry point of `sitenet` and `python -m sitenet_sklearn`."""

import signal
import sys

from ._starting import end_at_ctrl_c, raise_at_ctrl_c, raise_at_sigterm, was_terminated


def main():
    """Run the command line, or say what to install for it."""
    end_at_ctrl_c()
    try:
        from .cli.app import run

        raise_at_ctrl_c()
        raise_at_sigterm()
        run()
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "matplotlib"}:
            raise
        sys.exit(f"sitenet needs {error.name}: in a clone of the repository, run pip install '.[cli]'")
    except KeyboardInterrupt:
        sys.exit(143 if was_terminated() else 130)
    except SystemExit as end:
        sys.exit(143 if was_terminated() and end.code == 130 else end.code)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process without a traceback


if __name__ == "__main__":
    main()
