"""What `stilt plot` writes: chooses results, draws them, and names the files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import click

from stilt.destinations import file_to_write
from stilt.errors import UsageError
from stilt.roots import expanded, shown

if TYPE_CHECKING:
    from stilt.footprint import Footprint
    from stilt.model import Model
    from stilt.selection import Selection
    from stilt.trajectories import Trajectories

Kind = Literal["map", "facet", "mean", "series", "particles", "profile", "space", "animation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OF_MANY = ("mean", "series")
OF_PARTICLES = ("particles", "profile", "space", "animation")


# Options, by the keyword of `stilt plot`, that only some kinds of pictures use.
USED_BY: Mapping[str, tuple[Kind, ...]] = {
    "hour": ("map",),
    "hours": ("facet",),
    "color_by": ("particles", "profile", "space"),
    "frames": ("animation",),
    "fps": ("animation",),
    "linear": ("map", "facet", "mean", "animation"),
    "whole_grid": ("map", "facet", "mean"),
    "shares": ("map", "facet", "mean"),
    "extent": ("map", "facet", "mean", "particles", "space", "animation"),
    "vmin": ("map", "facet", "mean", "particles", "profile", "space", "animation"),
    "vmax": ("map", "facet", "mean", "particles", "profile", "space", "animation"),
    "cmap": ("map", "facet", "mean", "particles", "profile", "space", "animation"),
    "no_outlines": ("map", "facet", "mean", "particles", "space", "animation"),
}


@dataclass(frozen=True)
class PictureRequest:
    """What a picture is to show, as the options say.

    Attributes:
        kind: of picture.
        name: of the footprint; None takes the first.
        hour: layer of a map, as a number or a time; None sums all.
        hours: layers summed for a panel.
        color_by: what colours particles; None takes the picture's own.
        frames, fps: pictures of an animation, and how many a second.
        keywords: of the picture.
    """

    kind: Kind
    name: str | None
    hour: str | None
    hours: int
    color_by: str | None
    frames: int
    fps: float
    keywords: Mapping[str, Any]

    @property
    def mark(self) -> str:
        """The part of a file's name that tells pictures of one footprint from another's."""
        return f"_{self.name}" if self.name else ""


def target_file(out: str | None, suffix: str | None, stem: str, *, film: bool = False) -> Path:
    """Return the file to write.

    Args:
        out: file, or folder, as the option names it.
        suffix: ending; None takes that of ``out``, else png, or gif for a film.
        stem: name of the file in a folder.
        film: whether it is a film.

    Raises:
        UsageError: matplotlib writes no such kind of file, or it cannot be replaced.
    """
    path = expanded(out or ".")
    ending = (suffix or ("gif" if film else "png")).lstrip(".")
    if out is None or out.endswith("/") or path.is_dir() or not path.suffix:
        path = path / f"{stem}.{ending}"
    elif suffix:
        path = path.with_suffix(f".{ending}")
    from stilt.plotting.animation import check_film
    from stilt.plotting.style import pyplot

    plt = pyplot()
    plt.switch_backend("agg")
    if film:
        check_film(path)
    else:
        kinds = plt.figure().canvas.get_supported_filetypes()
        plt.close("all")
        if path.suffix.lstrip(".").lower() not in kinds:
            raise UsageError(
                f"Pictures cannot be written as '{path.suffix}': choose {', '.join(sorted(kinds))}."
            )
    return file_to_write(path)


def refuse_unused(kind: Kind, given: Mapping[str, str]) -> None:
    """Refuse options that a kind of picture does not use.

    Args:
        kind: of picture.
        given: what the person wrote for each of :data:`USED_BY` that was given, by its keyword.

    Raises:
        UsageError: one of them would have no effect.
    """
    for keyword, option in given.items():
        kinds = USED_BY[keyword]
        if kind not in kinds:
            raise UsageError(
                f"{option} has no effect on a picture of the kind '{kind}': leave it out, or draw "
                f"one of the kind {' or '.join(kinds)} with --kind."
            )


def draw_each(
    model: Model,
    wanted: PictureRequest,
    ids: list[str],
    out: str | None,
    suffix: str | None,
    dpi: int,
) -> list[Path]:
    """Draw a picture of each simulation that has what it shows; those that lack it are named.

    Raises:
        UsageError: none has it, or one file is to hold several pictures.
    """
    if len(ids) > 1 and out and not out.endswith("/") and Path(out).suffix:
        raise UsageError(f"{len(ids)} pictures do not fit into {out}: name a folder with --out.")
    _tell_of_earlier(model, wanted, ids)
    written, lacking = [], []
    for sim_id in ids:
        try:
            source = _source(model, wanted, sim_id)
        except KeyError:
            lacking.append(sim_id)
            continue
        stem = f"{sim_id}{wanted.mark}_{wanted.kind}"
        path = target_file(out, suffix, stem, film=wanted.kind == "animation")
        if wanted.kind == "animation":
            written.append(_film(model, sim_id, wanted, path, dpi))
        else:
            written.append(_save(_drawn(source, wanted), path, dpi))
    if lacking:
        text = _lacking_text(model, wanted, lacking)
        if not written:
            raise UsageError(text)
        click.echo(text, err=True)
    return written


def _tell_of_earlier(model: Model, wanted: PictureRequest, ids: list[str]) -> None:
    """Say once how many of the results that are drawn another configuration made."""
    shows_footprints = wanted.kind == "animation" and model.footprints.names()
    if wanted.kind in OF_PARTICLES and not shows_footprints:
        model.trajectories.tell_of_earlier(ids)
    else:
        model.footprints[_name(model, wanted)].tell_of_earlier(ids)


def _lacking_text(model: Model, wanted: PictureRequest, lacking: list[str]) -> str:
    """Say which simulations have nothing to draw, and why."""
    what = "particles" if wanted.kind in OF_PARTICLES else "footprint"
    first = lacking[0]
    if gone := model.simulations[first].gone():
        more = f" ({len(lacking)} simulations have no {what})" if len(lacking) > 1 else ""
        return f"{gone[0]} is gone: `stilt run {shown(model.project)}` computes it again{more}."
    state = model.index.state(first, model.files.expectations)
    state = "it has failed" if state == "failed" else f"it is {state}"
    number = f"{len(lacking)} simulations have no {what}; " if len(lacking) > 1 else ""
    return (
        f"{number}{first} has no {what}: {state}. `stilt explain {shown(model.project)} {first}` "
        "says more."
    )


def _source(model: Model, wanted: PictureRequest, sim_id: str) -> Footprint | Trajectories:
    if wanted.kind in OF_PARTICLES:
        return model.trajectories[sim_id]
    return model.footprints[_name(model, wanted)][sim_id]


def _name(model: Model, wanted: PictureRequest) -> str:
    """Return the name of the footprint to draw.

    Raises:
        UsageError: there is none, or none of this name.
    """
    names = model.footprints.names()
    if not names:
        raise UsageError("The configuration has no footprints: draw particles (--kind particles).")
    name = wanted.name or names[0]
    if name not in model.footprints:
        raise UsageError(f"There is no footprint '{name}': the choices are {', '.join(names)}.")
    return name


def _drawn(source: Any, wanted: PictureRequest) -> Any:
    """Return axes with a picture of one simulation."""
    plots, keywords = source.plot, wanted.keywords
    if wanted.kind == "map":
        hour = wanted.hour
        time = int(hour) if hour is not None and re.fullmatch(r"-?\d{1,3}", hour) else hour
        return plots.map(time, **keywords)
    if wanted.kind == "facet":
        return plots.facet(hours=wanted.hours, **keywords).flat[0]
    colour = {"color_by": wanted.color_by} if wanted.color_by else {}
    draw = {"particles": plots.map, "profile": plots.profile, "space": plots.space}[wanted.kind]
    return draw(**colour, **keywords)


def _film(model: Model, sim_id: str, wanted: PictureRequest, path: Path, dpi: int) -> Path:
    """Write the film of a simulation's particles, with its footprint where there is one."""
    from stilt.plotting import save_animation
    from stilt.plotting.style import pyplot

    footprint = None
    if model.footprints.names():
        footprint = model.simulations[sim_id].get_footprint(_name(model, wanted))
    film = model.trajectories[sim_id].plot.animate(
        footprint, frames=wanted.frames, fps=wanted.fps, **cast(Any, wanted.keywords)
    )
    click.echo(f"Drawing {wanted.frames} frames, some tenths of a second each.", err=True)
    save_animation(film, path, dpi=dpi)
    pyplot().close("all")
    return path


def draw_many(
    model: Model, wanted: PictureRequest, selection: Mapping[str, Any], path: Path, dpi: int
) -> Path:
    """Draw one picture of all footprints of a selection."""
    collection = model.footprints[_name(model, wanted)]
    files = collection.chosen(cast("Selection", selection), "are not in the picture", or_none=False)
    if not len(files):
        raise UsageError(collection.why_none(**cast(Any, selection)))
    plots = files.plot
    draw = plots.mean if wanted.kind == "mean" else plots.series
    return _save(draw(**cast(Any, wanted.keywords)), path, dpi)


def _save(ax: Any, path: Path, dpi: int) -> Path:
    from stilt.plotting.picture_file import save_picture
    from stilt.plotting.style import pyplot

    try:
        return save_picture(ax.figure, path, dpi)
    finally:
        pyplot().close(ax.figure)
