use std::net::IpAddr;

use runstate_core::operation::{Failure, GONE};
use runstate_value::time::{Millis, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{WebhookClient, WebhookMessage, WebhookSecret, WebhookSettings, is_public, sign};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The expected text is of an independent implementation of HMAC-SHA-256.
#[test]
fn messages_are_signed_as_in_standard_webhooks() {
    let secret = WebhookSecret::parse(SECRET).unwrap();
    let sent_at = Timestamp::from_millis(1_614_265_330_999);
    let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", sent_at, r#"{"test": 2432232314}"#).unwrap();
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!((secret.to_text(), format!("{secret:?}")), (SECRET, "WebhookSecret".to_owned()));
}

#[test]
fn secrets_of_another_form_are_refused_without_showing_them() {
    for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_!!", &SECRET.repeat(9)] {
        let error = WebhookSecret::parse(text).unwrap_err();
        assert_eq!(error, "it must be `whsec_` and 24 to 64 bytes in base64");
    }
}

#[test]
fn special_addresses_are_not_public() {
    let public = ["1.1.1.1", "8.8.8.8", "100.63.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"];
    let special = [
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "ff02::1",
    ];
    for (addresses, expected) in [(public.as_slice(), true), (special.as_slice(), false)] {
        for address in addresses {
            assert_eq!(is_public(address.parse::<IpAddr>().unwrap()), expected, "{address}");
        }
    }
}

#[test]
fn urls_that_could_reach_inside_are_refused() {
    let trusted_hosts = vec!["hooks.internal".to_owned(), "127.0.0.1:8080".to_owned()];
    let client = WebhookClient::new(WebhookSettings { trusted_hosts, ..Default::default() }).unwrap();
    let accepted =
        ["https://example.com/hook", "https://1.1.1.1/", "http://hooks.internal/a", "http://127.0.0.1:8080/"];
    for url in accepted {
        assert_eq!(client.check(url), Ok(()), "{url}");
    }
    let refused = [
        ("https://127.0.0.1/", "not public"),
        ("https://127.0.0.1:8081/", "not public"),
        ("https://2130706433/", "not public"),
        ("https://0x7f.1/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[::ffff:169.254.169.254]/latest/meta-data", "not public"),
        ("http://example.com/", "trusted hosts only"),
        ("file:///etc/passwd", "not https"),
        ("https://user:pass@example.com/", "password"),
        ("not a url", "relative URL"),
    ];
    for (url, why) in refused {
        let failure = client.check(url).unwrap_err();
        assert!(failure.message.contains(why) && !failure.retry, "{url}: {failure:?}");
        assert!(!failure.message.contains("pass@") && !failure.message.contains("meta-data"), "{failure:?}");
    }
}

/// An HTTP receiver on a loopback port. It keeps what it received, and answers each message with the next response.
/// `None`: it never answers.
struct HttpReceiver {
    address: std::net::SocketAddr,
    /// The messages, and the connections that were not answered, which stay open.
    received: tokio::task::JoinHandle<(Vec<String>, Vec<TcpStream>)>,
}

impl HttpReceiver {
    async fn start(responses: Vec<Option<&'static str>>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = tokio::spawn(async move {
            let (mut received, mut unanswered) = (Vec::new(), Vec::new());
            for response in responses {
                let (mut stream, _) = listener.accept().await.unwrap();
                received.push(read_request(&mut stream).await);
                match response {
                    Some(head) => {
                        let response = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                        stream.write_all(response.as_bytes()).await.unwrap();
                    }
                    None => unanswered.push(stream),
                }
            }
            (received, unanswered)
        });
        Self { address, received }
    }

    fn client(&self, timeout: Millis) -> WebhookClient {
        let settings = WebhookSettings { timeout, trusted_hosts: vec![self.address.to_string()] };
        WebhookClient::new(settings).unwrap()
    }
}

/// One request with its body, which has a length.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the request is cut off");
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return text;
        }
    }
}

