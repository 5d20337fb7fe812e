"""``ghostlap sim``: the embedded simulator in the browser, or in place of Udacity's.

ghostlap sim --track lake
ghostlap drive runs/a &
ghostlap sim --track lake --autonomous --laps 1
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ghostlap.base.errors import SimulatorError
from ghostlap.base.terminal import plain, say, warn
from ghostlap.commands.cockpit import cockpit
from ghostlap.commands.sim_config import SimulateConfig
from ghostlap.driving.evaluation.results import TableLine, line_as_json
from ghostlap.driving.metrics import Intervention, in_words
from ghostlap.driving.rollout.episode import simulation_class
from ghostlap.driving.summary import summarise
from ghostlap.driving.unity.client import UnityClient
from ghostlap.driving.unity.loop import End, UnityLoop
from ghostlap.driving.unity.pace import RealTime, Uncapped
from ghostlap.driving.unity.unity_numbers import number_format
from ghostlap.sim.scene.conditions import conditions_of
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.tracks import track_named

console = Console(stderr=True, soft_wrap=True)

_WHY = {
    Intervention.OFF_ROAD: "left the road",
    Intervention.STANDING: "stood for 3 s",
    Intervention.TURNED: "points against the driving direction",
}


def simulate(config: SimulateConfig, console: Console = console) -> dict[str, Any]:
    """Open the cockpit until Ctrl-C, or simulate for a drive server until the drive is over.

        >>> ended = ghostlap.simulate(ghostlap.SimulateConfig())  # the cockpit, until Ctrl-C

    Returns:
        ``ended`` (:class:`End`), ``frames``, ``commands``, ``connections``, ``chains_stopped``, and
        ``score``: the closed-loop figures, None where nothing was driven. Of the cockpit, what
        :func:`ghostlap.commands.cockpit.cockpit` gives.

    Raises:
        CockpitError: the page cannot be served.
        TrackError: there is no such track.
        SimulatorError: impossible options, or no server was heard of within ``--wait-s``.
    """
    if not config.autonomous:
        return cockpit(config.cockpit(), console)
    track = track_named(config.track)
    conditions = conditions_of(config.conditions, track.theme, config.seed)
    start = Start(track.start_s_m, 1 if config.direction == "forward" else -1)
    world = simulation_class(config.simulation, SimulatorError)(track, conditions, [start])
    world.frames()  # paints the scene and compiles the kernels, before anyone waits for a picture
    client = UnityClient(config.host, config.port, number_format(config.locale))
    pace = (Uncapped if config.uncapped else RealTime)(config.frame_rate_hz)
    simulator = UnityLoop(
        world,
        client,
        pace,
        laps=config.laps,
        seconds=config.seconds,
        wait_s=config.wait_s,
        on_intervention=lambda why: say(
            console,
            f"put back at {world.truth().distance_m[0]:.0f} m: the car {_WHY[why]}",
        ),
    )
    try:
        end = _run(simulator, config, console)
    finally:
        client.close()
    if end is End.NO_COMMANDS and not client.commands:
        raise SimulatorError(
            f"No drive server told the car anything on {config.host}:{config.port} for "
            f"{config.wait_s:g} s. Start one first: ghostlap drive RUN --port {config.port}."
        )
    return _result(simulator, config, end, console)


def _run(simulator: UnityLoop, config: SimulateConfig, console: Console) -> End:
    client, told = simulator.client, _Told(config, console)
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        try:
            while True:
                end = simulator.frame()
                told.about(client)
                live.update(_line(simulator, config), refresh=False)
                if end is not None:
                    return end
        except KeyboardInterrupt:
            return End.STOPPED


class _Told:
    """Messages about changes of the connection, each said once."""

    def __init__(self, config: SimulateConfig, console: Console) -> None:
        self._config, self._console = config, console
        self._connected: bool | None = None
        self._dropped = 0

    def about(self, client: UnityClient) -> None:
        place = f"{self._config.host}:{self._config.port}"
        if client.connected != self._connected:
            if client.connected:
                self._print(f"connected to the drive server on {place}")
            elif self._connected is None:
                self._print(f"waiting for a drive server on {place}: ghostlap drive RUN starts one")
            else:
                self._print(f"the drive server on {place} is gone; trying again until it is back")
            self._connected = client.connected
        if client.dropped and not self._dropped:
            warn(
                self._console,
                f"a steer cannot be read in {self._config.locale}, so the "
                "simulator does not answer it. Controls must be strings like 1234E-4.",
            )
        self._dropped = client.dropped

    def _print(self, text: str) -> None:
        say(self._console, text)


def _line(simulator: UnityLoop, config: SimulateConfig) -> Text:
    if not simulator.driven_s:
        return Text("")
    told, truth = simulator.simulation.telemetry(), simulator.simulation.truth()
    return plain(
        f"{config.track}  {simulator.driven_s:6.1f} s  lap {int(truth.lap[0])}  "
        f"{truth.distance_m[0]:6.0f} m  {told.speed_mph[0]:4.1f} mph  "
        f"steering {told.steering[0]:+.2f}  cte {truth.cte_m[0]:+.2f} m  "
        f"put back {simulator.interventions}"
    )


def _result(
    simulator: UnityLoop, config: SimulateConfig, end: End, console: Console
) -> dict[str, Any]:
    client, drive = simulator.client, simulator.drive()
    result: dict[str, Any] = {
        "ended": end.value,
        "frames": simulator.frames,
        "commands": client.commands,
        "connections": client.connections,
        "chains_stopped": client.dropped,
        "score": None,
    }
    if drive is None:
        say(console, "Nothing was driven: no command came.")
        return result
    summary = summarise([drive], [config.seed])
    figures = summary.figures
    result["score"] = line_as_json(TableLine(config.track, "server", "none", summary))
    say(
        console,
        f"{figures['laps']:.0f} laps, {figures['distance_km']:.2f} km in "
        f"{figures['elapsed_s']:.1f} s: {in_words(figures)}",
        f"{client.commands} commands, {simulator.frames} pictures, {client.connections} "
        f"connections; {client.dropped} commands could not be read",
    )
    return result
