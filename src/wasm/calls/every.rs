//! The table of methods: name, function, parameters, result. Whoever needs all of them visits it with a macro.

/// Calls `$visit` with every method.
macro_rules! call {
    ($visit:ident) => {
        $visit! {
            "info" store::info: Nothing => StoreInfo;
            "health" store::health: Nothing => Option<Error>;
            "capabilities" store::capabilities: Nothing => crate::store::Capabilities;
            "verify" store::verify: Nothing => crate::store::Report;
            "store.changes" store::changes: ChangesParams => StoreChanges;
            "cvm.load" programs::load: LoadParams => crate::domain::cvm::LoadedProgram;
            "cvm.removeProgram" programs::remove: RemoveProgramParams => ();
            "cvm.programs" programs::list: ProgramsParams => crate::engine::Paged<crate::engine::ProgramSummary>;
            "cvm.program" programs::program: ProgramParams => crate::engine::ProgramView;
            "cvm.programById" programs::program_by_id: ProgramByIdParams => crate::engine::ProgramView;
            "cvm.versions" programs::versions: VersionsParams => crate::engine::Paged<crate::engine::VersionSummary>;
            "cvm.version" programs::version: VersionParams => crate::engine::VersionView;
            "cvm.versionOf" programs::version_of: ExecutionParams => crate::engine::VersionView;
            "cvm.start" runs::start: StartParams => crate::domain::cvm::Reached;
            "cvm.next" runs::next: CommandParams => crate::domain::cvm::Reached;
            "cvm.pause" runs::pause: CommandParams => crate::domain::cvm::Reached;
            "cvm.unpause" runs::unpause: CommandParams => crate::domain::cvm::Reached;
            "cvm.cancel" runs::cancel: CommandParams => crate::domain::cvm::Reached;
            "cvm.retry" runs::retry: CommandParams => crate::domain::cvm::Reached;
            "cvm.delete" runs::delete: CommandParams => ();
            "cvm.wake" runs::wake: ExecutionParams => ();
            "cvm.answer" runs::answer: AnswerParams => crate::domain::cvm::Reached;
            "cvm.show" runs::show: ShowParams => crate::domain::cvm::ExecutionView;
            "cvm.variables" runs::variables: VariablesParams => Vec<crate::vm::FrameView>;
            "cvm.glance" runs::glance: GlanceParams => crate::domain::cvm::Seen;
            "cvm.output" runs::output: ExecutionParams => Vec<String>;
            "cvm.stands" runs::stands: ExecutionParams => crate::domain::cvm::Standing;
            "cvm.list" runs::list: ListParams => Vec<crate::engine::Summary>;
            "cvm.active" runs::active: ActiveParams => Vec<crate::engine::Summary>;
            "cvm.history" runs::history: HistoryParams => Vec<crate::engine::Summary>;
            "cvm.deleteFinished" runs::delete_finished: DeleteFinishedParams => crate::engine::Due;
            "cvm.countFinished" runs::count_finished: CountFinishedParams => u64;
            "cvm.claim" work::claim: ClaimParams => Option<crate::engine::Work>;
            "cvm.heartbeat" work::heartbeat: HeartbeatParams => crate::time::Timestamp;
            "cvm.complete" work::complete: CompleteParams => crate::domain::cvm::Reached;
            "cvm.fail" work::fail: FailParams => crate::domain::cvm::FailedCall;
            "cvm.release" work::release: ReleaseParams => ();
            "cvm.runDue" work::run_due: RunDueParams => crate::engine::Due;
            "cvm.nextDue" work::next_due: NextDueParams => Option<crate::time::Timestamp>;
            "cvm.calls" look::calls: CallsParams => crate::engine::Paged<crate::engine::CallRow>;
            "cvm.slowest" look::slowest: SlowestParams => Vec<crate::engine::CallRow>;
            "cvm.logs" look::logs: LogsParams => crate::engine::LogPage;
            "cvm.stats" look::stats: OfProgramParams => crate::engine::Stats;
            "cvm.statuses" look::statuses: OfProgramParams => std::collections::BTreeMap<String, u64>;
            "cvm.latency" look::latency: OfProgramParams => crate::engine::Latency;
            "cvm.latencyByProgram" look::latency_by_program: Nothing => std::collections::BTreeMap<String, crate::engine::Latency>;
            "cvm.latencyByKind" look::latency_by_kind: OfProgramParams => std::collections::BTreeMap<String, crate::engine::Latency>;
            "cvm.changes" look::changes: CvmChangesParams => crate::engine::CvmChanges;
        }
    };
}

pub(in crate::wasm) use call;
