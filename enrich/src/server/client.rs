//! One request to one server. It connects to the address it is given and nowhere else: no redirect is followed, and no
//! proxy is taken from the environment.

use super::body::{ERROR_WITH_200, decoded, excerpt};
use super::packed::{Packing, unpacked};
use super::retry::retry_after;
use super::trust;
use super::verdict::{advice, wait_in_body};
use crate::{Error, Result};
use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};
use ureq::Agent;
use ureq::http::{Response, Uri};
use ureq::tls::TlsConfig;

/// The paths of what is asked of a server.
pub(crate) const CHAT: &str = "/chat/completions";
pub(crate) const EMBEDDINGS: &str = "/embeddings";

/// What tells an address of Azure's, and is the only thing that may stand behind a question mark.
const AZURE: &str = "?api-version=";

const NO_TLS: &str =
    "the server does not speak TLS, or not with us; if it wants plain http, write http:// in its address";

/// A key for the servers. It is not shown by `Debug`, not written to any file, and cut out of what servers say.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes the key from an environment variable; none if that is not set or empty.
    ///
    /// # Errors
    /// If it has characters that no key has.
    pub fn from_env(variable: &str) -> Result<Option<Self>> {
        let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) else { return Ok(None) };
        match value.to_str().map(str::trim) {
            Some(key) if key.bytes().all(|b| b.is_ascii_graphic()) => Ok(Some(Self(key.to_string()))),
            _ => Err(Error::Config(format!("{variable}: not a key; it has characters that cannot be sent"))),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Reply<T> {
    /// The model answered.
    Answer(T),
    /// The server will not take this request, now or later: what to tell, and the server's own words.
    Rejected { reason: String, said: String },
    /// It did not work this time; the server may have said how long to wait.
    Failed { reason: String, wait: Option<Duration> },
    /// The server has too much to do, which is no fault of the request.
    Busy { reason: String, wait: Option<Duration> },
    /// There was nobody to ask: no item is to blame for that.
    Unreachable(String),
    /// It will not work here: wrong key, wrong address, wrong model, or a redirect.
    Unusable(String),
}

pub(crate) struct Client {
    agent: Agent,
    key: Option<ApiKey>,
}

impl Client {
    /// A client for some addresses.
    ///
    /// # Errors
    /// Certificates that are named but cannot be read.
    pub(crate) fn new(
        key: Option<ApiKey>,
        timeout: Duration,
        n_connections: usize,
        endpoints: &[String],
    ) -> Result<Self> {
        let is_tls = endpoints.iter().any(|endpoint| endpoint.starts_with("https:"));
        let roots = if is_tls { trust::roots()? } else { ureq::tls::RootCerts::WebPki };
        let config = Agent::config_builder()
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(Duration::from_secs(20))))
            .max_idle_connections(n_connections.saturating_mul(4))
            .max_idle_connections_per_host(n_connections)
            .user_agent(concat!("viral/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.into(), key })
    }

    /// Sends a request to a server whose address [`endpoint`] made; `parse` gets the body of a good answer, of no more
    /// than `max_answer` bytes.
    pub(crate) fn post<T>(
        &self,
        endpoint: &str,
        body: &[u8],
        max_answer: u64,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
    ) -> Reply<T> {
        let mut request = self.agent.post(endpoint).header("content-type", "application/json");
        request = request.header("accept-encoding", "identity");
        if let Some(ApiKey(key)) = &self.key {
            let (name, value) = authorization(endpoint, key);
            request = request.header(name, value);
        }
        let failed = |reason: String| Reply::Failed { reason: self.redacted(reason), wait: None };
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(error) => return self.without_response(endpoint, &error),
        };
        let wait = header(&response, "retry-after").and_then(|value| retry_after(value, SystemTime::now()));
        let location = header(&response, "location").map(|to| excerpt(to.as_bytes())).unwrap_or_default();
        let encoding = response.headers().get_all("content-encoding").iter().filter_map(|value| value.to_str().ok());
        let encoding = encoding.collect::<Vec<_>>().join(",");
        let content_type = header(&response, "content-type").unwrap_or_default().to_string();
        let status = response.status().as_u16();
        let raw = response.body_mut().with_config().limit(max_answer).read_to_vec();
        let body = match raw.as_deref().map(|raw| unpacked(raw, &encoding, max_answer)) {
            Ok(Ok(body)) => Ok(decoded(body, &content_type)),
            Ok(Err(Packing::Broken(what))) => Err(what),
            Ok(Err(Packing::Unknown(name))) if (200..300).contains(&status) => {
                let name = excerpt(name.as_bytes());
                let advice = "turn that off in the server or in the proxy before it";
                return Reply::Unusable(format!("answers packed with '{name}', which nobody asked for; {advice}"));
            }
            Ok(Err(Packing::Unknown(_))) => Ok(Cow::default()),
            Err(error) => Err(error.to_string()),
        };
        let words = String::from_utf8_lossy(body.as_deref().unwrap_or_default());
        let said = || {
            let said = excerpt(words.as_bytes());
            self.redacted(format!("HTTP {status}{}{said}", if said.is_empty() { "" } else { ": " }))
        };
        let wait = wait.or_else(|| wait_in_body(&words).and_then(|value| retry_after(value, SystemTime::now())));
        if status >= 400
            && let Some(advice) = advice(status, &words, wait.is_some())
        {
            return Reply::Unusable(format!("{}; {advice}", said()));
        }
        match status {
            200..=299 => match body.and_then(|body| parse(&body)) {
                Ok(answer) => Reply::Answer(answer),
                Err(reason) => match advice(200, &reason, false).filter(|_| reason.starts_with(ERROR_WITH_200)) {
                    Some(advice) => Reply::Unusable(self.redacted(format!("{reason}; {advice}"))),
                    None => failed(reason),
                },
            },
            300..=399 => Reply::Unusable(format!("HTTP {status}: a redirect to '{location}', which is not followed")),
            401 | 403 => Reply::Unusable(format!("{}; check the key and its environment variable", said())),
            402 => Reply::Unusable(said()),
            404 | 405 | 501 => Reply::Unusable(format!("{}; check the address and the model's name", said())),
            429 => Reply::Busy { reason: said(), wait },
            408 | 409 | 425 => Reply::Failed { reason: said(), wait },
            400..=499 => Reply::Rejected { reason: said(), said: words.chars().take(4000).collect() },
            _ => Reply::Failed { reason: said(), wait },
        }
    }

    /// What it means that no response came.
    fn without_response<T>(&self, endpoint: &str, error: &ureq::Error) -> Reply<T> {
        let said = self.redacted(error.to_string());
        let is_tls = endpoint.starts_with("https:");
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Tls(_) => Reply::Unusable(said),
            // What does not become right by waiting: certificates, and servers without TLS.
            _ if is_tls && said.contains("certificate") => Reply::Unusable(format!("{said}; {}", trust::ADVICE)),
            ureq::Error::Rustls(_) => Reply::Unusable(format!("{said}; {NO_TLS}")),
            ureq::Error::Io(error) if is_tls && error.kind() == std::io::ErrorKind::InvalidData => {
                Reply::Unusable(format!("{said}; {NO_TLS}"))
            }
            ureq::Error::Protocol(_) => {
                Reply::Unusable(format!("no answer in HTTP ({said}); if the server wants https, write https://"))
            }
            error if is_unreachable(error) => Reply::Unreachable(said),
            _ => Reply::Failed { reason: said, wait: None },
        }
    }

    /// Without the key, should a server repeat it.
    fn redacted(&self, text: String) -> String {
        match &self.key {
            Some(ApiKey(key)) => text.replace(key.as_str(), "…"),
            None => text,
        }
    }
}

