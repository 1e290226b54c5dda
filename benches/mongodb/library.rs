//! An execution on the store.

use std::sync::Arc;

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost};
use runstate::store::mongodb::{Mongo, MongoOptions};

use super::BenchError;

/// An execution that repeatedly makes a call.
pub struct AnsweredExecution {
    store: Arc<Mongo>,
    cvm: Cvm,
}

impl AnsweredExecution {
    pub async fn begin(url: &str) -> Result<Self, BenchError> {
        let store = Arc::new(Mongo::open(url, MongoOptions::default()).await?);
        let cvm = Self::engine(&store).await?;
        let source = r#"for (let i = 0; ; i++) console.log(i, CC("next?"))"#;
        let bytecode =
            runstate::lang::compile("asks.ts", source).map_err(|diagnostics| format!("{diagnostics:?}"))?.bytecode;
        cvm.load(&Load::new("asks", source, bytecode)).await?;
        cvm.start(&Start::new("asks").id("run")).await?;
        Ok(Self { store, cvm })
    }

    async fn engine(store: &Arc<Mongo>) -> Result<Cvm, BenchError> {
        let domains = runstate::domain::ALL;
        Ok(Cvm::new(&Engine::with_settings(store.clone(), Arc::new(SystemHost), domains, Settings::default()).await?))
    }

    /// Continues as a process that has nothing cached.
    pub async fn forget(&mut self) -> Result<(), BenchError> {
        self.cvm = Self::engine(&self.store).await?;
        Ok(())
    }

    /// The id of the call that it waits for, as a client that answers it has read it.
    pub async fn open_call(&self) -> Result<String, BenchError> {
        Ok(self.cvm.status("run").await?.call.ok_or("the execution has no open call")?)
    }

    pub async fn answer(&self, call: &str) -> Result<(), BenchError> {
        self.cvm.answer("run", Answer::to_call(call).value("yes")).await?;
        Ok(())
    }
}
