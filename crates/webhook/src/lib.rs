//! Webhooks: messages over HTTP, signed as in [Standard Webhooks] 1.0.0.
//!
//! The target of a webhook is data that a caller wrote, so a client refuses every address that is not public: of this
//! machine, of the networks around it, of a cloud's metadata. It checks the addresses to which a name resolves, and
//! connects to no other. It follows no redirect. Hosts that the owner names are exempt.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
pub use runstate_core::operation::WebhookSecret;
use runstate_core::operation::{Failure, GONE};
use runstate_tls as tls;
use runstate_value::time::{Millis, Timestamp};
use sha2::Sha256;

/// The settings of a [`WebhookClient`].
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The time for one delivery, from the resolution of the name to the head of the response; by default 15 seconds.
    pub timeout: Millis,
    /// Hosts, as `host` or `host:port`, that may have an address that is not public and may be reached without TLS; by
    /// default none.
    pub trusted_hosts: Vec<String>,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self { timeout: Millis::seconds(15), trusted_hosts: Vec::new() }
    }
}

/// One message to one target.
#[derive(Clone, Copy, Debug)]
pub struct WebhookMessage<'a> {
    /// Its id, the same in every attempt: receivers recognize a repeat by it.
    pub id: &'a str,
    /// The time of the attempt. Receivers refuse old messages by it.
    pub sent_at: Timestamp,
    /// The target: `https://…`.
    pub url: &'a str,
    /// The key of the signature.
    pub secret: &'a WebhookSecret,
    /// JSON.
    pub body: &'a str,
}

/// The signature of a message under the key of its receiver: `v1,` and the HMAC-SHA-256 of `id.seconds.body` in base64.
fn sign(secret: &WebhookSecret, id: &str, sent_at: Timestamp, body: &str) -> Result<String, Failure> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&secret.to_bytes()).map_err(|error| Failure::permanent(error.to_string()))?;
    mac.update(format!("{id}.{}.{body}", seconds(sent_at)).as_bytes());
    Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// Sends webhooks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WebhookClient {
    client: Client,
    trusted: TrustedHosts,
}

impl WebhookClient {
    /// Creates a client. Errors: the system's certificates cannot be read.
    pub fn new(settings: WebhookSettings) -> Result<Self, Failure> {
        let trusted = TrustedHosts(settings.trusted_hosts.into());
        let tls = tls::client_config()?;
        let timeout = Duration::from_millis(u64::try_from(settings.timeout.0).unwrap_or_default());
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(PublicResolver(trusted.clone()))
            .redirect(Policy::none())
            // A proxy of the environment would resolve the name itself.
            .no_proxy()
            .timeout(timeout)
            .user_agent(tls::USER_AGENT)
            .build()?;
        Ok(Self { client, trusted })
    }

    /// Rejects a URL to which no message can be sent. [`WebhookClient::deliver`] checks the addresses to which its name
    /// resolves.
    pub fn check(&self, url: &str) -> Result<(), Failure> {
        self.target(url).map(|_| ())
    }

    /// Sends one message. Returns the status of the response, which is a success.
    ///
    /// Errors: not retried are a URL or an address that is refused, and the status 410 (its name is [`GONE`]). All
    /// others are: another status, a redirect, no response in time; not before the time in the header `Retry-After`. The text contains no part of the URL but its host,
    /// since the path often is a secret.
    pub async fn deliver(&self, message: WebhookMessage<'_>) -> Result<u16, Failure> {
        let url = self.target(message.url)?;
        let signature = sign(message.secret, message.id, message.sent_at, message.body)?;
        let headers = headers(&message, &signature)
            .map_err(|_| Failure::permanent("the id of the message does not fit in a header"))?;
        let host = host_and_port(&url);
        let request = self.client.post(url).headers(headers).body(message.body.to_owned());
        let response = request.send().await.map_err(|error| unsent(&host, error))?;
        if response.status().is_success() {
            return Ok(response.status().as_u16());
        }
        let failure = refusal(&host, &response);
        let wait = retry_after(response.headers(), message.sent_at);
        Err(Failure { retry_after: wait, ..failure })
    }