/// The header that carries the key. Azure takes keys under a name of its own; what it takes as a bearer is a signed token.
fn authorization(endpoint: &str, key: &str) -> (&'static str, String) {
    match endpoint.contains(AZURE) && !key.starts_with("eyJ") {
        true => ("api-key", key.to_string()),
        false => ("authorization", format!("Bearer {key}")),
    }
}

/// Whether the request cannot have arrived.
fn is_unreachable(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match error {
        ureq::Error::Io(error) => matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable),
        ureq::Error::Timeout(phase) => matches!(phase, ureq::Timeout::Connect | ureq::Timeout::Resolve),
        error => matches!(error, ureq::Error::HostNotFound | ureq::Error::ConnectionFailed),
    }
}

fn header<'a, T>(response: &'a Response<T>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// The addresses of servers for what is asked of them, each one once.
///
/// # Errors
/// If there is none, one is named twice, or one cannot be used; if the model has no name.
pub(crate) fn endpoints(servers: &[String], model: &str, path: &str) -> Result<Vec<String>> {
    if model.trim().is_empty() {
        return Err(Error::Config("no model; write the name that the server knows it by".to_string()));
    }
    let mut endpoints: Vec<String> = Vec::new();
    for server in servers {
        let endpoint = endpoint(server, path)?;
        if endpoints.contains(&endpoint) {
            return Err(Error::Config(format!("server '{server}' is named twice; name each one once")));
        }
        endpoints.push(endpoint);
    }
    if endpoints.is_empty() {
        return Err(Error::Config("no server; write one such as http://127.0.0.1:8000/v1".to_string()));
    }
    Ok(endpoints)
}

