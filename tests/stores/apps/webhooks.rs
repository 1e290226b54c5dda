//! Deliveries to real HTTP receivers on loopback ports, with a simulated clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use runstate::domain::apps::DOMAIN;
use runstate::engine::{Engine, Host, RunLimit};
use runstate::marker::BoxFuture;
use runstate::store::layer::Method;
use runstate::store::{Memory, Store};
use runstate::testing::{Fault, FaultStore};
use runstate::testing::{SimClock, SimIds};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use runstate::webhook::{WebhookClient, WebhookSettings};
use serde_json::json;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::subscriptions::SECRET;

const OK: &str = "204 No Content";

/// A message that a receiver got, whose signature it has verified.
#[derive(Clone, Debug)]
struct ReceivedMessage {
    path: String,
    id: String,
    body: String,
}

/// An HTTP receiver. `respond` gets the path and the number of earlier messages to it, and returns the head of the
/// response; `None`: it never responds.
struct WebhookReceiver {
    address: SocketAddr,
    messages: Arc<Mutex<Vec<ReceivedMessage>>>,
}

impl WebhookReceiver {
    async fn start(respond: impl Fn(&str, usize) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (messages, respond) = (Arc::<Mutex<Vec<ReceivedMessage>>>::default(), Arc::new(respond));
        let log = messages.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (log, respond) = (log.clone(), respond.clone());
                tokio::spawn(async move {
                    let Some(message) = read_message(&mut stream).await else { return };
                    let head = {
                        let mut log = log.lock().unwrap();
                        let earlier = log.iter().filter(|one| one.path == message.path).count();
                        log.push(message.clone());
                        respond(&message.path, earlier)
                    };
                    let Some(head) = head else { return std::future::pending().await };
                    let response = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    let _ = stream.write_all(response.as_bytes()).await;
                });
            }
        });
        Self { address, messages }
    }

    fn messages(&self, path: &str) -> Vec<ReceivedMessage> {
        self.messages.lock().unwrap().iter().filter(|message| message.path == path).cloned().collect()
    }
}

/// Reads one request, and verifies its signature as Standard Webhooks says. `None`: the connection was closed before.
async fn read_message(stream: &mut TcpStream) -> Option<ReceivedMessage> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = std::str::from_utf8(&bytes).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let headers: BTreeMap<&str, &str> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        if body.len() < headers["content-length"].parse::<usize>().unwrap() {
            continue;
        }
        let key = BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{body}", headers["webhook-id"], headers["webhook-timestamp"]).as_bytes());
        let signature = headers["webhook-signature"].strip_prefix("v1,").unwrap();
        mac.verify_slice(&BASE64_STANDARD.decode(signature).unwrap()).expect("the signature is valid");
        let path = head.split(' ').nth(1).unwrap().to_owned();
        return Some(ReceivedMessage { path, id: headers["webhook-id"].to_owned(), body: body.to_owned() });
    }
}

/// A host with a simulated clock. A sleep waits for a hundredth of its time, and does not move the clock.
#[derive(Clone, Debug, Default)]
struct TestHost {
    clock: SimClock,
    ids: SimIds,
}

impl Host for TestHost {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn entropy(&self) -> [u8; 10] {
        self.ids.entropy()
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        let span = Duration::from_millis((span.0 / 100).clamp(1, 100).unsigned_abs());
        Box::pin(async move { tokio::time::sleep(span).await })
    }
}

struct WebhookScene {
    host: TestHost,
    disk: Arc<Memory>,
    engine: Engine,
    trusted: Vec<String>,
}

impl WebhookScene {
    /// A scene whose workers trust these receivers.
    async fn new(receivers: &[&WebhookReceiver]) -> Self {
        let (host, disk) = (TestHost::default(), Arc::new(Memory::new()));
        let engine = Self::open(&host, disk.clone()).await;
        let trusted = receivers.iter().map(|receiver| receiver.address.to_string()).collect();
        Self { host, disk, engine, trusted }
    }

