"""The three kinds of receptor: a point, a vertical column, and any set of points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np
import pandas as pd

from stilt.errors import Reason, TrajectoryError, UsageError
from stilt.receptors.checks import (
    check_altitude,
    check_altitude_ref,
    check_latitude,
    check_longitude,
)
from stilt.receptors.ids import LocationID, ReceptorID, multipoint_location, number_text
from stilt.receptors.labels import Label, checked_labels
from stilt.receptors.times import TimeLike, parse_time

if TYPE_CHECKING:
    import shapely


_NO_LABELS: Mapping[str, Label] = MappingProxyType({})


class Position(NamedTuple):
    """A point of a receptor.

    Attributes:
        longitude: degrees east, -180 to 180.
        latitude: degrees north.
        altitude_m: metres above ground or sea level, as the receptor's ``altitude_ref`` says.
    """

    longitude: float
    latitude: float
    altitude_m: float


class Receptor:
    """A place and time at which air was measured.

    Called with ``time``, ``longitude``, ``latitude`` and ``altitude`` it makes a
    :class:`PointReceptor`. Receptors are immutable, hashable and picklable. Their points are
    :attr:`positions`; a receptor is not a sequence, so that nobody mistakes its longitude for its
    latitude.

    Attributes:
        time: naive UTC, on a whole second.
        altitude_ref: ``"agl"`` (metres above ground) or ``"msl"`` (metres above sea level).
        labels: what else is known of the measurement by name, such as its site or the id of an
            observation; further columns of receptors.csv. They are no part of a receptor's id,
            and receptors that differ in them alone are equal.
        kind: ``"point"``, ``"column"`` or ``"multipoint"``.
    """

    __slots__ = ("_geometry", "_id", "_points", "altitude_ref", "labels", "time")

    kind: ClassVar[str] = ""
    time: pd.Timestamp
    altitude_ref: str
    labels: Mapping[str, Label]
    _points: tuple[Position, ...]
    _geometry: Any
    _id: ReceptorID | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Receptor:
        """Make a point when Receptor itself is called."""
        return object.__new__(PointReceptor if cls is Receptor else cls)

    # The kinds take different arguments; this signature is that of a point, which Receptor() is.
    def __init__(
        self,
        time: TimeLike,
        longitude: float,
        latitude: float,
        altitude: float,
        *,
        altitude_ref: str = "agl",
        labels: Mapping[str, Any] | None = None,
    ) -> None:
        self._fill(time, [(longitude, latitude, altitude)], altitude_ref, labels)

    def _fill(
        self,
        time: TimeLike,
        points: Sequence[tuple[float, float, float]],
        altitude_ref: str,
        labels: Mapping[str, Any] | None,
    ) -> None:
        """Check and store the common parts; ``points`` are (lon, lat, altitude)."""
        reference = check_altitude_ref(altitude_ref)
        checked = tuple(
            Position(check_longitude(lon), check_latitude(lat), check_altitude(alt, reference))
            for lon, lat, alt in points
        )
        for name, value in (
            ("time", parse_time(time)),
            ("altitude_ref", reference),
            ("labels", checked_labels(labels) if labels else _NO_LABELS),
            ("_points", checked),
            ("_geometry", None),
            ("_id", None),
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; make a new receptor")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; make a new receptor")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Receptor.from_dict, (self.to_dict(),))

    @staticmethod
    def from_points(
        time: TimeLike,
        points: Sequence[tuple[float, float, float]],
        *,
        altitude_ref: str = "agl",
        labels: Mapping[str, Any] | None = None,
    ) -> Receptor:
        """Return the receptor that ``(lon, lat, altitude)`` points describe.

        One point makes a point, exactly two above one another a column, anything else a
        multi-point receptor.

        Raises:
            UsageError: no points, or a point outside the allowed ranges.
        """
        points = list(points)
        if not points:
            raise UsageError("At least one point is needed to make a receptor")
        if len(points) == 1:
            return PointReceptor(time, *points[0], altitude_ref=altitude_ref, labels=labels)
        if _is_column(points):
            (lon, lat, first), (_, _, second) = points
            bottom, top = sorted((first, second))
            return ColumnReceptor(
                time, lon, lat, bottom, top, altitude_ref=altitude_ref, labels=labels
            )
        lons, lats, alts = zip(*points, strict=True)
        return MultiPointReceptor(time, lons, lats, alts, altitude_ref=altitude_ref, labels=labels)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Receptor:
        """Rebuild a receptor from :meth:`to_dict`.

        Raises:
            UsageError: ``type`` is missing or unknown, or the fields do not fit it.
        """
        kinds: dict[str, type[Receptor]] = {
            kind.__name__: kind for kind in (PointReceptor, ColumnReceptor, MultiPointReceptor)
        }
        fields = dict(data)
        name = fields.pop("type", None)
        if name not in kinds:
            raise UsageError(f"a receptor needs a 'type' out of {sorted(kinds)}, got {name!r}")
        try:
            return kinds[name](**fields)
        except TypeError as error:
            raise UsageError(f"these fields do not make a {name}: {error}") from error

    @property
    def location_id(self) -> LocationID:
        """Where the receptor is, as ids write it."""
        suffix = "msl" if self.altitude_ref == "msl" else ""
        return LocationID(self._location_text() + suffix)

    @property
    def id(self) -> ReceptorID:
        """When and where the receptor is, as ids write it; made once."""
        if self._id is None:
            object.__setattr__(self, "_id", ReceptorID.from_parts(self.time, self.location_id))
        return cast(ReceptorID, self._id)

    @property
    def positions(self) -> tuple[Position, ...]:
        """Longitude, latitude and altitude of every point, by name and in this order."""
        return self._points

    @property
    def points(self) -> list[shapely.Point]:
        """Shapely points with x = longitude, y = latitude, z = altitude in m."""
        import shapely

        return [shapely.Point(point) for point in self._points]

    @property
    def geometry(self) -> shapely.Point | shapely.LineString | shapely.MultiPoint:
        """Shapely Point, LineString (column) or MultiPoint; made once."""
        if self._geometry is None:
            object.__setattr__(self, "_geometry", self._shape())
        return self._geometry

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values; :meth:`from_dict` reads them back."""
        defined = self.definition()
        return {**defined, "labels": dict(self.labels)} if self.labels else defined

    def definition(self) -> dict[str, Any]:
        """Return what particles depend on, as plain JSON-able values: all but the labels."""
        return {
            "type": type(self).__name__,
            "time": self.time.isoformat(),
            **self._fields(),
            "altitude_ref": self.altitude_ref,
        }

    def with_labels(self, labels: Mapping[str, Any]) -> Receptor:
        """Return the same receptor with these labels instead of its own."""
        return Receptor.from_dict({**self.definition(), "labels": labels})

    def _location_text(self) -> str:
        return "_".join(number_text(value) for value in self._points[0])

    def _fields(self) -> dict[str, Any]:
        """Return the constructor's arguments that are this kind's own."""
        return dict(zip(("longitude", "latitude", "altitude"), self._points[0], strict=True))

    def _shape(self) -> Any:
        import shapely

        return shapely.Point(self._points[0])

    def _identity(self) -> tuple[Any, ...]:
        # A receptor is a set of points: their order is neither part of its id nor of its meaning.
        return (type(self).__name__, self.time, self.altitude_ref, tuple(sorted(self._points)))

    def __len__(self) -> int:
        return len(self._points)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Receptor) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._fields().items())
        return (
            f"{type(self).__name__}(time='{self.time}', {fields}, "
            f"altitude_ref={self.altitude_ref!r})"
        )