/// The address of a server such as `http://127.0.0.1:8000/v1` for what is asked of it.
///
/// # Errors
/// If it is not an address, or holds a password, which would end up in messages.
fn endpoint(server: &str, path: &str) -> Result<String> {
    let bad = |what: &str| Error::Config(format!("server '{server}': {what}; write http://127.0.0.1:8000/v1"));
    let uri: Uri = server.trim().parse().map_err(|_| bad("not an address"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(bad("not an address that begins with http:// or https://"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Error::Config("a server's address holds a password; put the key into VIRAL_API_KEY".to_string()));
    }
    let bare = server.trim().split(['#', '?']).next().unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let is_version = query.strip_prefix(AZURE).is_some_and(|version| !version.is_empty() && !version.contains('&'));
    if !query.is_empty() && !is_version {
        // What stands there may be a key.
        let message = "an address with a question mark; only ?api-version=… may stand there, and a key belongs into \
                       VIRAL_API_KEY";
        return Err(Error::Config(format!("server '{bare}': {message}")));
    }
    let base = bare.trim_end_matches('/');
    let base = [CHAT, EMBEDDINGS].iter().find_map(|known| base.strip_suffix(known)).unwrap_or(base);
    let version = if uri.path().trim_matches('/').is_empty() { "/v1" } else { "" };
    Ok(format!("{base}{version}{path}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_and_checked() -> Result<()> {
        let expected = "http://127.0.0.1:8000/v1/chat/completions";
        for server in ["http://127.0.0.1:8000/v1", "http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/", expected] {
            assert_eq!(endpoint(server, CHAT)?, expected);
        }
        assert_eq!(endpoint("https://api.example/openai/v1", EMBEDDINGS)?, "https://api.example/openai/v1/embeddings");
        for server in ["", "127.0.0.1:8000", "ftp://x/v1", "http://", "http://a b", "file:///etc"] {
            assert!(
                endpoint(server, CHAT).unwrap_err().to_string().starts_with(&format!("server '{server}'")),
                "{server}"
            );
        }
        let azure = "https://x.openai.azure.com/openai/deployments/gpt";
        for server in
            [format!("{azure}?api-version=2024-10-21"), format!("{azure}/chat/completions?api-version=2024-10-21")]
        {
            assert_eq!(endpoint(&server, CHAT)?, format!("{azure}/chat/completions?api-version=2024-10-21"));
        }
        for query in ["?key=hunter2", "?api-version=1&key=hunter2", "?api-version="] {
            let message = endpoint(&format!("http://x/v1{query}"), CHAT).unwrap_err().to_string();
            assert!(message.starts_with("server 'http://x/v1'") && !message.contains("hunter2"), "{message}");
        }
        let message = endpoint("http://me:hunter2@x/v1", CHAT).unwrap_err().to_string();
        assert!(!message.contains("hunter2") && message.contains("VIRAL_API_KEY"));
        Ok(())
    }

    #[test]
    fn keys_go_where_the_server_looks_for_them() {
        let azure = "https://x/openai/deployments/gpt/chat/completions?api-version=1";
        assert_eq!(authorization(azure, "k"), ("api-key", "k".to_string()));
        assert_eq!(authorization(azure, "eyJ0"), ("authorization", "Bearer eyJ0".to_string()));
        assert_eq!(authorization("https://x/v1/embeddings", "k"), ("authorization", "Bearer k".to_string()));
    }

    #[test]
    fn keys_do_not_show() {
        let client = Client::new(Some(ApiKey("s3cret".into())), Duration::from_secs(1), 1, &[]).unwrap();
        assert_eq!(client.redacted("bad key s3cret!".into()), "bad key …!");
        assert_eq!(format!("{:?}", client.key), "Some(ApiKey(…))");
    }
}
