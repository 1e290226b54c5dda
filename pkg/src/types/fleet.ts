// `runstate/fleet`: the types of `rs.fleet` and `rs.budgets`. Those that other domains share are in `runstate/types`.

export type { Budgets } from "../budgets.js";
export type {
  AdoptedHub, Arm, ArmData, Better, BudgetAccount, BudgetAccountPage, BudgetEvent, BudgetEventKind, BudgetEventPage,
  BudgetPeriod, BudgetPlan, BudgetSummary, Checkpoint, CheckpointPage, CheckpointSummary, CheckpointTrigger,
  CheckpointType, CheckpointWork, DeletedCheckpoint, ExchangeRate, ExchangeRatePage, ExchangeRateSummary,
  ExperimentResult, ExperimentStatus, ExperimentSummary, FailedVerification, FileChange, FileChangeKind, FileEntry,
  GreedinessChange, GreedinessChangePage, HubCheckpoint, HubCheckpointPage, HubCheckpointStatus, HubCheckpointSummary,
  HubCheckpointType, HubExperiment, HubExperimentPage, HubInstance, HubInstancePage, HubStatus, HubSummary, HubType,
  IntelligentMachine, IntelligentMachinePage, IntelligentMachineStatus, IntelligentMachineSummary, MachineActivity,
  MachinePerformance, MachineType, MachineTypePage, MachineTypeScore, MaintenanceRow, MaintenanceRowPage, MetricData,
  Project, ProjectPage, ProjectShare, ProjectStatus, ProjectSummary, ProjectUsage, QueuedVerification,
  QueuedVerificationPage, RecordedUsage, RegisteredMachineType, ReservationStatus, ReservationSummary, ReservedAmount,
  ResourceBudget, ResourceBudgetPage, ResourceReservation, ResourceReservationPage, ResourceTotals, ResourceType,
  ResourceUsage, ResourceUsagePage, SuccessMetric, Unit, UpkeepTask, VerificationStatus, WorkingStatus,
} from "../wire.js";