class _AtOnePlace(Receptor):
    """A receptor whose points share longitude and latitude."""

    __slots__ = ()

    @property
    def longitude(self) -> float:
        """Degrees east."""
        return self._points[0][0]

    @property
    def latitude(self) -> float:
        """Degrees north."""
        return self._points[0][1]


class PointReceptor(_AtOnePlace):
    """One position.

    Args:
        time: time of the measurement, UTC unless it carries a time zone.
        longitude: degrees east, -180 to 180.
        latitude: degrees north, -90 to 90.
        altitude: metres above ground, at least 0, or above sea level.
        altitude_ref: ``"agl"`` or ``"msl"``.
        labels: see :class:`Receptor`.

    Raises:
        UsageError: a value is missing or outside its range.
        TypeError: the time is a number.
    """

    __slots__ = ()
    kind = "point"

    @property
    def altitude(self) -> float:
        """Metres above ground or sea level."""
        return self._points[0][2]


class ColumnReceptor(_AtOnePlace):
    """A vertical line at one place; particles start evenly between ``bottom`` and ``top``.

    Args:
        time: time of the measurement, UTC unless it carries a time zone.
        longitude: degrees east, -180 to 180.
        latitude: degrees north, -90 to 90.
        bottom: lower end in metres above ground or sea level.
        top: upper end, strictly above ``bottom``.
        altitude_ref: ``"agl"`` or ``"msl"``.
        labels: see :class:`Receptor`.

    Raises:
        UsageError: a value is missing or outside its range.
        TypeError: the time is a number.
    """

    __slots__ = ()
    kind = "column"

    def __init__(
        self,
        time: TimeLike,
        longitude: float,
        latitude: float,
        bottom: float,
        top: float,
        *,
        altitude_ref: str = "agl",
        labels: Mapping[str, Any] | None = None,
    ) -> None:
        points = [(longitude, latitude, z) for z in (bottom, top)]
        self._fill(time, points, altitude_ref, labels)
        if not self.bottom < self.top:
            raise UsageError(f"a column's bottom must be below its top, got {bottom} m and {top} m")

    @property
    def bottom(self) -> float:
        """Lower end in metres above ground or sea level."""
        return self._points[0][2]

    @property
    def top(self) -> float:
        """Upper end in metres above ground or sea level."""
        return self._points[1][2]

    def _location_text(self) -> str:
        lon, lat, bottom, top = map(
            number_text, (self.longitude, self.latitude, self.bottom, self.top)
        )
        return f"{lon}_{lat}_X{bottom}-{top}"

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("longitude", "latitude", "bottom", "top")}

    def _shape(self) -> Any:
        import shapely

        return shapely.LineString(self._points)