    async fn open(host: &TestHost, store: Arc<dyn Store>) -> Engine {
        Engine::new(store, Arc::new(host.clone()), &[&DOMAIN]).await.unwrap()
    }

    async fn call(&self, name: &str, parameters: Json) -> Json {
        self.engine.call(&format!("apps.{name}"), parameters.as_object().unwrap().clone()).await.unwrap()
    }

    async fn subscribe(&self, id: &str, url: String) {
        let parameters = json!({"url": url, "secret": SECRET, "events": ["apps.execution.failed"], "id": id});
        self.call("subscription.create", parameters).await;
    }

    /// Lets an execution fail.
    async fn fail_execution(&self) {
        let configuration = json!({"steps": [{"id": 1, "name": "a"}]});
        let version =
            json!({"appId": 1, "appName": "suite", "version": "1", "configuration": configuration, "activate": true});
        self.call("configuration.save", version).await;
        self.call("execution.start", json!({"appId": 1, "userId": "u", "id": "e"})).await;
        let work = self.call("step.claim", json!({"names": ["a"], "owner": "w"})).await;
        let failure = json!({"id": "e:1", "token": work["claimed"]["token"], "message": "broken", "permanent": true});
        self.call("step.fail", failure).await;
    }

    async fn deliveries(&self) -> Vec<Json> {
        self.call("delivery.list", json!({"limit": 1000})).await["items"].as_array().unwrap().clone()
    }

    fn client(&self, timeout: Millis) -> WebhookClient {
        WebhookClient::new(WebhookSettings { timeout, trusted_hosts: self.trusted.clone() }).unwrap()
    }

    /// Runs a worker until the condition holds for the deliveries.
    async fn work_until(&self, timeout: Millis, condition: impl Fn(&[Json]) -> bool + Send + Sync) {
        let condition = &condition;
        let stop = async move {
            while !condition(&self.deliveries().await) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let worker = runstate::client::webhook_worker(&self.engine, "w", self.client(timeout));
        let ended = tokio::time::timeout(Duration::from_secs(120), worker.run(stop)).await;
        ended.unwrap_or_else(|_| panic!("the condition does not become true")).unwrap();
    }

    /// Moves the clock to the next attempt of the only delivery.
    async fn wait_for_retry(&self) {
        let at = self.deliveries().await[0]["availableAt"].as_i64().unwrap();
        self.host.clock.set(Timestamp::from_millis(at));
    }
}

const TIMEOUT: Millis = Millis::seconds(15);

fn has_status<'a>(status: &'a str) -> impl Fn(&[Json]) -> bool + use<'a> {
    move |deliveries| !deliveries.is_empty() && deliveries.iter().all(|delivery| delivery["status"] == status)
}

/// Whether the only delivery has had so many attempts, and waits or has ended.
fn has_attempts(attempts: usize) -> impl Fn(&[Json]) -> bool {
    move |deliveries| deliveries.first().is_some_and(|one| one["attempts"] == attempts && one["status"] != "running")
}

#[tokio::test]
async fn a_failure_notifies_a_receiver_with_a_signed_message() {
    let receiver = WebhookReceiver::start(|_, _| Some(OK)).await;
    let scene = WebhookScene::new(&[&receiver]).await;
    scene.subscribe("s", format!("http://{}/hook", receiver.address)).await;
    scene.fail_execution().await;
    scene.work_until(TIMEOUT, has_status("delivered")).await;
    let [message] = receiver.messages("/hook").try_into().unwrap();
    let delivery = &scene.deliveries().await[0];
    assert_eq!((&json!(message.id), &json!(204)), (&delivery["id"], &delivery["responseStatus"]));
    let body: Json = serde_json::from_str(&message.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["id"]), (&json!("apps.execution.failed"), &json!("e")));
    assert_eq!(body["data"]["error"], json!({"message": "broken", "stepId": 1, "stepName": "a"}));
}

