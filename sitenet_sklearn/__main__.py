"""Entry point of `sitenet` and `python -m sitenet_sklearn`."""

import sys


def main():
    """Run the command line, or say what to install for it."""
    try:
        from .cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "matplotlib"}:
            raise
        sys.exit(f"sitenet needs {error.name}: install it with pip install 'sitenet-sklearn[cli]'")
    run()


if __name__ == "__main__":
    main()
