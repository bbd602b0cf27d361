"""A project on disk: its layout, its inputs, the index of its outputs, and claims on them."""

from stilt.project.index import Index
from stilt.project.inputs import Project
from stilt.project.layout import ProjectLayout
from stilt.project.states import Counts

__all__ = ["Counts", "Index", "Project", "ProjectLayout"]
