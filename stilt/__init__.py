"""stilt: where the air of a measurement came from, and which surface influenced it.

Names are loaded when first used: ``import stilt`` costs no JAX, no Prefect, no matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stilt.installation import refuse_pystilt
from stilt.lazy import loader
from stilt.version import __version__ as __version__

if TYPE_CHECKING:
    from stilt.answers.sensitivity import sensitivity as sensitivity
    from stilt.config import Bounds as Bounds
    from stilt.config import ExecutionConfig as ExecutionConfig
    from stilt.config import FootprintConfig as FootprintConfig
    from stilt.config import Grid as Grid
    from stilt.config import MetConfig as MetConfig
    from stilt.config import ModelConfig as ModelConfig
    from stilt.execution import pull_simulations as pull_simulations
    from stilt.execution import push_simulations as push_simulations
    from stilt.footprint import Footprint as Footprint
    from stilt.model import Model as Model
    from stilt.receptors import ColumnReceptor as ColumnReceptor
    from stilt.receptors import LocationID as LocationID
    from stilt.receptors import MultiPointReceptor as MultiPointReceptor
    from stilt.receptors import PointReceptor as PointReceptor
    from stilt.receptors import Receptor as Receptor
    from stilt.receptors import ReceptorID as ReceptorID
    from stilt.receptors import SimID as SimID
    from stilt.receptors import read_receptors as read_receptors
    from stilt.simulation import Simulation as Simulation
    from stilt.trajectories import Trajectories as Trajectories
    from stilt.transport.point_meteorology import sample_meteorology as sample_meteorology

refuse_pystilt()

_HOME = {
    "Bounds": "config",
    "ColumnReceptor": "receptors",
    "ExecutionConfig": "config",
    "Footprint": "footprint",
    "FootprintConfig": "config",
    "Grid": "config",
    "LocationID": "receptors",
    "MetConfig": "config",
    "Model": "model",
    "ModelConfig": "config",
    "MultiPointReceptor": "receptors",
    "PointReceptor": "receptors",
    "Receptor": "receptors",
    "ReceptorID": "receptors",
    "SimID": "receptors",
    "Simulation": "simulation",
    "Trajectories": "trajectories",
    "pull_simulations": "execution",
    "push_simulations": "execution",
    "read_receptors": "receptors",
    "sensitivity": "answers.sensitivity",
    "sample_meteorology": "transport.point_meteorology",
}

__all__ = [*sorted(_HOME), "__version__"]

__getattr__ = loader(__name__, _HOME)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted([*globals(), *__all__])