async fn deliver(client: &WebhookClient, url: &str) -> Result<u16, Failure> {
    let secret = WebhookSecret::parse(SECRET).unwrap();
    let sent_at = Timestamp::from_millis(1_614_265_330_000);
    client.deliver(WebhookMessage { id: "msg_1", sent_at, url, secret: &secret, body: r#"{"a":1}"# }).await
}

#[tokio::test]
async fn a_message_arrives_with_its_signature() {
    let receiver = HttpReceiver::start(vec![Some("204 No Content")]).await;
    let url = format!("http://{}/hook?token=t", receiver.address);
    assert_eq!(deliver(&receiver.client(Millis::minutes(1)), &url).await, Ok(204));
    let [request] = receiver.received.await.unwrap().0.try_into().unwrap();
    let signature = WebhookSecret::parse(SECRET).unwrap();
    let signature = sign(&signature, "msg_1", Timestamp::from_millis(1_614_265_330_000), r#"{"a":1}"#).unwrap();
    assert!(request.starts_with("POST /hook?token=t HTTP/1.1\r\n"), "{request}");
    for line in ["webhook-id: msg_1", "webhook-timestamp: 1614265330", &format!("webhook-signature: {signature}")] {
        assert!(request.lines().any(|found| found == line), "{line} is not in {request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
}

#[tokio::test]
async fn responses_without_success_are_failures() {
    let cases = [
        (Some("500 Internal Server Error"), true, "answered 500 Internal Server Error"),
        (Some("404 Not Found"), true, "answered 404 Not Found"),
        (Some("410 Gone"), false, "answered 410 Gone"),
        (
            Some("307 Temporary Redirect\r\nlocation: http://169.254.169.254/latest/meta-data"),
            true,
            "answered 307 Temporary Redirect, a redirect to 169.254.169.254, which is not followed",
        ),
        (None, true, "did not respond in time"),
    ];
    let receiver = HttpReceiver::start(cases.map(|(response, ..)| response).to_vec()).await;
    let client = receiver.client(Millis::minutes(1));
    for (response, retry, why) in cases {
        let client = if response.is_some() { client.clone() } else { receiver.client(Millis(200)) };
        let failure = deliver(&client, &format!("http://{}/secret", receiver.address)).await.unwrap_err();
        let name = (!retry).then(|| GONE.to_owned());
        let message = format!("{} {why}", receiver.address);
        assert_eq!(failure, Failure { message, name, retry, ..Failure::default() });
    }
    let address = receiver.address;
    assert_eq!(receiver.received.await.unwrap().0.len(), 5);
    let gone = deliver(&client, &format!("http://{address}/secret")).await.unwrap_err();
    assert!(gone.retry && gone.message.contains("was not reached") && !gone.message.contains("secret"), "{gone:?}");
}

#[tokio::test]
async fn a_receiver_says_when_it_may_be_asked_again() {
    // The message is sent at 15:02:10 GMT.
    const CASES: [(&str, Option<i64>); 14] = [
        ("429 Too Many Requests\r\nretry-after: 120", Some(120_000)),
        ("503 Service Unavailable\r\nRetry-After:   7  ", Some(7_000)),
        ("500 Internal Server Error\r\nretry-after: Thu, 25 Feb 2021 15:03:10 GMT", Some(60_000)),
        ("307 Temporary Redirect\r\nretry-after: 0", Some(0)),
        ("429 Too Many Requests\r\nretry-after: Thu, 25 Feb 2021 15:02:09 GMT", Some(0)),
        ("429 Too Many Requests\r\nretry-after: 10\r\nretry-after: 20", Some(20_000)),
        ("429 Too Many Requests\r\nretry-after: soon\r\nretry-after: 20", Some(20_000)),
        ("429 Too Many Requests\r\nretry-after: 99999999999999999999", Some(i64::MAX)),
        ("429 Too Many Requests\r\nretry-after: 9223372036854775807", Some(i64::MAX)),
        ("429 Too Many Requests\r\nretry-after: -5", None),
        ("429 Too Many Requests\r\nretry-after: 1e30", None),
        ("429 Too Many Requests\r\nretry-after: 1.5", None),
        ("429 Too Many Requests\r\nretry-after: ", None),
        ("429 Too Many Requests", None),
    ];
    let receiver = HttpReceiver::start(CASES.map(|(response, _)| Some(response)).to_vec()).await;
    let client = receiver.client(Millis::minutes(1));
    for (response, wait) in CASES {
        let failure = deliver(&client, &format!("http://{}/", receiver.address)).await.unwrap_err();
        assert_eq!((failure.retry, failure.retry_after), (true, wait.map(Millis)), "{response}");
    }
}

#[tokio::test]
async fn a_name_of_this_machine_is_not_reached() {
    let client = WebhookClient::new(WebhookSettings::default()).unwrap();
    let failure = deliver(&client, "https://localhost/").await.unwrap_err();
    assert!(!failure.retry && failure.message.contains("localhost has an address that is not public"), "{failure:?}");
}
