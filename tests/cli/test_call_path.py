"""How many modules lie between a command and the world that it drives."""

import sys

import pytest

from racer import trained_policy
from racer.race import guarded_child, guarded_race
from racer.sim.world import World
from support.commands import racer
from support.runs import make_run

MODULES_MAX = 8


@pytest.fixture
def paths(monkeypatch):
    """The modules of racer on the call path of each world that is made, from the command to the world."""
    made, initialise = [], World.__init__

    def recording(world, *arguments, **options):
        frame, names = sys._getframe(1), ["racer.sim.world"]
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if name.startswith("racer.") and name not in names:
                names.append(name)
            frame = frame.f_back
        made.append(names[::-1])
        initialise(world, *arguments, **options)

    monkeypatch.setattr(World, "__init__", recording)
    return made


@pytest.fixture
def one_process(monkeypatch):
    """Runs the guarded process of a race in this one, so that its call path can be seen."""

    def serve(folder, *_):
        guarded_child.serve(str(folder))
        return ""

    monkeypatch.setattr(guarded_race, "_wait_for_child", serve)
    monkeypatch.setattr(guarded_child, "limit_memory", lambda *_: None)


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "{run}", "--laps", "1", "--json"),
        ("watch", "{run}"),
        ("race", "league", "{run}", "--track", "easy_oval", "--set", "laps=1", "--set", "countdown_s=0"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_few_modules_between_command_and_world(capsys, monkeypatch, tmp_path, paths, one_process, arguments):
    """Reach the world of a run from its command through at most eight modules, both ends counted."""
    from racer.viewer.window import ViewerWindow

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(ViewerWindow, "run", lambda window: window.frame(0.1))
    run = make_run(tmp_path / "run")
    said = racer(capsys, monkeypatch, *(word.format(run=run) for word in arguments))
    assert said.code == 0, said.err
    assert paths
    for path in paths:
        assert path[0] == "racer.cli.main" and path[1] == f"racer.cli.{arguments[0]}"
        assert len(path[1:]) <= MODULES_MAX, " > ".join(path)


def test_a_spec_is_looked_up_once(tmp_path, capsys, monkeypatch):
    """Resolve the run of `racer evaluate RUN --replay FILE` with one call of `find_bundle`."""
    from support.commands import racer

    folder, calls = make_run(tmp_path / "run"), []
    find = trained_policy.find_bundle
    monkeypatch.setattr(trained_policy, "find_bundle", lambda spec: calls.append(spec) or find(spec))
    said = racer(capsys, monkeypatch, "evaluate", folder, "--laps", "1", "--json", "--replay", tmp_path / "x.replay")
    assert (said.code, calls) == (0, [str(folder)])