#[tokio::test]
async fn a_death_after_the_receipt_sends_the_message_again() {
    let receiver = WebhookReceiver::start(|_, _| Some(OK)).await;
    let scene = WebhookScene::new(&[&receiver]).await;
    scene.subscribe("s", format!("http://{}/hook", receiver.address)).await;
    scene.fail_execution().await;
    scene.engine.run_due(10, RunLimit::Stop).await.unwrap();
    // The claim is committed, the completion is not.
    let store = Arc::new(FaultStore::new(scene.disk.clone()));
    let dying = WebhookScene::open(&scene.host, store.clone()).await;
    store.plan(Method::Commit, 2, Fault::DieBefore);
    let worker = runstate::client::webhook_worker(&dying, "dying", scene.client(TIMEOUT));
    assert_eq!(worker.run(std::future::pending()).await.unwrap_err().code.as_str(), "closed");
    assert_eq!((receiver.messages("/hook").len(), &scene.deliveries().await[0]["status"]), (1, &json!("running")));
    scene.host.clock.advance(Millis::seconds(30));
    scene.work_until(TIMEOUT, has_attempts(1)).await;
    scene.wait_for_retry().await;
    scene.work_until(TIMEOUT, has_status("delivered")).await;
    let [first, second] = receiver.messages("/hook").try_into().unwrap();
    assert_eq!((first.id, first.body), (second.id, second.body));
}

#[tokio::test]
async fn a_receiver_that_always_fails_gets_ten_attempts_and_a_redelivery() {
    let receiver =
        WebhookReceiver::start(|_, earlier| Some(if earlier < 10 { "500 Internal Server Error" } else { OK })).await;
    let scene = WebhookScene::new(&[&receiver]).await;
    scene.subscribe("s", format!("http://{}/hook", receiver.address)).await;
    scene.fail_execution().await;
    let begun = scene.host.clock.now();
    for attempt in 1..10 {
        scene.work_until(TIMEOUT, has_attempts(attempt)).await;
        scene.wait_for_retry().await;
    }
    scene.work_until(TIMEOUT, has_status("dead")).await;
    let took = scene.host.clock.now().since(begun);
    assert!(took >= Millis::days(3) && took <= Millis::days(4), "{took:?}");
    let dead = scene.deliveries().await[0].clone();
    assert!(dead["error"].as_str().unwrap().ends_with("answered 500 Internal Server Error"), "{dead}");
    scene.call("subscription.redeliver", json!({"id": "s"})).await;
    scene.work_until(TIMEOUT, has_status("delivered")).await;
    let messages = receiver.messages("/hook");
    let ids: BTreeSet<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    assert_eq!((messages.len(), ids.len()), (11, 1));
}

#[tokio::test]
async fn a_receiver_that_hangs_is_tried_again() {
    let hangs = Arc::new(AtomicBool::new(true));
    let hanging = hangs.clone();
    let receiver = WebhookReceiver::start(move |_, _| (!hanging.load(Ordering::SeqCst)).then_some(OK)).await;
    let scene = WebhookScene::new(&[&receiver]).await;
    scene.subscribe("s", format!("http://{}/hook", receiver.address)).await;
    scene.fail_execution().await;
    scene.work_until(Millis(200), has_attempts(1)).await;
    let error = scene.deliveries().await[0]["error"].clone();
    assert_eq!(error, json!(format!("{} did not respond in time", receiver.address)));
    scene.wait_for_retry().await;
    hangs.store(false, Ordering::SeqCst);
    scene.work_until(TIMEOUT, has_status("delivered")).await;
}