    /// The URL, if messages may be sent to it.
    fn target(&self, url: &str) -> Result<Url, Failure> {
        let refused = |why: &str| Failure::permanent(format!("the URL of the webhook is refused: {why}"));
        let url = Url::parse(url).map_err(|error| refused(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it contains a user name or password"));
        }
        let host = host_and_port(&url);
        let is_trusted = self.trusted.contains_target(&url);
        match url.scheme() {
            "https" => {}
            "http" if is_trusted => {}
            "http" => return Err(refused(&format!("`http` is for trusted hosts only, and {host} is not one"))),
            _ => return Err(refused("its scheme is not https")),
        }
        let address = match url.host() {
            Some(url::Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(url::Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(url::Host::Domain(_)) => None,
            None => return Err(refused("it has no host")),
        };
        match address {
            Some(address) if !is_trusted && !is_public(address) => Err(refused(&not_public(&host))),
            _ => Ok(url),
        }
    }
}

/// Hosts that may have an address that is not public.
#[derive(Clone, Debug)]
struct TrustedHosts(Arc<[String]>);

impl TrustedHosts {
    /// Whether one of them is the host of this URL, with its port if that was named.
    fn contains_target(&self, url: &Url) -> bool {
        let (host, with_port) = (url.host_str().unwrap_or_default(), host_and_port(url));
        self.0.iter().any(|trusted| trusted == host || *trusted == with_port)
    }

    /// Whether a URL with this name was let through because of its host. The resolver does not know the port, which was
    /// checked before.
    fn contains_name(&self, name: &str) -> bool {
        self.0.iter().any(|trusted| trusted.split(':').next() == Some(name))
    }
}

/// Resolves names as the system does, and refuses those with an address that is not public.
struct PublicResolver(TrustedHosts);

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = self.0.contains_name(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !trusted && found.iter().any(|address| !is_public(address.ip())) {
                return Err(NotPublic(not_public(name.as_str())).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The error for a name with an address that is not public.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotPublic(String);

/// Whether an address is of the public internet, by the registries of special-purpose addresses of IANA (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && b & 0b1100_0000 == 64;
    let is_protocol = (a, b, c) == (192, 0, 0);
    let is_benchmark = a == 198 && b & 0b1111_1110 == 18;
    let is_relay = (a, b, c) == (192, 88, 99);
    let is_special =
        address.is_private() || address.is_loopback() || address.is_link_local() || address.is_documentation();
    // 0.0.0.0/8, multicast 224.0.0.0/4 and reserved 240.0.0.0/4.
    !(a == 0 || a >= 224 || is_shared || is_protocol || is_benchmark || is_relay || is_special)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Global unicast is 2000::/3. Of it, 2001::/23 is for protocols such as Teredo, 2001:db8::/32 and 3fff::/20 are for
    // documentation, and 2002::/16 contains addresses of version 4.
    let is_protocol = a == 0x2001 && b < 0x200;
    let is_documentation = (a, b) == (0x2001, 0xdb8) || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && a != 0x2002 && !is_protocol && !is_documentation
}

/// The headers of a message by Standard Webhooks.
fn headers(message: &WebhookMessage<'_>, signature: &str) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", HeaderValue::from_str(message.id)?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds(message.sent_at)));
    headers.insert("webhook-signature", HeaderValue::from_str(signature)?);
    Ok(headers)
}

fn seconds(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(1_000)
}

/// The host of a URL, and its port if the URL names one.
fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn not_public(host: &str) -> String {
    format!("{host} has an address that is not public, and is not a trusted host")
}

/// No response: the name, the connection, TLS, or the time.
fn unsent(host: &str, error: reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::new(format!("{host} did not respond in time"));
    }
    // The innermost cause says most. Without the URL, whose path may be a secret.
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let message = format!("{host} was not reached: {cause}");
    if cause.is::<NotPublic>() { Failure::permanent(message) } else { Failure::new(message) }
}

/// The wait that a response asks for: seconds, or the time until a date (RFC 9110, 10.2.3). Other values are ignored. Of
/// several the longest counts.
fn retry_after(headers: &HeaderMap, sent_at: Timestamp) -> Option<Millis> {
    let waits = headers.get_all(RETRY_AFTER).iter().filter_map(|value| {
        let text = value.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // Only a number that is too large is not parsed.
            return Some(Millis(text.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(1_000)));
        }
        let date = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let at = Timestamp::from_millis(i64::try_from(date.as_millis()).unwrap_or(i64::MAX));
        Some(at.since(sent_at).max(Millis(0)))
    });
    waits.max()
}

/// The failure that a response without success means.
fn refusal(host: &str, response: &Response) -> Failure {
    let status = response.status();
    let answered = format!("{host} answered {status}");
    if status == StatusCode::GONE {
        return Failure::permanent(answered).with_name(GONE);
    }
    if !status.is_redirection() {
        return Failure::new(answered);
    }
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let target =
        location.and_then(|location| Url::parse(location).ok()).map(|url| format!(" to {}", host_and_port(&url)));
    Failure::new(format!("{answered}, a redirect{}, which is not followed", target.unwrap_or_default()))
}
