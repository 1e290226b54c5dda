// `runstate/sessions`: the types of `rs.sessions`. Those that other domains share are in `runstate/types`.

export type {
  Health, Machine, MachinePage, MachineStatus, MachineSummary, ProjectCounts, Recovery, RecoveryRow, RemovalRow,
  RemovalRowPage, Session, SessionDeletion, SessionHealth, SessionPage, SessionStatus, SessionSummary, SlotChoice,
  Task, TaskClaim, TaskCleanUp, TaskPage, TaskProgress, TaskStatus, TaskSummary,
} from "../wire.js";