#[tokio::test]
async fn private_addresses_are_not_reached() {
    let private = WebhookReceiver::start(|_, _| Some(OK)).await;
    let moved: &'static str =
        Box::leak(format!("307 Temporary Redirect\r\nlocation: http://{}/inside", private.address).into_boxed_str());
    let public = WebhookReceiver::start(move |_, _| Some(moved)).await;
    // Only the receiver that redirects is trusted.
    let scene = WebhookScene::new(&[&public]).await;
    for (id, url) in [
        ("redirect", format!("http://{}/hook", public.address)),
        ("http", format!("http://{}/inside", private.address)),
        ("https", format!("https://{}/inside", private.address)),
        ("name", format!("https://localhost:{}/inside", private.address.port())),
    ] {
        scene.subscribe(id, url).await;
    }
    scene.fail_execution().await;
    let have_ended = |deliveries: &[Json]| {
        deliveries.len() == 4 && deliveries.iter().all(|one| one["attempts"] == 1 && one["status"] != "running")
    };
    scene.work_until(TIMEOUT, have_ended).await;
    let deliveries = scene.deliveries().await;
    let of = |id: &str| deliveries.iter().find(|one| one["subscriptionId"] == id).unwrap();
    assert_eq!(of("redirect")["status"], "pending", "a receiver may be corrected");
    let error = of("redirect")["error"].as_str().unwrap();
    assert!(error.contains("a redirect to") && error.ends_with("which is not followed"), "{error}");
    for id in ["http", "https", "name"] {
        assert_eq!(of(id)["status"], "dead", "{}", of(id));
        assert!(!of(id)["error"].as_str().unwrap().contains("inside"));
    }
    assert!(private.messages("/inside").is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_gone_gets_no_further_message() {
    let receiver = WebhookReceiver::start(|_, _| Some("410 Gone")).await;
    let scene = WebhookScene::new(&[&receiver]).await;
    scene.subscribe("s", format!("http://{}/hook", receiver.address)).await;
    scene.fail_execution().await;
    scene.work_until(TIMEOUT, has_status("dead")).await;
    assert_eq!(scene.call("subscription.show", json!({"id": "s"})).await["active"], false);
    // The next failure makes no delivery.
    scene.call("step.retry", json!({"executionId": "e", "stepId": 1})).await;
    let work = scene.call("step.claim", json!({"names": ["a"], "owner": "w"})).await;
    let failure = json!({"id": "e:1", "token": work["claimed"]["token"], "message": "broken", "permanent": true});
    scene.call("step.fail", failure).await;
    scene.engine.run_due(10, RunLimit::Stop).await.unwrap();
    assert_eq!((scene.deliveries().await.len(), receiver.messages("/hook").len()), (1, 1));
}

#[tokio::test]
async fn a_receiver_that_hangs_does_not_delay_others() {
    let receiver = WebhookReceiver::start(|path, _| (path == "/fast").then_some(OK)).await;
    let scene = WebhookScene::new(&[&receiver]).await;
    scene.subscribe("slow", format!("http://{}/slow", receiver.address)).await;
    scene.subscribe("fast", format!("http://{}/fast", receiver.address)).await;
    for _ in 0..50 {
        scene.call("subscription.test", json!({"id": "slow"})).await;
    }
    scene.host.clock.advance(Millis(1));
    scene.call("subscription.test", json!({"id": "fast"})).await;
    // No request times out within the test.
    scene
        .work_until(Millis::minutes(10), |deliveries| {
            deliveries.iter().any(|one| one["subscriptionId"] == "fast" && one["status"] == "delivered")
        })
        .await;
    assert_eq!(receiver.messages("/fast").len(), 1);
    assert!(receiver.messages("/slow").len() <= 12, "about four at once");
}

#[tokio::test]
async fn many_subscriptions_get_one_message_each() {
    let receiver = WebhookReceiver::start(|_, _| Some(OK)).await;
    let scene = WebhookScene::new(&[&receiver]).await;
    for number in 0..100 {
        scene.subscribe(&format!("s{number}"), format!("http://{}/{number}", receiver.address)).await;
    }
    scene.fail_execution().await;
    scene.work_until(TIMEOUT, |deliveries| deliveries.len() == 100 && has_status("delivered")(deliveries)).await;
    let messages = receiver.messages.lock().unwrap().clone();
    let (paths, ids): (BTreeSet<String>, BTreeSet<String>) =
        messages.iter().map(|one| (one.path.clone(), one.id.clone())).unzip();
    assert_eq!((messages.len(), paths.len(), ids.len()), (100, 100, 100));
}
