"""`serve`: a demo in a browser."""

import click


@click.group()
def serve() -> None:
    """The dashboard in a browser. Needs the extra `serve`: pip install 'tokenyard[serve]'."""


@serve.command("demo")
@click.argument("scenario", default="default")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Same seed, same demo.")
@click.option("--stage", is_flag=True, help="Stop where a chapter says so and wait for a key.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Not a loopback address: with a token, which is printed."
)
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
def serve_demo(scenario: str, seed: int, stage: bool, host: str, port: int) -> None:
    """A demo for each browser that comes, with processes of its own. Prints the address when it listens."""
    from tui.cli.emulating import known_scenario
    from tui.serving import serve as serve_it

    known_scenario(scenario, None, ())
    serve_it(["demo", scenario, "--seed", str(seed), *(["--stage"] if stage else [])], host, port)