class MultiPointReceptor(Receptor):
    """Two or more positions that share one simulation, such as a slanted line of sight.

    Args:
        time: time of the measurement, UTC unless it carries a time zone.
        longitudes: degrees east, one per point.
        latitudes: degrees north, one per point.
        altitudes: metres above ground or sea level, one per point.
        altitude_ref: ``"agl"`` or ``"msl"``.
        labels: see :class:`Receptor`.

    Raises:
        UsageError: unequal lengths, fewer than two points, two points that make a column, a point
            given twice, or a value outside its range.
        TypeError: the time is a number.
    """

    __slots__ = ()
    kind = "multipoint"

    def __init__(
        self,
        time: TimeLike,
        longitudes: Sequence[float],
        latitudes: Sequence[float],
        altitudes: Sequence[float],
        *,
        altitude_ref: str = "agl",
        labels: Mapping[str, Any] | None = None,
    ) -> None:
        lengths = len(longitudes), len(latitudes), len(altitudes)
        if len(set(lengths)) > 1:
            raise UsageError(
                "longitudes, latitudes and altitudes must have equal lengths, got "
                f"{lengths[0]}, {lengths[1]} and {lengths[2]}"
            )
        points = list(zip(longitudes, latitudes, altitudes, strict=True))
        # Such receptors would read back from receptors.csv as another kind, under another id.
        if len(points) < 2 or _is_column(points):
            raise UsageError(
                "a multi-point receptor needs two or more points, not two above one another: "
                "use Receptor.from_points, which picks the right kind"
            )
        self._fill(time, points, altitude_ref, labels)
        repeated = next((point for point, n in Counter(self._points).items() if n > 1), None)
        # A file joined with itself would turn a column into its two ends.
        if repeated is not None:
            lon, lat, alt = map(number_text, repeated)
            raise UsageError(
                f"the point at longitude {lon}, latitude {lat} and altitude {alt} m is given more "
                "than once: give each point of a receptor once"
            )

    @property
    def longitudes(self) -> tuple[float, ...]:
        """Degrees east, one per point, in the order given."""
        return tuple(point[0] for point in self._points)

    @property
    def latitudes(self) -> tuple[float, ...]:
        """Degrees north, one per point, in the order given."""
        return tuple(point[1] for point in self._points)

    @property
    def altitudes(self) -> tuple[float, ...]:
        """Metres above ground or sea level, one per point, in the order given."""
        return tuple(point[2] for point in self._points)

    def _location_text(self) -> str:
        return multipoint_location(self._points)

    def _fields(self) -> dict[str, Any]:
        return {
            name: list(getattr(self, name)) for name in ("longitudes", "latitudes", "altitudes")
        }

    def _shape(self) -> Any:
        import shapely

        return shapely.MultiPoint(self._points)


def require_particles(receptor: Receptor, numpar: int) -> None:
    """Check that every point of a receptor releases at least one particle.

    Points and columns need no more than one; several points need one each.

    Args:
        receptor: where particles are released.
        numpar: particles per receptor.

    Raises:
        TrajectoryError: TOO_FEW_PARTICLES, naming the number that is needed.
    """
    if isinstance(receptor, MultiPointReceptor) and len(receptor) > numpar:
        raise TrajectoryError(
            f"The receptor has {len(receptor)} points, and numpar is {numpar}, which leaves points "
            f"without a particle: set numpar to {len(receptor)} or more, or give it fewer points.",
            reason=Reason.TOO_FEW_PARTICLES,
        )


def release_points(receptor: Receptor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return longitudes (deg), latitudes (deg) and altitudes (m), each float64 of shape (n,).

    A column gives its bottom, then its top. The points of a multi-point receptor are sorted, so
    that equal receptors release their particles alike in whatever order they were written.
    """
    points = receptor._points
    if isinstance(receptor, MultiPointReceptor):
        points = tuple(sorted(points))
    lon, lat, alt = np.array(points, dtype=np.float64).T.copy()
    return lon, lat, alt


def all_points(
    receptors: Sequence[Receptor],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the points of many receptors, one receptor after the other.

    Returns:
        Longitudes (deg), latitudes (deg) and altitudes (m), each float64 of shape (n_points,), and
        the place in these of each receptor's first point, (n_receptors,).
    """
    points = [point for receptor in receptors for point in receptor._points]
    lon, lat, alt = np.array(points, dtype=np.float64).reshape(-1, 3).T.copy()
    counts = np.array([len(receptor) for receptor in receptors], dtype=np.intp)
    return lon, lat, alt, np.cumsum(counts) - counts


def _is_column(points: Sequence[tuple[float, float, float]]) -> bool:
    return len(points) == 2 and tuple(points[0][:2]) == tuple(points[1][:2])
