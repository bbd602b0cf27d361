"""A backend that computes in the calling process, without Prefect."""

from stilt.execution import plan_run
from stilt.execution.backend import NoExtras
from stilt.execution.crews import InlineCrew
from stilt.execution.engine import run_plan
from stilt.execution.runs import EndedJob, outcome_of
from stilt.project.holders import Share


class Inline(NoExtras):
    """Computes what it is asked for, or only the first ``part`` of it; ``asked`` keeps it."""

    name, dispatch, n_workers, detaches, on_this_machine = "inline", "push", 1, False, True

    def __init__(self, part=None):
        self.part = part
        self.asked = []

    def start(self, project, sim_ids, *, skip_existing=None, observer=None):
        self.asked.append(list(sim_ids))
        plan = self.plan(project, Share(list(sim_ids)[: self.part]), skip_existing)
        run_plan(project, plan, self.crew(project, plan), observer)
        return EndedJob(outcome_of(project, sim_ids))

    def plan(self, project, share, skip_existing=None):
        return plan_run(project, share.mine, 1, skip_existing=skip_existing)

    def crew(self, project, plan):
        return InlineCrew(project)
