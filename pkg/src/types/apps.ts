// `runstate/apps`: the types of `rs.apps`. Those that other domains share are in `runstate/types`.

export type { Apps } from "../apps.js";
export type { ArtifactContent, Artifacts, PutArtifactOptions, ReadArtifactOptions } from "../artifacts.js";
export type { StepHandler, StepTask } from "../worker.js";
export type {
  App, AppConfiguration, AppConfigurationPage, AppExecution, AppExecutionPage, AppExecutionStatus,
  AppExecutionSummary, AppPage, AppRemoval, AppSuccess, Artifact, ArtifactPage, AuditRow, AuditRowPage, ClaimedStep,
  CleanUpReport, Compensation, Condition, Configuration, ConfigurationSummary, Delivery, DeliveryPage, Ending,
  ExecutionMetrics, ExecutionMetricsPage, FailedStep, FailurePolicy, FieldDefinition, FieldKind, GraphProgress,
  MetricSample, MetricSummary, MetricValues, Operand, Period, RecordedMetrics, RedeliveryCount, ReportRow, SearchHit,
  SearchHitPage, SearchKind, SearchedField, Step, StepDefaults, StepDefinition, StepDurations, StepInput, StepPage,
  StepProgress, StepRetry, StepWork, StepWorkerEvent, StorageType, Subscription, SubscriptionPage,
  SubscriptionSummary, WebhookSecret,
} from "../wire.js";
