//! The table of methods: name, function, parameters, result. A macro that needs all methods visits the table.

/// Calls `$visit` with every method.
macro_rules! for_each_method {
    ($visit:ident) => {
        $visit! {
            "info" store::info: NoParams => StoreInfo;
            "health" store::health: NoParams => Option<Error>;
            "capabilities" store::capabilities: NoParams => crate::store::Capabilities;
            "verify" store::verify: NoParams => crate::store::VerifyReport;
            "store.changes" store::changes: ChangesParams => StoreChanges;
            "cvm.load" programs::load: LoadParams => crate::domain::cvm::LoadedProgram;
            "cvm.removeProgram" programs::remove: RemoveProgramParams => ();
            "cvm.programs" programs::list: ProgramsParams => crate::engine::ListPage<crate::engine::ProgramSummary>;
            "cvm.program" programs::program: ProgramParams => crate::engine::ProgramView;
            "cvm.programById" programs::program_by_id: ProgramByIdParams => crate::engine::ProgramView;
            "cvm.versions" programs::versions: VersionsParams => crate::engine::ListPage<crate::engine::VersionSummary>;
            "cvm.version" programs::version: VersionParams => crate::engine::VersionView;
            "cvm.versionOf" programs::version_of: ExecutionParams => crate::engine::VersionView;
            "cvm.start" executions::start: StartParams => crate::domain::cvm::ExecutionStatus;
            "cvm.next" executions::next: CommandParams => crate::domain::cvm::ExecutionStatus;
            "cvm.pause" executions::pause: CommandParams => crate::domain::cvm::ExecutionStatus;
            "cvm.unpause" executions::unpause: CommandParams => crate::domain::cvm::ExecutionStatus;
            "cvm.cancel" executions::cancel: CommandParams => crate::domain::cvm::ExecutionStatus;
            "cvm.retry" executions::retry: CommandParams => crate::domain::cvm::ExecutionStatus;
            "cvm.delete" executions::delete: CommandParams => ();
            "cvm.wake" executions::wake: ExecutionParams => ();
            "cvm.answer" executions::answer: AnswerParams => crate::domain::cvm::ExecutionStatus;
            "cvm.show" executions::show: ShowParams => crate::domain::cvm::Execution;
            "cvm.variables" executions::variables: VariablesParams => Vec<crate::vm::FrameView>;
            "cvm.glance" executions::progress: ProgressParams => crate::domain::cvm::ExecutionProgress;
            "cvm.output" executions::output: ExecutionParams => Vec<String>;
            "cvm.stands" executions::status: ExecutionParams => crate::domain::cvm::ExecutionStatusDetails;
            "cvm.list" executions::list: ListParams => Vec<crate::engine::ExecutionSummary>;
            "cvm.active" executions::active: ActiveParams => Vec<crate::engine::ExecutionSummary>;
            "cvm.history" executions::history: HistoryParams => Vec<crate::engine::ExecutionSummary>;
            "cvm.deleteFinished" executions::delete_finished: DeleteFinishedParams => crate::engine::DueReport;
            "cvm.countFinished" executions::count_finished: CountFinishedParams => u64;
            "cvm.claim" work::claim: ClaimParams => Option<crate::engine::Work>;
            "cvm.heartbeat" work::heartbeat: HeartbeatParams => crate::time::Timestamp;
            "cvm.complete" work::complete: CompleteParams => crate::domain::cvm::ExecutionStatus;
            "cvm.fail" work::fail: FailParams => crate::domain::cvm::FailedCall;
            "cvm.release" work::release: ReleaseParams => ();
            "cvm.runDue" work::run_due: RunDueParams => crate::engine::DueReport;
            "cvm.nextDue" work::next_due: NextDueParams => Option<crate::time::Timestamp>;
            "cvm.calls" queries::calls: CallsParams => crate::engine::ListPage<crate::engine::CallRow>;
            "cvm.slowest" queries::slowest: SlowestParams => Vec<crate::engine::CallRow>;
            "cvm.logs" queries::logs: LogsParams => crate::engine::LogPage;
            "cvm.stats" queries::stats: ProgramFilterParams => crate::engine::Stats;
            "cvm.statuses" queries::statuses: ProgramFilterParams => std::collections::BTreeMap<String, u64>;
            "cvm.latency" queries::latency: ProgramFilterParams => crate::engine::Latency;
            "cvm.latencyByProgram" queries::latency_by_program: NoParams => std::collections::BTreeMap<String, crate::engine::Latency>;
            "cvm.latencyByKind" queries::latency_by_kind: ProgramFilterParams => std::collections::BTreeMap<String, crate::engine::Latency>;
            "cvm.changes" queries::changes: CvmChangesParams => crate::engine::CvmChanges;
        }
    };
}

pub(in crate::wasm) use for_each_method;
