//! Random commands of the domains `apps` and `cvm`. A command may fail, because the process dies or because it does not
//! fit the state.

use runstate::client::Cvm;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::Engine;
use runstate::id::CommandId;
use runstate::testing::SimIds;
use serde_json::{Value as Json, json};

const PROGRAM: &str = "const all = []; for (let i = 0; i < 3; i++) { all.push(CC('next?')); console.log(i, all); } all";

/// The commands so far.
#[derive(Default)]
pub struct RandomCommands {
    number: u32,
    claims: Vec<Json>,
}

impl RandomCommands {
    pub async fn run_next(&mut self, engine: &Engine, ids: &SimIds) {
        self.number += 1;
        let (number, cvm) = (self.number, Cvm::new(engine));
        let id = CommandId::new(&format!("command-{number}")).unwrap();
        let any = |prefix: &str| format!("{prefix}{}", ids.below(number as usize + 1));
        match ids.below(10) {
            0 => {
                let steps = json!([
                    {"id": 1, "name": "s", "retry": {"max_attempts": 2, "backoff_ms": 1}},
                    {"id": 2, "name": "s", "depends_on": [1]}
                ]);
                let version = json!({
                    "appId": 1, "appName": "suite", "version": number.to_string(), "configuration": {"steps": steps}, "activate": true
                });
                call(engine, "apps.configuration.save", version).await;
            }
            1 | 2 => {
                let started = json!({"appId": 1, "userId": "u", "id": format!("e{number}"), "input": {}});
                call(engine, "apps.execution.start", started).await;
            }
            3 | 4 => self.claims.extend(call(engine, "apps.step.claim", json!({"names": ["s"], "owner": "w"})).await),
            5 => {
                if let Some(work) = self.claims.pop() {
                    let claimed = &work["claimed"];
                    let end = json!({"id": claimed["id"], "token": claimed["token"], "output": {"n": number}});
                    call(engine, "apps.step.complete", end).await;
                }
            }
            6 => {
                let bytecode = runstate::lang::compile("p.ts", PROGRAM).unwrap().bytecode;
                _ = cvm.load(&Load::new("p", PROGRAM, bytecode)).await;
            }
            7 => _ = cvm.with_id(&id).start(&Start::new("p").id(&format!("r{number}"))).await,
            8 => _ = cvm.with_id(&id).answer(&any("r"), number.to_string()).await,
            _ => {
                let execution = json!({"executionId": any("e")});
                call(engine, ["apps.execution.cancel", "cvm.delete"][ids.below(2)], execution).await;
            }
        }
    }
}

async fn call(engine: &Engine, name: &str, parameters: Json) -> Option<Json> {
    engine.call(name, parameters.as_object().unwrap().clone()).await.ok().filter(|result| !result.is_null())
}
